import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { createVovserver } from '../../standin/vovserver/index.ts';
import { freePort } from '../world/redis-process.ts';
import { createWorld, type World } from '../world/world.ts';

const READ = '/api/v3/project/1/version';
const FORM = 'application/x-www-form-urlencoded';
let logfile = 0;
const newJob = () => ({ command: 'true', rundir: '/tmp', env: 'BASE', logfile: `log-${++logfile}` });

async function statusOf(calling: Promise<Response>): Promise<number> {
  const answer = await calling;
  await answer.arrayBuffer();
  return answer.status;
}

describe('scopes', () => {
  it('decide by the class of the call', async () => {
    await using world = await createWorld();
    const all = await world.token('alice');
    const made = (await (await world.call('POST', '/api/v3/jobs', { token: all, json: newJob() })).json()) as {
      jobid: number;
    };
    const job = `/api/v3/jobs/${made.jobid}`;
    const calls: Readonly<Record<string, [string, string, unknown?]>> = {
      read: ['GET', job],
      list: ['GET', '/api/v3/query?select=id&from=jobs'],
      submit: ['POST', '/api/v3/jobs', newJob()],
      modify: ['PATCH', job, { priority: 'low' }],
      stop: ['PUT', job, { action: 'stop' }],
      forget: ['DELETE', job],
    };
    const allowed = {
      read: ['read', 'list'],
      submit: ['submit'],
      control: ['modify', 'stop', 'forget'],
    } as const;
    for (const scope of ['read', 'submit', 'control'] as const) {
      const token = await world.token('alice', [scope]);
      for (const [name, [method, path, json]] of Object.entries(calls)) {
        const mark = world.vovserver.ledger.seq;
        const answer = await world.call(method, path, { token, ...(json === undefined ? {} : { json }) });
        const text = await answer.text();
        const may = (allowed[scope] as readonly string[]).includes(name);
        assert.equal(text.includes('GW_SCOPE_MISSING'), !may, `${scope} ${name}: ${text}`);
        if (!may) {
          assert.equal(answer.status, 403);
          assert.match(answer.headers.get('www-authenticate') ?? '', /error="insufficient_scope", scope="\w+"/);
          assert.equal(world.vovserver.ledger.seq, mark, 'nothing reached vovserver');
        }
      }
    }
  });
});

describe('shared account', () => {
  it('many users reach vovserver as the service account, others as themselves', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'vovgw-shared-'));
    const passwordFile = join(folder, 'password');
    await writeFile(passwordFile, 'pw-svc_ci\n', { mode: 0o600 });
    await using world = await createWorld({
      users: ['alice', 'svc_ci'],
      config: {
        credentials: [{ type: 'shared', account: 'svc_ci', passwordFile }],
        identity: {
          groups: { ci: ['bot1', 'bot2'] },
          rules: [{ match: { group: 'ci' }, shared: 'svc_ci' }],
        },
      },
    });
    for (const user of ['bot1', 'bot2']) {
      const token = await world.token(user);
      assert.equal(await statusOf(world.call('POST', '/api/v3/jobs', { token, json: newJob() })), 200);
    }
    const denied = await world.call('GET', READ, { token: await world.token('mallory') });
    assert.equal(denied.status, 403);
    assert.equal(((await denied.json()) as { code: string }).code, 'GW_NO_ACCOUNT');
    assert.deepEqual(
      world.vovserver.ledger.jobs.map(({ user }) => user),
      ['svc_ci', 'svc_ci'],
    );
    assert.equal(world.vovserver.ledger.logins.length, 1);
    await rm(folder, { recursive: true });
  });

  it('an account without a password: 503 that names nothing but the account’s owner can act on', async () => {
    await using world = await createWorld({ users: ['alice'] });
    const answer = await world.call('GET', READ, { token: await world.token('carol') });
    assert.equal(answer.status, 503);
    assert.match(answer.headers.get('retry-after') ?? '', /^[1-9][0-9]*$/);
    const text = await answer.text();
    assert.match(text, /GW_CREDENTIAL_UNAVAILABLE/);
    assert.ok(!text.includes(world.passwords), 'no path of the machine');
    assert.deepEqual(world.vovserver.ledger.logins, []);
  });
});

