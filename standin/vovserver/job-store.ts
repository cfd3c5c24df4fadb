import { createDueHeap } from './due-heap.ts';
import { isResting, type Job, type JobRequest, type JobState, ranMs, workOf } from './job.ts';
import type { Profile } from './profile.ts';

/** What may be done with a job by PUT. */
export type JobAction = 'stop' | 'suspend' | 'resume' | 'rerun';

/** The jobs in memory, with their life on the clock of the stand-in. Call `settle` before looking. */
export interface JobStore {
  /** Lets everything happen that falls due until now, in order of time. */
  settle(): void;
  add(request: JobRequest, owner: { user: string; osgroup: string }, asleep: boolean): Job;
  get(id: number): Job | undefined;
  all(): IterableIterator<Job>;
  /** A job in memory with the same log file in the same directory. */
  withLogfile(rundir: string, logfile: string): Job | undefined;
  /** False when the state of the job does not allow the action. */
  control(job: Job, action: JobAction): boolean;
  /** After a change of what is run (true: the job is invalid) or of what it needs (false: it queues again). */
  changed(job: Job, invalid: boolean): void;
  remove(job: Job): void;
  /** A crash: every job that ran or queued becomes Sleeping, or all vanish. */
  crash(kind: 'sleeping' | 'vanished'): void;
  clear(): void;
  /** The scheduler was resumed or has more slots. */
  wake(): void;
}

const FIRST_ID = 45_080;

interface Parts {
  readonly now: () => number;
  readonly profile: () => Profile;
}

const logKey = (rundir: string, logfile: string): string => `${rundir}\0${logfile}`;

function newJob(id: number, request: JobRequest, owner: { user: string; osgroup: string }, now: number): Job {
  return {
    ...request,
    id,
    ...owner,
    group: request.group ?? `/time/users.${owner.user}`,
    submittedAt: now,
    state: 'Idle',
    since: now,
    startedAt: null,
    endedAt: null,
    host: '',
    exit: null,
    ranMs: 0,
    turn: 0,
  };
}

/** Makes an empty store of jobs. */
export function createJobStore({ now, profile }: Parts): JobStore {
  const jobs = new Map<number, Job>();
  const logs = new Map<string, Job>();
  const due = createDueHeap<{ job: Job; turn: number }>();
  /** Queued long enough, waiting for a slot. */
  const ready = new Set<Job>();
  let running = 0;
  let lastId = FIRST_ID - 3;

  const later = (job: Job, at: number): void => due.push(at, { job, turn: job.turn });

  const enter = (job: Job, state: JobState, at: number): void => {
    if (job.state === 'Running') {
      job.ranMs += at - job.since;
      running -= 1;
    }
    ready.delete(job);
    job.state = state;
    job.since = at;
    job.turn += 1;
    if (isResting(job)) later(job, at + (state === 'Done' ? profile().forgetDoneMs : profile().forgetOthersMs));
  };

  const end = (job: Job, exit: number, at: number): void => {
    enter(job, exit === 0 ? 'Done' : 'Failed', at);
    job.exit = exit;
    job.endedAt = at;
  };

  const run = (job: Job, at: number): void => {
    enter(job, 'Running', at);
    running += 1;
    job.host = `farm${(job.id % 4) + 1}`;
    job.startedAt ??= at;
    const work = workOf(job.command).ms;
    later(job, at + Math.max(0, Math.min(work, job.autokill > 0 ? job.autokill * 1000 : work) - job.ranMs));
  };

  const enqueue = (job: Job, at: number): void => {
    enter(job, 'Queued', at);
    later(job, at + profile().queuedMs);
  };

  /** Fills free slots, the highest priority number first. */
  const dispatch = (at: number): void => {
    if (profile().schedulerSuspended) return;
    while (running < profile().slots && ready.size > 0) {
      const [next] = [...ready].sort((a, b) => b.priority - a.priority);
      if (next === undefined) return;
      run(next, at);
    }
  };

  const forget = (job: Job): void => {
    if (job.state === 'Running') running -= 1;
    job.turn += 1;
    ready.delete(job);
    jobs.delete(job.id);
    if (logs.get(logKey(job.rundir, job.logfile)) === job) logs.delete(logKey(job.rundir, job.logfile));
  };

  const happen = (job: Job, at: number): void => {
    if (job.state === 'Running') {
      const work = workOf(job.command);
      const killed = job.autokill > 0 && work.ms > job.autokill * 1000;
      end(job, killed ? 137 : work.exit, at);
    } else if (job.state === 'Queued') ready.add(job);
    else if (job.state === 'Idle' && job.endedAt === null && at < job.since + profile().forgetOthersMs) enqueue(job, at);
    else forget(job);
    dispatch(at);
  };

  const begin = (job: Job, at: number): void => {
    job.ranMs = 0;
    job.exit = null;
    job.startedAt = null;
    job.endedAt = null;
    job.host = '';
    enqueue(job, at);
  };

  const actions: Record<JobAction, (job: Job, at: number) => boolean> = {
    stop(job, at) {
      if (job.state === 'Running' || job.state === 'Suspended') end(job, 143, at);
      else if (job.state === 'Queued') enter(job, 'Idle', at);
      else return false;
      return true;
    },
    suspend(job, at) {
      if (job.state !== 'Running') return false;
      enter(job, 'Suspended', at);
      return true;
    },
    resume(job, at) {
      if (job.state !== 'Suspended') return false;
      run(job, at);
      return true;
    },
    rerun(job, at) {
      if (!isResting(job)) return false;
      begin(job, at);
      return true;
    },
  };

  const settle = (): void => {
    const time = now();
    for (let next = due.pop(time); next !== null; next = due.pop(time)) {
      if (next.item.turn === next.item.job.turn) happen(next.item.job, next.at);
    }
  };

  return {
    settle,
    add(request, owner, asleep) {
      lastId += 3;
      const job = newJob(lastId, request, owner, now());
      jobs.set(job.id, job);
      logs.set(logKey(job.rundir, job.logfile), job);
      if (asleep) enter(job, 'Sleeping', now());
      else later(job, now() + profile().idleMs);
      settle();
      return job;
    },
    get: (id) => jobs.get(id),
    all: () => jobs.values(),
    withLogfile: (rundir, logfile) => logs.get(logKey(rundir, logfile)),
    control(job, action) {
      const done = actions[action](job, now());
      dispatch(now());
      return done;
    },
    changed(job, invalid) {
      if (invalid) enter(job, 'Idle', now());
      else if (job.state === 'Queued') enqueue(job, now());
      dispatch(now());
    },
    remove(job) {
      forget(job);
      dispatch(now());
    },
    crash(kind) {
      for (const job of [...jobs.values()].filter((one) => !isResting(one))) {
        if (kind === 'vanished') forget(job);
        else enter(job, 'Sleeping', now());
      }
    },
    clear() {
      for (const job of [...jobs.values()]) forget(job);
      due.clear();
    },
    wake: () => dispatch(now()),
  };
}

export { ranMs };
