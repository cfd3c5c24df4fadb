import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { createWorld, type World } from '../world/world.ts';

let logfile = 0;
const job = (over: object = {}) => ({
  ...{ command: 'sleep 60', rundir: '/proj/chip', env: 'BASE', logfile: `log-${++logfile}` },
  ...over,
});

describe('jobs.quotas on the road', () => {
  let world: World;
  const tokens = new Map<string, string>();

  before(async () => {
    world = await createWorld({
      users: ['alice', 'bob', 'carol', 'dave'],
      config: {
        identity: { groups: { interns: ['bob'], lab: ['carol'], watched: ['dave'] } },
        jobs: {
          quotas: [
            { name: 'everyone', exceptGroups: ['watched'], liveJobs: 4 },
            { name: 'interns', groups: ['interns'], submissionsPerMinute: 2, submissionsPerDay: 2 },
            { name: 'later', groups: ['watched'], mode: 'observe', submissionsPerMinute: 1 },
          ],
          policy: [{ name: 'folders', fields: { rundir: { under: ['/proj'] } } }],
        },
      },
    });
    for (const user of ['alice', 'bob', 'carol', 'dave']) tokens.set(user, await world.token(user));
  });
  after(() => world[Symbol.asyncDispose]());

  const submit = async (user: string, json: object = job(), headers: Record<string, string> = {}) => {
    const answer = await world.call('POST', '/api/v3/jobs', { token: tokens.get(user) ?? '', json, headers });
    const body = (await answer.json()) as Record<string, unknown>;
    return { status: answer.status, code: body.code, body, headers: answer.headers };
  };
  const made = (user: string): number => world.vovserver.ledger.jobs.filter((one) => one.user === user).length;

  it('refuse with 429 of their own, when to come again, and every quota at once', async () => {
    for (let at = 0; at < 2; at += 1) assert.equal((await submit('bob')).status, 200);
    const { status, code, body, headers } = await submit('bob');
    assert.deepEqual([status, code, made('bob')], [429, 'GW_QUOTA', 2]);
    assert.match(String(body.detail), /this minute .*quota interns.*24 hours/);
    assert.equal(body.error, body.detail);
    assert.ok(Number(headers.get('retry-after')) > 60);
    assert.match(headers.get('ratelimit') ?? '', /"quota-interns-minute";r=0;t=\d+, "quota-interns-day";r=0;t=\d+/);
    assert.match(headers.get('ratelimit-policy') ?? '', /"quota-interns-minute";q=2;w=60/);
  });

  it('tell in a dry run, with what the policy says, and count nothing', async () => {
    const dry = { 'x-dry-run': 'true' };
    const full = await submit('bob', job({ rundir: '/etc' }), dry);
    assert.deepEqual([full.status, full.body.allowed], [200, false]);
    assert.deepEqual(
      (full.body.quotas as { quota: string }[]).map(({ quota }) => quota),
      ['interns', 'interns'],
    );
    assert.equal((full.body.violations as object[]).length, 1);
    for (let at = 0; at < 6; at += 1) {
      const free = await submit('carol', job(), dry);
      assert.deepEqual([free.body.allowed, free.body.quotas], [true, []]);
    }
    assert.equal(made('carol'), 0);
  });

  it('count a key once, and nothing that was refused by policy or by vovserver', async () => {
    const one = job();
    for (let at = 0; at < 4; at += 1) {
      assert.equal((await submit('carol', one, { 'idempotency-key': 'same' })).status, 200);
    }
    for (let at = 0; at < 4; at += 1) {
      assert.equal((await submit('carol', job({ rundir: '/etc' }))).status, 422);
      assert.equal((await submit('carol', { rundir: '/proj' })).status, 400);
      assert.equal((await submit('carol', one)).status, 500, 'its log file is in use');
    }
    for (let at = 0; at < 3; at += 1) assert.equal((await submit('carol')).status, 200);
    assert.deepEqual([(await submit('carol')).code, made('carol')], ['GW_QUOTA', 4]);
  });

  it('count live jobs as vovserver has them, also those that it got from elsewhere', async () => {
    const { url } = world.vovserver;
    const form = new URLSearchParams({ username: 'alice', password: 'pw-alice' });
    const login = await fetch(`${url}/api/v3/token`, { method: 'POST', body: form });
    const { access_token: jwt } = (await login.json()) as { access_token: string };
    const headers = { authorization: `Bearer:${jwt}`, 'content-type': 'application/json' };
    for (let at = 0; at < 3; at += 1) {
      const body = JSON.stringify(job());
      assert.equal((await fetch(`${url}/api/v3/jobs`, { method: 'POST', headers, body })).status, 200);
    }
    assert.equal((await submit('alice')).status, 200);
    const refused = await submit('alice');
    assert.deepEqual([refused.code, made('alice')], ['GW_QUOTA', 4]);
    assert.match(String(refused.body.detail), /4 of your 4 live jobs are used/);
    assert.ok(Number(refused.headers.get('retry-after')) >= 15);
  });

  it('that are observed let pass and say so', async () => {
    for (let at = 0; at < 3; at += 1) assert.equal((await submit('dave')).status, 200);
    assert.ok(world.log.some((line) => line.includes('quota_exceeded') && line.includes('later')));
    const metrics = await (await fetch(`http://127.0.0.1:${world.gateway.adminPort}/metrics`)).text();
    assert.match(metrics, /limit_decisions_total\{[^}]*quota-later[^}]*would_deny[^}]*\} 2/);
  });
});
