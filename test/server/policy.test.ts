import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { configOf, createWorld, type World } from '../world/world.ts';

const JOB = { command: 'true', rundir: '/proj/chip', env: 'BASE' };
let logfile = 0;
const job = (over: Record<string, unknown> = {}) => ({ ...JOB, logfile: `log-${++logfile}`, ...over });

/** A configuration to take the rules from. */
const RAW = {
  mode: 'development',
  server: { host: '127.0.0.1' },
  queues: [{ name: 'test', urls: ['https://vov:1'] }],
  credentials: [{ type: 'passthrough' }],
};
const metricsOf = ({ gateway }: World): Promise<string> => gateway.report.metrics();

describe('jobs.policy on the road', () => {
  let world: World;
  let alice: string;
  let bob: string;

  before(async () => {
    world = await createWorld({
      config: {
        identity: { groups: { interns: ['bob'] } },
        jobs: {
          policy: [
            {
              name: 'folders',
              fields: { rundir: { under: ['/proj'] }, env: { oneOf: ['BASE', 'CLEAN'] } },
              denyKeys: ['wrapper'],
            },
            {
              name: 'interns',
              groups: ['interns'],
              fields: { 'priority,sched': { most: 4 } },
              defaults: { jobclass: 'small' },
            },
            { name: 'later', mode: 'observe', fields: { command: { pattern: '[a-z ]+' } } },
          ],
        },
      },
    });
    [alice, bob] = [await world.token('alice'), await world.token('bob')];
  });
  after(() => world[Symbol.asyncDispose]());

  const submit = async (token: string, json: unknown, headers: Record<string, string> = {}, query = '') => {
    const answer = await world.call('POST', `/api/v3/jobs${query}`, { token, json, headers });
    return { status: answer.status, body: (await answer.json()) as Record<string, unknown> };
  };
  const posts = (): number => world.vovserver.ledger.requests.filter(({ method }) => method !== 'GET').length;

  it('refuses with every reason at once, and nothing reaches vovserver', async () => {
    await submit(alice, job());
    const before = posts();
    const { status, body } = await submit(
      bob,
      job({ rundir: '/etc', env: 'D(X=1)', wrapper: 'x', 'priority,sched': 9 }),
    );
    assert.deepEqual([status, body.code], [422, 'GW_POLICY']);
    for (const part of ['rundir', 'env', 'wrapper', 'priority,sched'])
      assert.match(String(body.detail), new RegExp(part));
    assert.equal((await submit(alice, job({ rundir: '/proj/../etc' }))).status, 422);
    assert.equal((await submit(alice, job(), {}, '?rundir=/etc')).status, 400);
    assert.equal(posts(), before);
  });

  it('adds what is missing, for those whom the rule concerns', async () => {
    const made = await submit(bob, job());
    assert.equal(made.status, 200);
    const read = await world.call('GET', `/api/v3/jobs/${String(made.body.jobid)}/JOBCLASS`, { token: bob });
    assert.match(await read.text(), /small/);
  });

  it('observes without refusing, and says so in the log', async () => {
    assert.equal((await submit(alice, job({ command: 'RUN 1' }))).status, 200);
    assert.ok(world.log.some((line) => line.includes('policy_observed') && line.includes('later')));
  });

  it('answers what would happen, without making it', async () => {
    const before = posts();
    const dry = { 'x-dry-run': 'true' };
    const good = await submit(bob, job(), dry);
    assert.deepEqual([good.status, good.body.allowed, good.body.defaults], [200, true, { jobclass: 'small' }]);
    const bad = await submit(alice, job({ env: 'DOT' }), dry);
    assert.deepEqual([bad.status, bad.body.allowed], [200, false]);
    assert.equal((await submit(alice, job(), { 'x-dry-run': 'yes' })).status, 400);
    assert.equal(posts(), before);
  });

  it('holds changes of a job to the same rules', async () => {
    const made = await submit(alice, job());
    const path = `/api/v3/jobs/${String(made.body.jobid)}`;
    const before = posts();
    const answer = await world.call('PATCH', path, { token: alice, json: { rundir: '/etc' } });
    assert.equal(answer.status, 422);
    assert.equal((await world.call('PATCH', `${path}?rundir=/etc`, { token: alice, json: {} })).status, 400);
    assert.equal(posts(), before);
  });

  it('holds what an order to a job carries along to the same rules, and lets kills go however they are sent', async () => {
    const made = await submit(alice, job());
    const path = `/api/v3/jobs/${String(made.body.jobid)}`;
    const puts = () => world.vovserver.ledger.requests.filter(({ method }) => method === 'PUT').length;
    const put = async (body: string, headers: Record<string, string> = {}, query = '') =>
      (await world.call('PUT', `${path}${query}`, { token: alice, body, headers })).status;
    const before = puts();
    assert.equal(await put('{"action":"stop","rundir":"/etc"}', { 'content-type': 'application/json' }), 422);
    assert.equal(await put('{"action":"stop","dir":"/etc"}'), 422);
    assert.equal(await put('{"action":"stop"}', {}, '?rundir=/etc'), 400);
    assert.equal(await put('{"action":"stop"}', { 'x-dry-run': 'true' }), 400, 'nothing is done in place of a dry run');
    assert.equal(puts(), before);
    await put('{"action":"stop"}', { 'content-type': 'application/json' });
    await put('{"action":"stop"}', { 'content-type': 'application/x-www-form-urlencoded' });
    assert.equal(puts(), before + 2, 'what vovserver makes of them is its own affair');
    const dryDelete = await world.call('DELETE', path, { token: alice, headers: { 'x-dry-run': 'true' } });
    assert.equal(dryDelete.status, 400);
    const deleted = () => world.vovserver.ledger.requests.filter(({ method }) => method === 'DELETE').length;
    assert.equal(deleted(), 0);
    await world.call('DELETE', path, { token: alice });
    assert.equal(deleted(), 1);
  });
});

