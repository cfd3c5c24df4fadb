import type { JobState } from '../../kernel/index.ts';
import { stateOf } from './job-state.ts';
import type { LoggedChange, TableState } from './job-table.ts';
import type { WatchedJob } from './ports.ts';

const VERSION = 1;

type JobText = [string, string, string, number, string | null, number | null, string | null, number, number];
type ChangeText = [string, ...JobText];

const jobText = (job: WatchedJob): JobText => {
  const { jobId, user, status, state, host, exit, duration, ended, seenAt } = job;
  return [jobId, user, status, state === 'forgotten' ? 1 : 0, host, exit, duration, ended, seenAt];
};

const jobOf = ([jobId, user, status, gone, host, exit, duration, ended, seenAt]: JobText): WatchedJob => {
  const state: JobState = gone === 1 ? 'forgotten' : stateOf(status);
  return { jobId, user, status, state, host, exit, duration, ended, seenAt };
};

const changeText = ({ id, job }: LoggedChange): ChangeText => [id, ...jobText(job)];
const changeOf = ([id, ...job]: ChangeText): LoggedChange => ({ id, job: jobOf(job) });

/** A table as text; short, since it is written with every change. */
export function encodeTable(state: TableState): string {
  const { head, at, since, jobs, log, sightAt, unseen, cut, resetAt } = state;
  const sight = [sightAt, unseen, cut, resetAt];
  return JSON.stringify([VERSION, head, at, since, jobs.map(jobText), log.map(changeText), ...sight]);
}

/** Null for what this version did not write; the seal vouches for the rest. */
export function decodeTable(text: string): TableState | null {
  const [version, head, at, since, jobs, log, ...sight] = JSON.parse(text) as [
    number,
    string,
    number,
    number,
    JobText[],
    ChangeText[],
    number?,
    string[]?,
    boolean?,
    string?,
  ];
  if (version !== VERSION) return null;
  // A replica before an update wrote none of these: it took all jobs for seen.
  const [sightAt = at, unseen = [], cut = false, resetAt = ''] = sight;
  return { head, at, since, jobs: jobs.map(jobOf), log: log.map(changeOf), sightAt, unseen, cut, resetAt };
}

/** What the replica that watches tells the others after each look. */
export interface Beat {
  /** Grows with every holder. */
  readonly fence: number;
  readonly at: number;
  /** Name of the change before these. */
  readonly after: string;
  readonly head: string;
  /** Null: more than a message should hold; they are in the store. */
  readonly changes: readonly LoggedChange[] | null;
  /** Jobs that the look did not show although they had not ended; null: more than a message should hold. */
  readonly unseen: readonly string[] | null;
}

/** A message between replicas: a beat, the wish to hear one, or the end of a watch. */
export type WatchMessage =
  | { readonly kind: 'beat'; readonly beat: Beat }
  | { readonly kind: 'hello' }
  | { readonly kind: 'bye' };

export function encodeMessage(message: WatchMessage): string {
  if (message.kind !== 'beat') return JSON.stringify([VERSION, message.kind]);
  const { fence, at, after, head, changes, unseen } = message.beat;
  return JSON.stringify([VERSION, 'beat', fence, at, after, head, changes?.map(changeText) ?? null, unseen]);
}

/** Null for what this version did not write. */
export function decodeMessage(text: string): WatchMessage | null {
  const [version, kind, fence, at, after, head, changes, unseen = []] = JSON.parse(text) as [
    number,
    WatchMessage['kind'],
    number,
    number,
    string,
    string,
    ChangeText[] | null,
    (string[] | null)?,
  ];
  if (version !== VERSION) return null;
  if (kind !== 'beat') return { kind };
  return { kind, beat: { fence, at, after, head, changes: changes?.map(changeOf) ?? null, unseen } };
}
