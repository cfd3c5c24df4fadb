import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import fc from 'fast-check';
import type { Counter } from '../../src/jobs/quotas/counters.ts';
import { changeCall } from '../../src/jobs/quotas/recount-scripts.ts';
import { settleCall } from '../../src/jobs/quotas/settle-script.ts';
import { readTaken, takeCall } from '../../src/jobs/quotas/take-script.ts';
import {
  addToSlot,
  countOf,
  DAY,
  MINUTE,
  readSlots,
  type Span,
  untilBelow,
  writeSlots,
} from '../../src/jobs/quotas/window.ts';
import { systemClock } from '../../src/kernel/index.ts';
import { createMemoryKeyValue, createRedisKeyValue, type KeyValue } from '../../src/platform/index.ts';
import { type RedisProcess, startRedis } from '../world/redis.ts';

const counters = (minute: number | null, members: number | null): Counter[] => [
  { key: 'quota:{q}:minute:a', counts: DAY, limit: minute },
  { key: 'quota:{q}:members:g', counts: 'members', limit: members },
];

type Op =
  | {
      readonly op: 'take';
      readonly id: string;
      readonly member: string;
      readonly limit: number | null;
      readonly most: number;
    }
  | { readonly op: 'settle'; readonly id: string; readonly member: string; readonly jobId: string | null }
  | { readonly op: 'change'; readonly member: string; readonly removed: string[]; readonly added: string[] };

const ids = fc.constantFrom('a1', 'b2', 'c-3', 'd_4');
const jobIds = fc.constantFrom('45080', '4508', '45083', '5');
const members = fc.constantFrom('alice', 'bob-b', 'ali');
const ops: fc.Arbitrary<Op> = fc.oneof(
  fc.record({
    op: fc.constant('take' as const),
    id: ids,
    member: members,
    limit: fc.option(fc.integer({ min: 0, max: 4 })),
    most: fc.integer({ min: 1, max: 6 }),
  }),
  fc.record({ op: fc.constant('settle' as const), id: ids, member: members, jobId: fc.option(jobIds) }),
  fc.record({
    op: fc.constant('change' as const),
    member: members,
    removed: fc.array(jobIds, { maxLength: 3 }),
    added: fc.array(jobIds, { maxLength: 3 }),
  }),
);

async function play(kv: KeyValue, op: Op): Promise<unknown> {
  const live = `quota:{q}:live:${op.member}`;
  if (op.op === 'change') {
    const { member, removed, added } = op;
    return kv.run(...changeCall({ live, groups: ['quota:{q}:members:g'], member, removed, added, checkedAt: 7 }));
  }
  const base = { id: op.id, record: `quota:{q}:taken:${op.id}`, live, member: op.member, tracked: true };
  if (op.op === 'settle') return kv.run(...settleCall({ ...base, jobId: op.jobId, counters: counters(null, null) }));
  const take = { ...base, cold: true, limit: op.limit, counters: counters(op.most, op.most), look: false };
  const { what, live: count, counters: states } = readTaken(await kv.run(...takeCall(take)));
  return { what, count, used: states.map(({ used }) => used) };
}

describe('the scripts of quotas', () => {
  let redis: RedisProcess;
  let kv: KeyValue;
  before(async () => {
    redis = await startRedis();
    kv = createRedisKeyValue(redis.config(), { clock: systemClock });
    await kv.ping();
  });
  after(async () => {
    await kv[Symbol.asyncDispose]();
    await redis[Symbol.asyncDispose]();
  });

  it('decide alike in Lua and in TypeScript', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(ops, { minLength: 5, maxLength: 25 }), async (list) => {
        await redis.command('FLUSHALL');
        await using memory = createMemoryKeyValue({ clock: systemClock });
        for (const op of list) assert.deepEqual(await play(kv, op), await play(memory, op), JSON.stringify(op));
      }),
      { numRuns: 60 },
    );
  });

  it('leave what is taken in the store for a bounded time only', async () => {
    await redis.command('FLUSHALL');
    await play(kv, { op: 'take', id: 'a1', member: 'alice', limit: null, most: 5 });
    const keys = (await redis.command('KEYS', '*')) as string[];
    assert.equal(keys.length, 4);
    for (const key of keys) assert.ok(Number(await redis.command('PTTL', key)) > 0, key);
  });
});

const spans = fc.constantFrom<Span>(MINUTE, DAY);
const START = Date.UTC(2026, 0, 1);

describe('a span of time', () => {
  it('never holds more than the limit, wherever it is laid', () => {
    fc.assert(
      fc.property(
        spans,
        fc.integer({ min: 1, max: 8 }),
        fc.array(fc.nat(30), { maxLength: 120 }),
        (span, limit, steps) => {
          const taken: number[] = [];
          let text: string | null = null;
          let now = START;
          for (const step of steps) {
            now += Math.round((step * span.ms) / 100);
            const slots = readSlots(text, span, now);
            if (countOf(slots) >= limit) continue;
            taken.push(now);
            text = writeSlots(addToSlot(slots, span, now, 1));
          }
          for (const from of taken) {
            const inside = taken.filter((at) => at >= from && at < from + span.ms);
            assert.ok(inside.length <= limit, `${inside.length} of ${limit}`);
          }
        },
      ),
    );
  });

  it('says to the millisecond when there is room again', () => {
    fc.assert(
      fc.property(
        spans,
        fc.integer({ min: 1, max: 6 }),
        fc.array(fc.nat(200), { minLength: 1 }),
        (span, limit, steps) => {
          let now = START;
          let text = '';
          for (const step of steps) {
            now += Math.round((step * span.ms) / 1000);
            text = writeSlots(addToSlot(readSlots(text, span, now), span, now, 1));
          }
          const wait = untilBelow(readSlots(text, span, now), span, limit, now);
          const usedAfter = (ms: number): number => countOf(readSlots(text, span, now + ms));
          assert.ok(usedAfter(wait) < limit);
          if (wait > 0) assert.ok(usedAfter(wait - 1) >= limit);
        },
      ),
    );
  });

  it('takes back what was counted, and stays bounded', () => {
    let slots = readSlots(null, MINUTE, START);
    for (let at = 0; at < 10 * 60_000; at += 250)
      slots = addToSlot(readSlots(writeSlots(slots), MINUTE, START + at), MINUTE, START + at, 1);
    assert.ok(slots.length <= 61);
    const before = countOf(slots);
    const less = addToSlot(slots, MINUTE, START + 10 * 60_000 - 250, -1);
    assert.equal(countOf(less), before - 1);
    assert.deepEqual(addToSlot([], MINUTE, START, -1), []);
  });
});