describe('a key whose policy changes', () => {
  it('stays that of the body that its caller sent, however its path is spelled', async () => {
    const policy = [{ name: 'class', defaults: { jobclass: 'small' } }];
    await using world = await createWorld({ config: { jobs: { policy } } });
    const token = await world.token('alice');
    const json = job();
    const post = async (target: string, body: object = json) => {
      const answer = await world.call('POST', target, { token, json: body, headers: { 'idempotency-key': 'one' } });
      return { status: answer.status, text: await answer.text(), again: answer.headers.get('idempotent-replayed') };
    };
    const first = await post('/api/v3/jobs');
    assert.deepEqual([first.status, first.again], [200, null]);
    const { jobs } = world.config;
    const changed = jobs.policy.map((rule) => ({ ...rule, defaults: { jobclass: 'normal' } }));
    world.gateway.reload({ ...world.config, jobs: { ...jobs, policy: changed } });
    for (const target of ['/api/v3/jobs', '/api/v3/jobs/']) {
      assert.deepEqual(await post(target), { status: 200, text: first.text, again: 'true' });
    }
    assert.equal(
      (await post('/api/v3/jobs', { ...json, jobclass: 'small' })).status,
      422,
      'another body of the caller',
    );
    assert.equal(world.vovserver.ledger.jobs.length, 1);
  });

  it('has the answer of its job although the rules would refuse it now; what would be sent is refused', async () => {
    const policy = [{ name: 'folders', fields: { env: { oneOf: ['BASE'] } } }];
    await using world = await createWorld({ config: { jobs: { policy } } });
    const token = await world.token('alice');
    const json = job();
    const post = async (key: string, target = '/api/v3/jobs', body: object = json) => {
      const answer = await world.call('POST', target, { token, json: body, headers: { 'idempotency-key': key } });
      const { code } = (await answer.json()) as { code?: string };
      return [answer.status, answer.headers.get('idempotent-replayed'), code];
    };
    assert.deepEqual(await post('one'), [200, null, undefined]);
    assert.deepEqual(await post('two', '/api/v3/jobs', { ...json, env: 'DOT' }), [422, null, 'GW_POLICY']);
    const { jobs } = world.config;
    const tighter = jobs.policy.map((rule) => ({
      ...rule,
      fields: { env: { oneOf: ['CLEAN'], required: false }, logfile: { pattern: 'no', required: false } },
    }));
    world.gateway.reload({ ...world.config, jobs: { ...jobs, policy: tighter } });
    assert.deepEqual(await post('one'), [200, 'true', undefined]);
    assert.deepEqual(await post('one', '/api/v3/jobs', { ...json, env: 'CLEAN' }), [422, null, 'GW_KEY_REUSED']);
    assert.deepEqual(await post('three'), [422, null, 'GW_POLICY']);
    assert.deepEqual(await post('three', '/api/v3/jobs?x'), [400, null, 'GW_BAD_REQUEST']);
    // What was refused left no record: the corrected body may have the key.
    world.gateway.reload(world.config);
    assert.deepEqual(await post('two', '/api/v3/jobs', job()), [200, null, undefined]);
    assert.equal(world.vovserver.ledger.jobs.length, 2);
    assert.match(await metricsOf(world), /policy_decisions_total{queue="test",rule="folders",decision="deny"} 3\n/);
  });

  it('is sent when the rules came before a query that they forbid', async () => {
    await using world = await createWorld();
    const token = await world.token('alice');
    const json = job();
    const post = async () => {
      const headers = { 'idempotency-key': 'one' };
      const answer = await world.call('POST', '/api/v3/jobs?format=json', { token, json, headers });
      return [answer.status, answer.headers.get('idempotent-replayed')];
    };
    assert.deepEqual(await post(), [200, null]);
    const { jobs } = configOf({ ...RAW, jobs: { policy: [{ name: 'all', denyKeys: ['wrapper'] }] } });
    world.gateway.reload({ ...world.config, jobs });
    assert.deepEqual(await post(), [200, 'true']);
    assert.equal(world.vovserver.ledger.jobs.length, 1);
  });
});

