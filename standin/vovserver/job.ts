/** The words of STATUSNC. */
export type JobState =
  | 'Idle'
  | 'Queued'
  | 'Running'
  | 'Done'
  | 'Failed'
  | 'Transfer'
  | 'Suspended'
  | 'Sleeping'
  | 'Withdrawn';

/** What a submission says of a job; the four first are required by the tutorial. */
export interface JobRequest {
  readonly command: string;
  readonly logfile: string;
  readonly rundir: string;
  readonly env: string;
  readonly jobname: string;
  readonly jobclass: string;
  readonly jobproj: string;
  readonly resources: string;
  readonly group: string | null;
  /** 1 to 15. */
  readonly priority: number;
  /** Seconds after which a running job is killed; 0 for never. */
  readonly autokill: number;
}

/** One job in the memory of the stand-in. Times are milliseconds since the epoch. */
export interface Job extends Mutable<JobRequest> {
  readonly id: number;
  readonly user: string;
  readonly osgroup: string;
  readonly submittedAt: number;
  group: string;
  state: JobState;
  /** When this state began. */
  since: number;
  startedAt: number | null;
  endedAt: number | null;
  host: string;
  exit: number | null;
  /** Milliseconds that the job ran before the present stretch of running. */
  ranMs: number;
  /** Rises with each change of state, so that an older due time is void. */
  turn: number;
}

type Mutable<T> = { -readonly [K in keyof T]: Exclude<T[K], null> };

/** The word of STATUS for each word of STATUSNC. */
export const INTERNAL_STATUS: Readonly<Record<JobState, string>> = {
  Idle: 'INVALID',
  Queued: 'SCHEDULED',
  Running: 'RETRACING',
  Done: 'VALID',
  Failed: 'FAILED',
  Transfer: 'TRANSFER',
  Suspended: 'SUSPENDED',
  Sleeping: 'SLEEPING',
  Withdrawn: 'WITHDRAWN',
};

const RESTING: ReadonlySet<JobState> = new Set(['Idle', 'Done', 'Failed', 'Sleeping', 'Withdrawn']);

/** Resting jobs may be forgotten; all others wait, run or hold something. */
export const isResting = (job: Job): boolean => RESTING.has(job.state);

/** Milliseconds that the job has run so far. */
export function ranMs(job: Job, now: number): number {
  return job.ranMs + (job.state === 'Running' ? now - job.since : 0);
}

/** How long a command runs and how it exits: `sleep N`, `false`, `exit N`; anything else takes a second and exits 0. */
export function workOf(command: string): { ms: number; exit: number } {
  const sleep = /(?:^|[\s;&])sleep\s+(\d+(?:\.\d+)?)/.exec(command);
  const exit = /(?:^|[\s;&])exit\s+(\d+)\s*$/.exec(command);
  const ms = sleep === null ? 1000 : Number(sleep[1]) * 1000;
  if (exit !== null) return { ms, exit: Number(exit[1]) & 255 };
  return { ms, exit: /(?:^|[\s;&/])false\s*$/.test(command) ? 1 : 0 };
}
