import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { type JobRequest, workOf } from '../../standin/vovserver/job.ts';
import { prettyDuration } from '../../standin/vovserver/job-fields.ts';
import { JOB_ACTIONS } from '../../standin/vovserver/job-life.ts';
import { createJobStore } from '../../standin/vovserver/job-store.ts';
import { DEFAULT_PROFILE, type Profile } from '../../standin/vovserver/profile.ts';

const OWNER = { user: 'alice', osgroup: 'users' };
let logs = 0;
const request = (command: string, more: Partial<JobRequest> = {}): JobRequest => {
  logs += 1;
  const base = { command, logfile: `l${logs}`, rundir: '/tmp', env: 'BASE', jobname: '', jobclass: '', jobproj: '' };
  return { ...base, resources: '', group: null, priority: 4, autokill: 0, ...more };
};

function createBench(change: Partial<Profile> = {}) {
  let now = 1_000_000;
  let profile: Profile = { ...DEFAULT_PROFILE, ...change };
  const store = createJobStore(
    () => now,
    () => profile,
  );
  return {
    store,
    set: (next: Partial<Profile>) => {
      profile = { ...profile, ...next };
    },
    advance(ms: number): void {
      now += ms;
      store.settle();
    },
    add: (command: string, more: Partial<JobRequest> = {}) => store.add(request(command, more), OWNER),
  };
}

