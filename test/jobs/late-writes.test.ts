import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { SubmissionWay } from '../../src/jobs/index.ts';
import { type KeyValue, StoreUnavailable } from '../../src/platform/index.ts';
import { BODY, createJobsWorld, type JobsWorld, submissionOf } from './jobs-world.ts';

setFlagsFromString('--expose-gc');
const collect: () => void = runInNewContext('gc');

/** A store that can go away, and whether it has. */
function createFrailStore(kv: KeyValue): { readonly kv: KeyValue; away: boolean } {
  const store = {
    away: false,
    kv: {
      ...kv,
      get: (...args) => reached(() => kv.get(...args)),
      set: (...args) => reached(() => kv.set(...args)),
      compareAndSet: (...args) => reached(() => kv.compareAndSet(...args)),
      run: (...args) => reached(() => kv.run(...args)),
    } satisfies KeyValue,
  };
  const reached = async <T>(act: () => Promise<T>): Promise<T> => {
    if (store.away) throw new StoreUnavailable('away');
    return act();
  };
  return store;
}

interface Weak {
  readonly body: WeakRef<Buffer>;
  readonly way: WeakRef<SubmissionWay>;
}

/** Submits while the store goes away under way; what was submitted is known by weak references only. */
async function submitAway(world: JobsWorld, key: string | null): Promise<Weak> {
  const store = createFrailStore(world.kv);
  const { submissions } = world.join(store.kv);
  const body = Buffer.from(JSON.stringify(BODY));
  const way = { ...world.vovserver.way('alice'), gone: () => true };
  world.vovserver.onSend = async () => {
    store.away = true;
  };
  await submissions.submit(submissionOf({ key, body, received: Buffer.from(body) }), way).catch(() => undefined);
  store.away = false;
  world.vovserver.sent.length = 0;
  return { body: new WeakRef(body), way: new WeakRef(way) };
}

async function settled(): Promise<void> {
  for (let round = 0; round < 3; round += 1) {
    await turn();
    collect();
  }
}

describe('what is written later', () => {
  for (const key of [null, 'key-1']) {
    for (const mishap of ['none', 'lost-after', 'refused'] as const) {
      it(`holds neither the body nor the way to the caller (${key ?? 'no key'}, ${mishap})`, async () => {
        await using world = createJobsWorld({ marker: 'none' });
        world.vovserver.mishaps = [mishap];
        world.vovserver.reading = 'away';
        const { body, way } = await submitAway(world, key);
        await settled();
        assert.deepEqual([body.deref(), way.deref()], [undefined, undefined]);
        await world.clock.advance(60_000);
      });
    }
  }

  it('is written as soon as the store is back, and then answers a repeat', async () => {
    for (const key of [null, 'key-1']) {
      await using world = createJobsWorld({ marker: 'none' });
      world.vovserver.refusesSameLogfile = false;
      await submitAway(world, key);
      world.vovserver.onSend = async () => undefined;
      await world.clock.advance(60_000);
      const received = Buffer.from(JSON.stringify(BODY));
      const answer = await world.submissions.submit(submissionOf({ key, received }), world.vovserver.way('alice'));
      assert.ok(answer.headers.includes('Idempotent-Replayed'));
      assert.equal(world.vovserver.jobs.length, 1);
    }
  });
});
