import { isResting, type Job, type JobRequest } from './job.ts';
import { type JobAction, JobLife } from './job-life.ts';
import type { Profile } from './profile.ts';

/** Whose a new job is. */
export interface Owner {
  readonly user: string;
  readonly osgroup: string;
}

/** The jobs in the memory of the stand-in. Call `settle` before looking. */
export interface JobStore {
  /** Lets everything happen that falls due until now, in order of time. */
  settle(): void;
  /** `asleep`: submitted into an output conflict, so it rests in Sleeping. */
  add(request: JobRequest, owner: Owner, asleep?: boolean): Job;
  get(id: number): Job | undefined;
  all(): IterableIterator<Job>;
  ofUser(user: string): Iterable<Job>;
  readonly size: number;
  /** A job in memory with the same log file in the same directory. */
  withLogfile(rundir: string, logfile: string): Job | undefined;
  /** False when the state of the job does not allow the action. */
  control(job: Job, action: JobAction): boolean;
  /** After a change of what is run (true: the job becomes invalid) or of what it needs (false: it queues again). */
  changed(job: Job, invalid: boolean): void;
  remove(job: Job): void;
  /** A crash: every job that ran or waited becomes Sleeping, or vanishes. */
  crash(kind: 'sleeping' | 'vanished'): void;
  clear(): void;
  /** Everything that another server needs to go on with these jobs. */
  export(): JobsExport;
  /** Takes over the jobs of another server; what waited or ran there begins again. Replaces all that there was. */
  import(jobs: JobsExport): void;
  /** The scheduler was resumed or has more slots. */
  wake(): void;
}

/** The jobs of a server, as a failover hands them on. */
export interface JobsExport {
  readonly nextId: number;
  readonly jobs: readonly Job[];
}

/** Ids rise but are not contiguous, as in the tutorial (45080, 45083). */
const FIRST_ID = 45_080;
const STEP = 3;

const logKey = (job: { rundir: string; logfile: string }): string => `${job.rundir}\0${job.logfile}`;

const newJob = (id: number, request: JobRequest, owner: Owner, now: number): Job => ({
  ...request,
  ...owner,
  id,
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
});

/** The maps by which jobs are found. */
function createIndex() {
  const jobs = new Map<number, Job>();
  const logs = new Map<string, Job>();
  const users = new Map<string, Set<Job>>();
  return {
    jobs,
    logs,
    users,
    add(job: Job): void {
      jobs.set(job.id, job);
      logs.set(logKey(job), job);
      const own = users.get(job.user) ?? new Set();
      users.set(job.user, own.add(job));
    },
    remove(job: Job): void {
      jobs.delete(job.id);
      users.get(job.user)?.delete(job);
      if (logs.get(logKey(job)) === job) logs.delete(logKey(job));
    },
  };
}

/** Makes an empty store of jobs whose life runs on `now`. */
export function createJobStore(now: () => number, profile: () => Profile): JobStore {
  const index = createIndex();
  const life = new JobLife({ now, profile, forgotten: index.remove });
  let nextId = FIRST_ID;
  const snapshot = (): Job[] => [...index.jobs.values()];
  return {
    settle: () => life.settle(),
    add(request, owner, asleep = false) {
      const job = newJob(nextId, request, owner, now());
      nextId += STEP;
      index.add(job);
      if (asleep) life.sleep(job);
      else life.born(job);
      life.settle();
      return job;
    },
    get: (id) => index.jobs.get(id),
    all: () => index.jobs.values(),
    ofUser: (user) => index.users.get(user) ?? [],
    get size() {
      return index.jobs.size;
    },
    withLogfile: (rundir, logfile) => index.logs.get(logKey({ rundir, logfile })),
    control: (job, action) => life.control(job, action),
    changed: (job, invalid) => life.changed(job, invalid),
    remove(job) {
      life.forget(job);
      life.dispatch();
    },
    crash(kind) {
      for (const job of snapshot().filter((one) => !isResting(one))) {
        if (kind === 'vanished') life.forget(job);
        else life.sleep(job);
      }
    },
    clear() {
      for (const job of snapshot()) life.forget(job);
      nextId = FIRST_ID;
    },
    export: () => ({ nextId, jobs: snapshot() }),
    import(exported) {
      for (const job of snapshot()) life.forget(job);
      nextId = exported.nextId;
      for (const job of exported.jobs) {
        const own = { ...job };
        index.add(own);
        life.adopted(own);
      }
    },
    wake: () => life.dispatch(),
  };
}
