import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { QueueConfig } from '../../src/config/index.ts';
import { GatewayError, systemClock } from '../../src/kernel/index.ts';
import { createUpstream, judgeError, type UpstreamHandle } from '../../src/upstream/index.ts';
import { type Authority, createAuthority, createSelfSigned, type Leaf } from '../../standin/certificates.ts';
import { createManualClock } from '../world/manual-clock.ts';
import { createRawServer, createToldReport, queueOf, type RawHandler, reply, until } from './rig.ts';

const folder = mkdtempSync(join(tmpdir(), 'vovgw-agent-'));
const caFile = join(folder, 'ca.pem');
let authority: Authority;
let signed: Leaf;
let own: Leaf;
let other: Leaf;

before(async () => {
  authority = await createAuthority();
  writeFileSync(caFile, authority.certPem);
  [signed, own, other] = await Promise.all([authority.leaf(), createSelfSigned(), createSelfSigned()]);
});
after(() => rmSync(folder, { recursive: true }));

const shown = ({ certPem, keyPem }: Leaf) => ({ cert: certPem, key: keyPem });
const ok: RawHandler = (socket) => reply(socket, '{}');

function createAgents(queues: readonly QueueConfig[], clock = systemClock) {
  const report = createToldReport();
  return { report, upstream: createUpstream({ queues, report, clock }) };
}

/** One GET over the agent of the queue; the status, or the code of the error. */
async function get(upstream: UpstreamHandle, queue = 'night'): Promise<number | string> {
  try {
    const { agent, origin } = await upstream.agentFor(queue);
    const send = origin.startsWith('https:') ? requestHttps : requestHttp;
    return await new Promise<number>((resolve, reject) => {
      const sent = send(`${origin}/html/x.html`, { agent }, (answer) => {
        answer.resume();
        answer.on('end', () => resolve(answer.statusCode ?? 0));
      });
      sent.on('error', reject);
      sent.end();
    });
  } catch (error) {
    return error instanceof GatewayError ? error.code : judgeError(error, false).error.code;
  }
}

describe('the agent of a queue', () => {
  const POLICIES = ['ca', 'pin', 'ca+pin', 'none'] as const;
  const rows: readonly (readonly [name: string, leaf: () => Leaf, pins: () => Leaf, passes: readonly string[]])[] = [
    ['signed by the authority, its key pinned', () => signed, () => signed, POLICIES],
    ['signed by the authority, another key pinned', () => signed, () => other, ['ca', 'none']],
    ['self-signed, its key pinned', () => own, () => own, ['pin', 'none']],
    ['self-signed, another key pinned', () => own, () => other, ['none']],
  ];
  for (const [name, leaf, pinned, passes] of rows) {
    for (const verify of POLICIES) {
      const passed = passes.includes(verify);
      it(`${passed ? 'reaches' : 'refuses'} a server ${name}, under ${verify}`, async () => {
        await using server = await createRawServer(ok, shown(leaf()));
        const tls = { verify, caFile, pins: verify.includes('pin') ? [pinned().spkiPin] : [] };
        const { upstream } = createAgents([queueOf(server.url, { tls })]);
        await using _upstream = upstream;
        assert.equal(await get(upstream), passed ? 200 : 'GW_UPSTREAM_TLS');
        assert.equal(server.requests.length, passed ? 1 : 0, 'nothing is sent to a server that is refused');
      });
    }
  }

  it('verifies the host name, and sends the configured one', async () => {
    const named = await authority.leaf({ hosts: ['vov.example'] });
    await using server = await createRawServer(ok, shown(named));
    const { upstream } = createAgents([
      queueOf(server.url, { tls: { caFile } }),
      { ...queueOf(server.url, { tls: { caFile, serverName: 'vov.example' } }), name: 'day' },
    ]);
    await using _upstream = upstream;
    assert.equal(await get(upstream), 'GW_UPSTREAM_TLS');
    assert.equal(await get(upstream, 'day'), 200);
  });

  it('judges each connection anew: one handshake for each request, none resumed', async () => {
    await using server = await createRawServer(ok, shown(own));
    const { upstream } = createAgents([queueOf(server.url, { tls: { verify: 'pin', pins: [own.spkiPin] } })]);
    await using _upstream = upstream;
    await upstream.agentFor('night');
    for (let i = 0; i < 3; i += 1) assert.equal(await get(upstream), 200);
    await until(() => server.sockets.size === 0);
    server.setCertificate(shown(other));
    assert.equal(await get(upstream), 'GW_UPSTREAM_TLS');
    assert.equal(server.requests.length, 3);
  });

  it('is another one after a reload, whose policy counts at once', async () => {
    await using server = await createRawServer(ok, shown(own));
    const pinned = (leaf: Leaf) => queueOf(server.url, { tls: { verify: 'pin', pins: [leaf.spkiPin] } });
    const { upstream } = createAgents([pinned(own)]);
    await using _upstream = upstream;
    const before = await upstream.agentFor('night');
    assert.equal((await upstream.agentFor('night')).agent, before.agent, 'the same while nothing changed');
    assert.equal(await get(upstream), 200);
    upstream.updateQueues([pinned(other)]);
    assert.equal(await get(upstream), 'GW_UPSTREAM_TLS');
    upstream.updateQueues([pinned(own)]);
    assert.equal(await get(upstream), 200);
    assert.notEqual((await upstream.agentFor('night')).agent, before.agent);
    upstream.updateQueues([]);
    assert.equal(await get(upstream), 'GW_INTERNAL');
  });

  it('follows TLS files that change', async () => {
    const file = join(folder, 'changing.pem');
    writeFileSync(file, authority.certPem);
    await using server = await createRawServer(ok, shown(signed));
    const clock = createManualClock();
    const { upstream } = createAgents([queueOf(server.url, { tls: { caFile: file, probe: '1h' } })], clock);
    await using _upstream = upstream;
    assert.equal(await get(upstream), 200);
    writeFileSync(file, (await createAuthority('Another')).certPem);
    while ((await get(upstream)) === 200) {
      await clock.advance(2000);
      await new Promise((resolve) => setImmediate(resolve));
    }
    assert.equal(await get(upstream), 'GW_UPSTREAM_TLS');
  });

  it('goes on to the next candidate when one cannot be reached', async () => {
    await using gone = await createRawServer(ok);
    const { url } = gone;
    await gone[Symbol.asyncDispose]();
    await using server = await createRawServer(ok);
    const { upstream } = createAgents([queueOf([url, server.url])]);
    await using _upstream = upstream;
    assert.equal(await get(upstream), 'GW_UPSTREAM_DOWN');
    assert.equal(await get(upstream), 200);
    assert.equal((await upstream.agentFor('night')).origin, server.url);
  });
});
