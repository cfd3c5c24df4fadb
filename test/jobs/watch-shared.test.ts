import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createWatchWorld, type Told } from './watch-world.ts';

// On a shared account a change is told to whoever submitted the job, as soon as that can be known.

const TEAM = { queue: 'test', name: 'team', shared: true };

const text = (told: Told): string[] => told.jobs.map(({ jobId, state }) => `${jobId} ${state}`);

function createShared() {
  const world = createWatchWorld();
  world.limits.streamsPerIdentity = 1000;
  const replica = world.join('a');
  const put = (id: number, status: string): void => world.farm.put(id, status, 'team');
  const record = (id: number, who: string): void => {
    world.submitters.set(String(id), `local:${who}`);
    world.records.set(String(id), { submittedAt: world.clock.now(), lastSeen: null });
  };
  const follow = (who: string, after: string | null = null): Promise<Told> => replica.follow(after, TEAM, who);
  return { ...world, ...replica, put, record, follow };
}

describe('changes on a shared account', () => {
  it('are told when the store is back, in their order', async () => {
    const world = createShared();
    world.put(5, 'Queued');
    world.record(5, 'ann');
    const [ann, ben] = [await world.follow('ann'), await world.follow('ben')];
    await world.clock.advance(70_000);
    world.kv.cut = true;
    world.put(5, 'Running');
    await world.clock.advance(6000);
    world.put(5, 'Done');
    await world.clock.advance(6000);
    assert.deepEqual(text(ann), []);
    world.kv.cut = false;
    await world.clock.advance(12_000);
    assert.deepEqual([text(ann), text(ben)], [['5 running', '5 done'], []]);
    assert.deepEqual(ann.begun, ['new']);
  });

  it('are told when it is written down late who submitted the job', async () => {
    const world = createShared();
    const [ann, ben] = [await world.follow('ann'), await world.follow('ben')];
    world.put(9, 'Running');
    await world.clock.advance(5000);
    world.put(9, 'Done');
    await world.clock.advance(6000);
    assert.deepEqual(text(ann), []);
    world.record(9, 'ann');
    await world.clock.advance(30_000);
    assert.deepEqual([text(ann), text(ben)], [['9 running', '9 done'], []]);
  });

  it('that are told late are not lost to a reader who comes again meanwhile', async () => {
    const world = createShared();
    world.put(1, 'Running');
    world.record(1, 'ann');
    const first = await world.follow('ann');
    await world.clock.advance(2000);
    // Of 9 it is not known yet whose it is; what is told of 1 meanwhile must not stand for both.
    world.put(9, 'Running');
    await world.clock.advance(2000);
    world.put(1, 'Done');
    await world.clock.advance(2000);
    assert.deepEqual([text(first), first.ids], [['1 done'], [null]]);
    first.stop();
    const second = await world.follow('ann', first.last);
    await world.clock.advance(1000);
    assert.deepEqual([second.begun, text(second)], [['resumed'], ['1 done']]);
    world.record(9, 'ann');
    await world.clock.advance(20_000);
    assert.deepEqual(text(second), ['1 done', '9 running']);
    const third = await world.follow('ann', first.last);
    await world.clock.advance(1000);
    assert.deepEqual(text(third), ['9 running', '1 done']);
    assert.deepEqual(text(second), ['1 done', '9 running'], 'what another one missed is told to nobody else');
  });

  it('are told to a reader who comes again while the store is away, once it is back', async () => {
    const world = createShared();
    world.put(1, 'Running');
    world.record(1, 'ann');
    const first = await world.follow('ann');
    await world.clock.advance(70_000);
    first.stop();
    const other = await world.follow('ben');
    world.put(1, 'Done');
    await world.clock.advance(2000);
    await world.clock.advance(70_000);
    world.kv.cut = true;
    const second = await world.follow('ann', first.last);
    await world.clock.advance(2000);
    assert.deepEqual([second.begun, text(second)], [['resumed'], []]);
    world.kv.cut = false;
    await world.clock.advance(10_000);
    assert.deepEqual([text(second), text(other)], [['1 done'], []]);
  });

  it('that are too many to be kept are not lost in silence', async () => {
    const world = createShared();
    const ann = await world.follow('ann');
    await world.clock.advance(1000);
    world.kv.cut = true;
    for (let id = 1; id <= 5001; id++) world.put(id, 'Queued');
    await world.clock.advance(10_000);
    assert.deepEqual([ann.begun, text(ann)], [['new', 'reset'], []]);
  });

  it('are decided once for all who read, and jobs of nobody ever more seldom', async () => {
    const readsWith = async (readers: number): Promise<number> => {
      const world = createShared();
      const all: Told[] = [];
      for (let at = 0; at < readers; at++) all.push(await world.follow(at % 2 === 0 ? 'ann' : 'ben'));
      await world.clock.advance(1000);
      const before = world.finds();
      for (let id = 1; id <= 200; id++) world.put(id, 'Queued');
      for (let id = 201; id <= 210; id++) {
        world.put(id, 'Queued');
        world.record(id, 'ann');
      }
      await world.clock.advance(10_000);
      for (const [at, told] of all.entries()) assert.equal(told.jobs.length, at % 2 === 0 ? 10 : 0);
      const soon = world.finds() - before;
      await world.clock.advance(180_000);
      assert.ok(world.finds() - before <= soon + 200 * 10, 'in three minutes');
      const late = world.finds();
      await world.clock.advance(600_000);
      assert.equal(world.finds(), late, 'past the gateway');
      return soon;
    };
    const [one, many] = [await readsWith(1), await readsWith(100)];
    assert.equal(many, one);
    assert.ok(one <= 210 + 200 * 6, String(one));
  });

  it('share their text among all who read the same', async () => {
    const world = createShared();
    const news: object[] = [];
    const reader = { begin: () => undefined, read: (one: object) => void news.push(one), end: () => undefined };
    const told = await world.follow('ann');
    const identity = { subject: 'local:ann', user: 'ann', groups: [], roles: ['user' as const] };
    const ask = { account: TEAM, identity: { ...identity, provider: null, attributes: {}, bound: null }, after: null };
    for (let at = 0; at < 2; at++) await world.watch.follow(ask, reader);
    world.put(1, 'Running');
    world.record(1, 'ann');
    await world.clock.advance(2000);
    assert.equal(told.jobs.length, 1);
    assert.equal(news.length, 2);
    assert.equal(news[0], news[1]);
  });
});