describe('passthrough', () => {
  const login = (world: World, username: string, password: string) =>
    world.call('POST', '/api/v3/token', {
      body: new URLSearchParams({ username, password }).toString(),
      headers: { 'content-type': FORM },
    });
  const passthrough = { config: { credentials: [{ type: 'passthrough' }], limits: { mode: 'off' } } };

  it('exchanges a vovserver password once and keeps nothing of it but the JWT', async () => {
    await using world = await createWorld(passthrough);
    const answer = await login(world, 'alice', 'pw-alice');
    assert.equal(answer.status, 200);
    assert.match(answer.headers.get('deprecation') ?? '', /^@\d+$/);
    const { access_token: token } = (await answer.json()) as { access_token: string };
    assert.match(token, /^vgw_/);
    assert.equal(await statusOf(world.call('POST', '/api/v3/jobs', { token, json: newJob() })), 200);
    assert.deepEqual(
      world.vovserver.ledger.jobs.map(({ user }) => user),
      ['alice'],
    );
    assert.equal(world.vovserver.ledger.logins.length, 1);
    assert.ok(!world.log.some((line) => line.includes('pw-alice')));
  });

  it('a wrong password is 401 with the text of every wrong login', async () => {
    await using world = await createWorld(passthrough);
    const answer = await login(world, 'alice', 'wrong');
    assert.equal(answer.status, 401);
    const off = await createWorld();
    const same = await login(off, 'alice', 'wrong');
    assert.equal(
      ((await answer.json()) as { detail: string }).detail,
      ((await same.json()) as { detail: string }).detail,
    );
    assert.deepEqual(off.vovserver.ledger.logins, [], 'off by default: no password goes to vovserver');
    await off[Symbol.asyncDispose]();
  });

  it('nobody signs in as an account that the rules give to another', async () => {
    const rules = [
      { match: { user: 'alice' }, account: 'bob' },
      { match: { userPattern: '([a-z]+)' }, account: '$1' },
    ];
    await using world = await createWorld({ config: { ...passthrough.config, identity: { rules } } });
    assert.equal(await statusOf(login(world, 'alice', 'pw-alice')), 401);
    assert.equal(await statusOf(login(world, 'bob', 'pw-bob')), 200);
  });

  it('vovserver away is no wrong password', async () => {
    await using world = await createWorld(passthrough);
    await world.vovserver.stop();
    assert.equal(await statusOf(login(world, 'alice', 'pw-alice')), 503);
  });

  it('many guesses at once are tried no more often than one after another, whatever limits.mode says', async () => {
    await using world = await createWorld(passthrough);
    const guesses = Array.from({ length: 60 }, (_, i) => statusOf(login(world, 'alice', `guess-${i}`)));
    const statuses = await Promise.all(guesses);
    const { requests } = world.config.limits.attempts;
    assert.deepEqual(
      [401, 429].map((wanted) => statuses.filter((status) => status === wanted).length),
      [requests, 60 - requests],
    );
    assert.equal(world.vovserver.ledger.logins.length, requests);
  });

  it('many right passwords at once all sign in, with few logins under way', async () => {
    await using world = await createWorld(passthrough);
    using _slow = world.vovserver.addFault({ kind: 'delay', ms: 5, path: 'token' });
    const statuses = await Promise.all(Array.from({ length: 30 }, () => statusOf(login(world, 'alice', 'pw-alice'))));
    assert.deepEqual(new Set(statuses), new Set([200]));
    assert.equal(world.vovserver.stats.inFlightPeak, world.config.broker.loginConcurrency);
  });

  it('a token holds only on the queue whose password it was given for', async () => {
    await using other = await createVovserver({
      transport: 'http',
      queueName: 'other',
      users: [{ name: 'alice', password: 'another' }],
    });
    const otherPort = await freePort();
    await using own = await createVovserver({
      transport: 'http',
      queueName: 'own',
      users: [{ name: 'alice', password: 'pw-alice' }],
    });
    const queues = [
      { name: 'own', urls: [own.url], allowInsecure: true },
      { name: 'other', urls: [other.url], allowInsecure: true, port: otherPort },
    ];
    await using world = await createWorld({ config: { ...passthrough.config, queues } });
    const { access_token: token } = (await (await login(world, 'alice', 'pw-alice')).json()) as {
      access_token: string;
    };
    assert.equal(await statusOf(world.call('GET', READ, { token })), 200);
    const refused = await world.call('GET', READ, { token, port: otherPort });
    const { code, detail } = (await refused.json()) as { code: string; detail: string };
    assert.deepEqual([refused.status, code], [403, 'GW_NO_ACCOUNT']);
    assert.match(detail, /password of the queue own.*sign in on the queue other/);
    assert.deepEqual([other.ledger.requests, other.ledger.logins], [[], []]);
  });
});
