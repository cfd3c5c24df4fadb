import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { Secret } from '../../src/kernel/index.ts';
import type { Credential, UpstreamHandle, UpstreamToken } from '../../src/upstream/index.ts';
import {
  createVovserver,
  FAULT_KINDS,
  type FaultKind,
  type Profile,
  TRANSPORTS,
  type Transport,
  type Vovserver,
} from '../../standin/vovserver/index.ts';
import { createRig, queueOf, until } from './rig.ts';

const folder = mkdtempSync(join(tmpdir(), 'vovgw-standin-'));
after(() => rmSync(folder, { recursive: true }));

const boot = (transport: Transport, profile: Partial<Profile> = {}): Promise<Vovserver> =>
  createVovserver({ transport, profile, queueName: 'night', users: { alice: 'alice-pw', bob: 'bob-pw' } });

/** A credential that logs in by the upstream itself. */
function loggingIn(upstream: () => UpstreamHandle, account: string): Credential {
  let token: UpstreamToken | null = null;
  const get = async (): Promise<UpstreamToken> => {
    if (token !== null) return token;
    const answer = await upstream().login('night', account, new Secret(`${account}-pw`));
    if (answer.kind === 'failed') throw answer.error;
    if (answer.kind === 'rejected') throw new Error('rejected');
    token = { tokenType: answer.tokenType, accessToken: answer.accessToken, issuedAt: 0, expiresAt: 1e15 };
    return token;
  };
  return {
    get,
    renew() {
      token = null;
      return get();
    },
  };
}

async function rigOf(server: Vovserver, url: string, more: object) {
  const credentials = new Map<string, Credential>();
  const rig = await createRig({
    queues: [queueOf(url, { checkName: true, ...more })],
    credential(account) {
      const credential = credentials.get(account) ?? loggingIn(() => rig.upstream, account);
      credentials.set(account, credential);
      return credential;
    },
  });
  assert.equal(server.queueName, 'night');
  return rig;
}

const caFileOf = (server: Vovserver): object => {
  if (server.caPem === null) return {};
  const caFile = join(folder, `${server.port}.pem`);
  writeFileSync(caFile, server.caPem);
  return { caFile };
};

describe('every policy against every transport mode of vovserver', () => {
  const VERIFY = ['ca', 'pin', 'ca+pin', 'none'] as const;
  const passes = (transport: Transport, verify: (typeof VERIFY)[number]): boolean =>
    transport !== 'http' && (verify === 'pin' || verify === 'none' || transport === 'https-ca');
  for (const transport of TRANSPORTS) {
    for (const verify of VERIFY) {
      const good = passes(transport, verify);
      it(`${verify} against ${transport}: ${good ? 'login, name and calls pass' : 'nothing is sent'}`, async () => {
        await using server = await boot(transport);
        const pins = server.pin === '' ? [`sha256/${'A'.repeat(43)}=`] : [server.pin];
        const tls = { verify, ...caFileOf(server), pins: verify.includes('pin') ? pins : [] };
        await using rig = await rigOf(server, server.url.replace('http:', 'https:'), { tls });
        const answer = await rig.call({ target: '/api/v3/query?select=id&from=jobs', account: 'alice' });
        if (good) {
          assert.equal(answer.status, 200, `${answer.code} ${answer.detail}`);
          assert.equal(rig.upstream.status()[0]?.tlsLevel, verify === 'none' ? 2 : 3);
        } else {
          assert.equal(answer.code, 'GW_UPSTREAM_TLS');
          assert.equal(server.ledger.logins.length + server.ledger.requests.length, 0);
        }
      });
    }
  }

  it('http:// passes on plain HTTP only', async () => {
    for (const transport of TRANSPORTS) {
      await using server = await boot(transport);
      await using rig = await rigOf(server, server.url.replace('https:', 'http:'), {});
      const { status } = await rig.call({ account: 'alice' });
      assert.equal(status === 404 || status === 200, transport === 'http', `${transport} ${status}`);
    }
  });
});