describe('the life of a job', () => {
  it('goes Idle > Queued > Running > Done, then is forgotten after an hour', () => {
    const bench = createBench();
    const job = bench.add('sleep 31');
    assert.equal(job.state, 'Idle');
    bench.advance(100);
    assert.equal(job.state, 'Queued');
    assert.equal(job.host, '');
    bench.advance(100);
    assert.equal(job.state, 'Running');
    assert.match(job.host, /^farm\d$/);
    bench.advance(30_999);
    assert.equal(job.state, 'Running');
    bench.advance(1);
    assert.equal(job.state, 'Done');
    assert.equal(job.exit, 0);
    assert.equal(job.ranMs, 31_000);
    bench.advance(3_599_999);
    assert.equal(bench.store.get(job.id), job);
    bench.advance(1);
    assert.equal(bench.store.get(job.id), undefined);
    assert.equal(bench.store.withLogfile('/tmp', job.logfile), undefined);
    assert.deepEqual([...bench.store.ofUser('alice')], []);
  });

  it('is the same in one leap as in small steps', () => {
    const bench = createBench();
    const job = bench.add('sleep 31');
    bench.advance(40_000);
    assert.equal(job.state, 'Done');
    assert.equal(job.startedAt, 1_000_200);
    assert.equal(job.endedAt, 1_031_200);
    bench.advance(7_200_000);
    assert.equal(bench.store.size, 0);
  });

  it('fails by exit code, and a failed job stays for two days', () => {
    const bench = createBench();
    const job = bench.add('exit 3');
    bench.advance(1_200);
    assert.equal(job.state, 'Failed');
    assert.equal(job.exit, 3);
    bench.advance(47 * 3_600_000);
    assert.equal(bench.store.get(job.id), job);
    bench.advance(3_600_000);
    assert.equal(bench.store.size, 0);
  });

  it('is killed after its autokill time', () => {
    const bench = createBench();
    const job = bench.add('sleep 100', { autokill: 60 });
    bench.advance(60_199);
    assert.equal(job.state, 'Running');
    bench.advance(1);
    assert.equal(job.state, 'Failed');
    assert.equal(job.exit, 137);
  });

  it('waits while the scheduler is suspended, and goes on when it is not', () => {
    const bench = createBench({ schedulerSuspended: true });
    const job = bench.add('sleep 1');
    bench.advance(999_999);
    assert.equal(job.state, 'Queued');
    bench.set({ schedulerSuspended: false });
    bench.store.wake();
    assert.equal(job.state, 'Running');
  });

  it('waits for a slot; the higher priority goes first, then the older', () => {
    const bench = createBench({ slots: 1 });
    const [first, second, third] = [
      bench.add('sleep 10'),
      bench.add('sleep 10'),
      bench.add('sleep 10', { priority: 9 }),
    ];
    bench.advance(200);
    assert.deepEqual([first.state, second.state, third.state], ['Running', 'Queued', 'Queued']);
    bench.advance(10_000);
    assert.deepEqual([first.state, second.state, third.state], ['Done', 'Queued', 'Running']);
    bench.advance(10_000);
    assert.equal(second.state, 'Running');
    assert.equal(second.startedAt, first.endedAt === null ? null : first.endedAt + 10_000);
  });

  it('stops, suspends, resumes and runs again', () => {
    const bench = createBench();
    const job = bench.add('sleep 10');
    assert.equal(bench.store.control(job, 'resume'), false);
    assert.equal(bench.store.control(job, 'stop'), false);
    bench.advance(5_200);
    assert.equal(bench.store.control(job, 'suspend'), true);
    bench.advance(60_000);
    assert.equal(job.state, 'Suspended');
    assert.equal(job.ranMs, 5_000);
    assert.equal(bench.store.control(job, 'resume'), true);
    bench.advance(4_999);
    assert.equal(job.state, 'Running');
    bench.advance(1);
    assert.equal(job.state, 'Done');
    assert.equal(bench.store.control(job, 'rerun'), true);
    assert.equal(job.state, 'Queued');
    assert.equal(job.ranMs, 0);
    bench.advance(200);
    assert.equal(bench.store.control(job, 'stop'), true);
    assert.equal(job.state, 'Failed');
    assert.equal(job.exit, 143);
  });

  it('a queued job that is stopped is Idle and never runs by itself', () => {
    const bench = createBench();
    const job = bench.add('sleep 1');
    bench.advance(150);
    assert.equal(bench.store.control(job, 'stop'), true);
    assert.equal(job.state, 'Idle');
    bench.advance(3_600_000);
    assert.equal(job.state, 'Idle');
  });

  it('a change of its command makes it Idle, of its resources queues it again', () => {
    const bench = createBench();
    const job = bench.add('sleep 10');
    bench.advance(150);
    bench.store.changed(job, false);
    assert.equal(job.since, 1_000_150);
    bench.advance(300);
    assert.equal(job.state, 'Running');
    bench.store.changed(job, true);
    assert.equal(job.state, 'Idle');
  });

  it('a crash puts living jobs to sleep or loses them; a finished one stays', () => {
    for (const kind of ['sleeping', 'vanished'] as const) {
      const bench = createBench();
      const done = bench.add('sleep 0');
      bench.advance(300);
      const running = bench.add('sleep 100');
      bench.advance(300);
      bench.store.crash(kind);
      assert.equal(done.state, 'Done');
      assert.equal(bench.store.get(running.id)?.state, kind === 'sleeping' ? 'Sleeping' : undefined);
      bench.advance(500_000);
      assert.equal(bench.store.get(running.id)?.state, kind === 'sleeping' ? 'Sleeping' : undefined);
    }
  });

  it('never runs more jobs than there are slots, and gives every slot back', () => {
    const step = fc.record({
      action: fc.constantFrom('add', 'remove', ...JOB_ACTIONS),
      pick: fc.nat(20),
      ms: fc.nat(3000),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), fc.integer({ min: 1, max: 3 }), (steps, slots) => {
        const bench = createBench({ slots });
        for (const { action, pick, ms } of steps) {
          const jobs = [...bench.store.all()];
          const job = jobs[pick % Math.max(1, jobs.length)];
          if (action === 'add' || job === undefined) bench.add(`sleep ${pick % 4}`);
          else if (action === 'remove') bench.store.remove(job);
          else bench.store.control(job, action);
          bench.advance(ms);
          // A resumed job takes a slot of its own; all others wait for one.
          const running = [...bench.store.all()].filter((one) => one.state === 'Running').length;
          const resumed = steps.filter((one) => one.action === 'resume').length;
          assert.ok(running <= slots + resumed);
        }
        for (const job of [...bench.store.all()]) bench.store.remove(job);
        const fresh = Array.from({ length: slots + 1 }, () => bench.add('sleep 50'));
        bench.advance(200);
        assert.equal(fresh.filter((one) => one.state === 'Running').length, slots);
      }),
    );
  });

  it('reads the work of a command', () => {
    assert.deepEqual(workOf('sleep 33'), { ms: 33_000, exit: 0 });
    assert.deepEqual(workOf('sleep 0.5; exit 7'), { ms: 500, exit: 7 });
    assert.deepEqual(workOf('/bin/false'), { ms: 1000, exit: 1 });
    assert.deepEqual(workOf('false'), { ms: 1000, exit: 1 });
    assert.deepEqual(workOf('make all'), { ms: 1000, exit: 0 });
    assert.deepEqual(workOf('echo falsehood'), { ms: 1000, exit: 0 });
  });

  it('writes durations as vovserver does', () => {
    assert.equal(prettyDuration(31_999), '31s');
    assert.equal(prettyDuration(125_000), '2m05s');
    assert.equal(prettyDuration(3_725_000), '1h02m');
  });

  it('goes on with the jobs of another server: what rested rests, what waited or ran begins again', () => {
    const old = createBench();
    const [done, running] = [old.add('true'), old.add('sleep 60')];
    old.advance(2000);
    assert.deepEqual([done.state, running.state], ['Done', 'Running']);
    const heir = createBench({ slots: 1 });
    heir.add('true');
    heir.store.import(old.store.export());
    assert.deepEqual(
      [...heir.store.all()].map(({ id, state }) => [id, state]),
      [
        [done.id, 'Done'],
        [running.id, 'Idle'],
      ],
    );
    heir.advance(200);
    assert.equal(heir.store.get(running.id)?.state, 'Running');
    heir.advance(60_000);
    assert.equal(heir.store.get(running.id)?.state, 'Done');
    assert.equal(running.state, 'Running');
    heir.advance(3_600_000);
    assert.equal(heir.store.get(done.id), undefined);
    assert.ok(heir.add('true').id > running.id);
  });
});