describe('a query beside the body', () => {
  const STOP = JSON.stringify({ action: 'stop' });
  const policy = [
    { name: 'nobody', groups: ['nobody'], fields: { env: { oneOf: ['BASE'] } } },
    { name: 'tried', mode: 'observe', fields: { env: { oneOf: ['BASE'] } } },
    { name: 'interns', groups: ['interns'], fields: { rundir: { under: ['/proj'] } }, denyKeys: ['wrapper'] },
  ];
  const config = { identity: { groups: { interns: ['bob'] } }, jobs: { policy } };

  it('counts for those whom an enforced rule concerns, and for no kill by itself', async () => {
    await using world = await createWorld({ config });
    const codeOf = async (answer: Response) => (JSON.parse((await answer.text()) || '{}') as { code?: string }).code;
    const ends = async (user: string) => {
      const token = await world.token(user);
      const submit = await world.call('POST', '/api/v3/jobs?format=json', { token, json: job() });
      const made = (await (await world.call('POST', '/api/v3/jobs', { token, json: job() })).json()) as {
        jobid: number;
      };
      const path = `/api/v3/jobs/${made.jobid}`;
      const put = async (query: string) => codeOf(await world.call('PUT', `${path}${query}`, { token, body: STOP }));
      const patch = await world.call('PATCH', `${path}?x`, { token, json: { priority: 'low' } });
      return { submit: await codeOf(submit), patch: await codeOf(patch), put };
    };
    const puts = () => world.vovserver.ledger.requests.filter(({ method }) => method === 'PUT').length;
    const alice = await ends('alice');
    assert.deepEqual([alice.submit, alice.patch], [undefined, undefined]);
    for (const query of ['?x=1', '?rundir=/etc']) assert.equal(await alice.put(query), undefined, query);
    assert.equal(puts(), 2);
    const bob = await ends('bob');
    assert.deepEqual([bob.submit, bob.patch], ['GW_BAD_REQUEST', 'GW_BAD_REQUEST']);
    for (const query of ['?rundir=/etc', '?x=1&%52un_dir=/etc', '?x=1;dir=/etc', '?wrapper']) {
      assert.equal(await bob.put(query), 'GW_BAD_REQUEST', query);
    }
    assert.equal(puts(), 2);
    for (const query of ['?x=1', '?']) assert.equal(await bob.put(query), undefined, query);
    assert.equal(puts(), 4, 'what vovserver makes of them is its own affair');
  });

  it('is told where a rule only observes, with queue and whether it was a dry run', async () => {
    await using world = await createWorld({ config });
    const token = await world.token('alice');
    const lines = () => world.log.filter((line) => line.includes('policy_observed')).map((line) => JSON.parse(line));
    const post = (headers: Record<string, string>) =>
      world.call('POST', '/api/v3/jobs?format=json', { token, json: job({ env: 'DOT' }), headers });
    assert.equal((await post({ 'x-dry-run': 'true' })).status, 200);
    assert.equal((await post({})).status, 200);
    const said = lines().map((line) => [line['vovgw.queue'], line['vovgw.dry_run'], line['user.name']]);
    assert.deepEqual(said, [...Array(2).fill(['test', true, 'alice']), ...Array(2).fill(['test', false, 'alice'])]);
    const counted = (await metricsOf(world)).match(/^vovgw_policy_decisions_total{.*$/gm);
    assert.deepEqual(counted, ['vovgw_policy_decisions_total{queue="test",rule="tried",decision="would_deny"} 1']);
  });
});