describe('with vovserver', () => {
  it('both forms of the Authorization header reach what the server is strict about', async () => {
    for (const authorization of ['colon', 'space'] as const) {
      await using server = await boot('http', { authorization: `${authorization}-only` });
      await using rig = await rigOf(server, server.url, { authorization });
      assert.equal((await rig.call({ target: '/api/v3/project/1/version', account: 'alice' })).status, 200);
    }
  });

  it('a job is submitted, listed and read as its user', async () => {
    await using server = await boot('https-ca');
    await using rig = await rigOf(server, server.url, { tls: caFileOf(server) });
    const body = JSON.stringify({ command: 'sleep 1', logfile: 'L.1', rundir: '/tmp', env: 'BASE' });
    const headers = { 'content-type': 'application/json' };
    const made = await rig.call({ method: 'POST', target: '/api/v3/jobs', body, headers, account: 'bob' });
    assert.equal(made.status, 200, made.detail);
    const { jobid } = JSON.parse(made.body.toString()) as { jobid: number };
    const read = await rig.call({ target: `/api/v3/jobs/${jobid}/USER`, account: 'alice' });
    assert.deepEqual(JSON.parse(read.body.toString()).rows, [['bob']]);
    assert.equal(server.ledger.jobs.length, 1);
    assert.equal(server.ledger.logins.length, 2);
  });

  it('JWTs that die with a restart are renewed without the caller noticing', async () => {
    await using server = await boot('http');
    await using rig = await rigOf(server, server.url, {});
    const target = '/api/v3/query?select=id&from=jobs';
    assert.equal((await rig.call({ target, account: 'alice' })).status, 200);
    await server.restart();
    const again = await rig.call({ target, account: 'alice' });
    assert.equal(again.status, 200, again.detail);
    assert.equal(rig.results.at(-1)?.renewed, true);
    assert.equal(server.ledger.logins.length, 2);
  });

  for (const kind of Object.keys(FAULT_KINDS) as FaultKind[]) {
    it(`survives 100 times “${kind}” and serves the next call`, async () => {
      await using server = await boot('http');
      const timeouts = { headers: '150ms', body: '100ms', total: '250ms' };
      await using rig = await rigOf(server, server.url, { timeouts, connections: { perAccount: 20 } });
      const target = '/api/v3/query?select=id&from=jobs';
      assert.equal((await rig.call({ target, account: 'alice' })).status, 200);
      const fault = server.addFault({
        kind,
        path: 'query',
        ms: 1,
        location: 'https://evil.example/',
        bytes: 1_000_000,
      });
      const round = async (nth: number): Promise<void> => {
        const account = nth % 2 === 0 ? 'alice' : 'bob';
        const answer = await rig.call({ target, account });
        assert.notEqual(answer.code, 'GW_INTERNAL', answer.detail);
        assert.notEqual(answer.status, 401);
        assert.equal(answer.headers['set-cookie'] ?? answer.headers.server ?? answer.headers['x-secret'], undefined);
        if (answer.status >= 500 && answer.code !== undefined) assert.equal(answer.cut, false);
      };
      for (let nth = 0; nth < 100; nth += 20) await Promise.all(Array.from({ length: 20 }, (_, at) => round(nth + at)));
      fault[Symbol.dispose]();
      await until(() => rig.told.upstream.length >= 100);
      // Bytes still under way could be taken for the answer to the account's own next call, as on any connection.
      if (kind === 'extra-bytes') await until(() => rig.told.open === 0);
      let next = await rig.call({ target, account: 'alice' });
      // The time limits here are short for the faults' sake; a machine that is busy may miss one.
      for (let again = 0; again < 20 && next.status === 504; again++)
        next = await rig.call({ target, account: 'alice' });
      assert.equal(next.status, 200, `${next.code} ${next.detail}`);
      assert.ok(Array.isArray(JSON.parse(next.body.toString()).columns));
    });
  }
});
