import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { eventually } from '../world/eventually.ts';
import { createWorld, type World } from '../world/world.ts';
import { type ReadEvent, readEvents } from './event-reader.ts';

// The changes of one's jobs as server-sent events, through the whole gateway.

const CONFIG = {
  limits: { mode: 'off' },
  log: { level: 'error' },
  jobs: { watch: { interval: '200ms', streamsPerIdentity: 3 } },
};

let logfile = 0;

async function submit(world: World, token: string, command: string): Promise<string> {
  const json = { command, rundir: '/tmp', env: 'BASE', logfile: `events-${++logfile}` };
  const answer = await world.call('POST', '/api/v3/jobs', { token, json });
  return String(((await answer.json()) as { jobid: number }).jobid);
}

const isEnd =
  (id: string) =>
  ({ event, data }: ReadEvent): boolean =>
    event === 'job' && data.job_id === id && data.final === true;

describe('the stream of events', () => {
  let world: World;
  let alice: string;
  let bob: string;

  before(async () => {
    world = await createWorld({ config: CONFIG });
    alice = await world.token('alice');
    bob = await world.token('bob');
  });
  after(() => world[Symbol.asyncDispose]());

  it('begins with where it stands and tells each change of one’s own jobs', async () => {
    using mine = await readEvents(world.gateway.port, alice);
    using theirs = await readEvents(world.gateway.port, bob);
    assert.equal(mine.response.statusCode, 200);
    assert.equal(mine.response.headers['content-type'], 'text/event-stream');
    assert.equal(mine.response.headers['x-accel-buffering'], 'no');
    assert.equal(mine.response.headers['cache-control'], 'no-store, no-transform');
    const ready = await mine.find('ready', ({ event }) => event === 'ready');
    assert.ok(ready.id !== null);
    await theirs.find('ready', ({ event }) => event === 'ready');
    const id = await submit(world, alice, 'sleep 1');
    const end = await mine.find('the end of the job', isEnd(id));
    assert.deepEqual([end.data.state, end.data.exit, end.data.account], ['done', 0, 'alice']);
    const states = mine.events.filter(({ data }) => data.job_id === id).map(({ data }) => data.state);
    assert.equal(new Set(states).size, states.length, 'each once');
    const ids = mine.events.map((event) => event.id);
    assert.equal(new Set(ids).size, ids.length);
    const other = await submit(world, bob, 'true');
    await theirs.find('bob’s job', isEnd(other));
    assert.deepEqual(
      theirs.events.filter(({ data }) => data.account === 'alice'),
      [],
    );
    assert.deepEqual(
      mine.events.filter(({ data }) => data.account === 'bob'),
      [],
    );
  });

  it('goes on where it was left, also when nobody read for a while', async () => {
    const first = await readEvents(world.gateway.port, alice);
    await first.find('ready', ({ event }) => event === 'ready');
    const before = await submit(world, alice, 'true');
    await first.find('the end of the first', isEnd(before));
    first[Symbol.dispose]();
    const meanwhile = await submit(world, alice, 'true');
    await eventually('nobody is asked any more', async () => {
      const calls = world.vovserver.ledger.requests.length;
      await new Promise((resolve) => setTimeout(resolve, 700));
      return world.vovserver.ledger.requests.length === calls;
    });
    using second = await readEvents(world.gateway.port, alice, { 'last-event-id': String(first.lastId) });
    const end = await second.find('the end of the second', isEnd(meanwhile));
    assert.equal(end.data.state, 'done');
    assert.deepEqual(
      second.events.filter(({ event }) => event !== 'job'),
      [],
    );
    assert.deepEqual(
      second.events.filter(({ data }) => data.job_id === before),
      [],
      'nothing is told twice',
    );
  });

  it('says when it cannot go on where it was left', async () => {
    using stream = await readEvents(world.gateway.port, alice, { 'last-event-id': '0.deadbeef-12' });
    const reset = await stream.find('reset', ({ event }) => event === 'reset');
    assert.ok(reset.id !== null);
    assert.deepEqual(
      stream.events.filter(({ event }) => event === 'ready'),
      [],
      'in its place',
    );
  });

  it('is asked for with parameters that there are', async () => {
    for (const [query, name] of [
      ['since=a-1&since=a-2', 'since'],
      ['sinse=a-1', 'sinse'],
      ['wait=1', 'wait'],
    ] as const) {
      const answer = await world.call('GET', `/gateway/v1/jobs/events?${query}`, { token: alice });
      const { detail } = (await answer.json()) as { detail: string };
      assert.equal(answer.status, 400, query);
      assert.match(detail, new RegExp(`"${name}"`));
    }
  });

  it('is bounded for one person', async () => {
    using _one = await readEvents(world.gateway.port, alice);
    using _two = await readEvents(world.gateway.port, alice);
    using _three = await readEvents(world.gateway.port, alice);
    using four = await readEvents(world.gateway.port, alice);
    assert.equal(four.response.statusCode, 429);
    using other = await readEvents(world.gateway.port, bob);
    assert.equal(other.response.statusCode, 200);
  });

  it('ends when the token is revoked', async () => {
    const token = await world.token('alice');
    await eventually('there is room', async () => {
      using probe = await readEvents(world.gateway.port, token);
      return probe.response.statusCode === 200;
    });
    using stream = await readEvents(world.gateway.port, token);
    await stream.find('ready', ({ event }) => event === 'ready');
    const id = /^vgw_([^_]+)_/.exec(token)?.[1] ?? '';
    assert.equal(await world.gateway.tokens.revoke(id), true);
    const end = await stream.find('the end', ({ event }) => event === 'end');
    assert.deepEqual(end.data, { reason: 'credential' });
    await eventually('it is closed', () => stream.ended);
  });

  it('answers HEAD and what may not be read without a stream', async () => {
    const head = await world.call('HEAD', '/gateway/v1/jobs/events', { token: alice });
    assert.deepEqual([head.status, head.headers.get('content-type')], [200, 'text/event-stream']);
    const submitOnly = await world.token('alice', ['submit']);
    assert.equal((await world.call('GET', '/gateway/v1/jobs/events', { token: submitOnly })).status, 403);
    assert.equal((await world.call('GET', '/gateway/v1/jobs/events')).status, 401);
    const long = await world.call('GET', `/gateway/v1/jobs/events?since=${'x'.repeat(101)}`, { token: alice });
    assert.equal(long.status, 400);
  });
});

describe('a stream of a gateway that shuts down', () => {
  it('ends with a word, and no new one begins', async () => {
    await using world = await createWorld({ config: CONFIG });
    const alice = await world.token('alice');
    using stream = await readEvents(world.gateway.port, alice);
    await stream.find('ready', ({ event }) => event === 'ready');
    await world.gateway.drain({ wait: false });
    const end = await stream.find('the end', ({ event }) => event === 'end');
    assert.deepEqual(end.data, { reason: 'draining' });
  });
});
