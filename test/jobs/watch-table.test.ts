import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { stateOf, type WatchedJob } from '../../src/jobs/index.ts';
import { JobTable } from '../../src/jobs/watch/job-table.ts';
import { decodeMessage, decodeTable, encodeMessage, encodeTable } from '../../src/jobs/watch/table-text.ts';

const WORDS = ['Idle', 'Queued', 'Running', 'Done', 'Failed', 'Puzzled'] as const;

const jobOf = (id: number, word: number, at: number): WatchedJob => {
  const status = WORDS[word] ?? 'Idle';
  const over = status === 'Done' || status === 'Failed';
  const parts = { host: null, exit: over ? 0 : null, duration: null, ended: over ? at : 0, seenAt: at * 1000 };
  return { jobId: String(id), user: 'alice', status, state: stateOf(status), ...parts };
};

/** One look: the word of each of five jobs (null: not shown), and whether the other replica hears of it. */
const looks = fc.array(
  fc.record({
    words: fc.array(fc.option(fc.nat(WORDS.length - 1)), { minLength: 5, maxLength: 5 }),
    heard: fc.boolean(),
    forgets: fc.boolean(),
  }),
  { minLength: 1, maxLength: 25 },
);

describe('the table of jobs', () => {
  it('is the same at whoever follows, however much of it was missed, and tells each reader where things stand', () => {
    fc.assert(
      fc.property(looks, (all) => {
        const [holder, other] = [new JobTable(), new JobTable()];
        const told = new Map<string, string>();
        const began = new Set<string>();
        const ids: string[] = [];
        for (const [turn, { words, heard, forgets }] of all.entries()) {
          const at = 1000 + turn * 10;
          const jobs = words.flatMap((word, id) => (word === null ? [] : [jobOf(id, word, at)]));
          const before = holder.head;
          const forgotten = forgets ? holder.missing(jobs) : [];
          const changes = holder.take({ at: at * 1000, jobs, forgotten }, `term${turn % 3}`);
          ids.push(...changes.map(({ id }) => id));
          if (!heard) continue;
          const message = decodeMessage(
            encodeMessage({
              kind: 'beat',
              beat: { fence: 1, at, after: before, head: holder.head, changes, unseen: [...holder.unseen] },
            }),
          );
          assert.ok(message?.kind === 'beat');
          const first = !other.loaded;
          const followed = !first && other.follow(before, message.beat.changes ?? [], at * 1000, message.beat.unseen);
          const state = decodeTable(encodeTable(holder.state()));
          assert.ok(state !== null);
          const news = followed ? changes : other.adopt(state);
          for (const { job } of news) told.set(job.jobId, job.state);
          if (first) for (const { jobId } of state.jobs) began.add(jobId);
          assert.equal(other.head, holder.head);
          assert.deepEqual([...other.unseen].sort(), [...holder.unseen].sort());
          for (const { jobId } of holder.state().jobs) {
            const [mine, theirs] = [holder.get(jobId), other.get(jobId)];
            assert.ok(mine !== undefined && theirs !== undefined);
            assert.ok(other.seenAt(theirs) <= holder.seenAt(mine), 'never fresher than it is');
          }
        }
        assert.equal(new Set(ids).size, ids.length, 'every change has a name of its own');
        const last = decodeTable(encodeTable(holder.state()));
        assert.deepEqual(last, holder.state());
        if (last !== null && other.loaded) for (const { job } of other.adopt(last)) told.set(job.jobId, job.state);
        for (const [jobId, state] of told) assert.equal(holder.get(jobId)?.state, state, `job ${jobId}`);
        for (const [at, id] of ids.entries()) {
          assert.deepEqual(
            holder.after(id)?.map((change) => change.id),
            ids.slice(at + 1),
          );
        }
      }),
      { numRuns: 300 },
    );
  });

  it('tells nothing at the first look, and each change once after it', () => {
    const table = new JobTable();
    assert.equal(table.since(1_000_000), 700, 'clocks may differ by five minutes');
    assert.deepEqual(
      table.take({ at: 1_000_000, jobs: [jobOf(1, 2, 1000), jobOf(2, 3, 990)], forgotten: [] }, 'a'),
      [],
    );
    assert.equal(table.since(0), 988, 'from the last end on, with some overlap');
    assert.deepEqual(table.missing([]), ['1'], 'what has ended is not missed');
    const jobs = [jobOf(1, 2, 1000), jobOf(2, 3, 990)];
    assert.deepEqual(table.take({ at: 1_001_000, jobs, forgotten: [] }, 'a'), []);
    const [gone, ...more] = table.take({ at: 1_002_000, jobs: [], forgotten: ['1', '9'] }, 'a');
    assert.deepEqual([gone?.job.state, gone?.id, more.length], ['forgotten', 'a-1', 0]);
    assert.deepEqual(table.take({ at: 1_003_000, jobs: [], forgotten: ['1'] }, 'a'), []);
  });

  it('forgets the oldest of many changes, and says so', () => {
    const table = new JobTable();
    table.take({ at: 0, jobs: [], forgotten: [] }, 'a');
    const start = table.head;
    const jobs = Array.from({ length: 1500 }, (_, id) => jobOf(id, 1, 1));
    const changes = table.take({ at: 1000, jobs, forgotten: [] }, 'a');
    assert.equal(changes.length, 1500);
    assert.equal(table.after(start), null);
    assert.equal(table.after(String(changes[400]?.id)), null);
    assert.equal(table.after(String(changes[500]?.id))?.length, 999);
    assert.deepEqual(table.after(table.head), []);
  });

  it('lets go of jobs that ended long ago', () => {
    const table = new JobTable();
    table.take({ at: 0, jobs: [jobOf(1, 3, 0), jobOf(2, 2, 0)], forgotten: [] }, 'a');
    table.take({ at: 700_000, jobs: [jobOf(2, 2, 700)], forgotten: [] }, 'a');
    assert.deepEqual([table.get('1'), table.get('2')?.state, table.size], [undefined, 'running', 1]);
  });
});
