import { isFinal } from './job-state.ts';
import type { JobChange, WatchedJob } from './ports.ts';

/** Changes that are remembered for readers who come again. */
const LOG = 1000;
/** Milliseconds that a job which has ended stays in the table. */
const KEEP_ENDED = 600_000;
/** Seconds: ENDED is whole seconds, and jobs of one second may be seen in two looks. */
const OVERLAP = 2;
/** Seconds before the first look: clocks may differ by so much. */
const BEFORE = 300;

/** A change with its name. */
export interface LoggedChange extends JobChange {
  readonly id: string;
}

/** A table as replicas hand it to each other. */
export interface TableState {
  readonly head: string;
  /** When vovserver was looked at last, milliseconds since the epoch. */
  readonly at: number;
  /** Jobs that ended since are looked for; seconds on vovserver's clock. */
  readonly since: number;
  readonly jobs: readonly WatchedJob[];
  readonly log: readonly LoggedChange[];
  /** When the jobs that had not ended were seen last, but for those in `unseen`. */
  readonly sightAt: number;
  /** Jobs that had not ended and that the last look did not show: their own `seenAt` holds. */
  readonly unseen: readonly string[];
  /** Whether the last look could not show all jobs. */
  readonly cut: boolean;
  /** Name of the change since which changes may have been missed; empty: of none. */
  readonly resetAt: string;
}

/** What one look at vovserver found. */
export interface Look {
  readonly at: number;
  readonly jobs: readonly WatchedJob[];
  /** Jobs that were there before and that vovserver does not know any more. */
  readonly forgotten: readonly string[];
  /** There are more jobs than a look can show. */
  readonly cut?: boolean;
}

const differs = (old: WatchedJob | undefined, job: WatchedJob): boolean =>
  old === undefined || old.state !== job.state || old.status !== job.status || old.ended !== job.ended;

const seqOf = (head: string): number => Number(/-(\d+)$/.exec(head)?.[1] ?? 0);

/** The jobs of one account as they were last seen, and what changed. No I/O: whoever looks tells it what was seen. */
export class JobTable {
  #jobs = new Map<string, WatchedJob>();
  #log: LoggedChange[] = [];
  #head = '';
  #at = 0;
  #since = 0;
  #sightAt = 0;
  #unseen = new Set<string>();
  #cut = false;
  #resetAt = '';

  /** False until the first look. */
  get loaded(): boolean {
    return this.#head !== '';
  }

  /** Name of the last change. */
  get head(): string {
    return this.#head;
  }

  get at(): number {
    return this.#at;
  }

  get size(): number {
    return this.#jobs.size;
  }

  get(jobId: string): WatchedJob | undefined {
    return this.#jobs.get(jobId);
  }

  /** When a job of this table was seen last, milliseconds since the epoch. */
  seenAt({ jobId, state, seenAt }: WatchedJob): number {
    return isFinal(state) || this.#unseen.has(jobId) ? seenAt : Math.max(seenAt, this.#sightAt);
  }

  /** Jobs that the last look should have shown and did not. */
  get unseen(): ReadonlySet<string> {
    return this.#unseen;
  }

  get cut(): boolean {
    return this.#cut;
  }

  get resetAt(): string {
    return this.#resetAt;
  }

  /** Lets nobody go on from an earlier change, since others may have been missed: what comes now has another beginning. */
  restart(term: string): void {
    this.#log = [];
    this.#head = `${term}-0`;
    this.#resetAt = this.#head;
  }

  /** Seconds on vovserver's clock from which on ended jobs are of interest. */
  since(now: number): number {
    return this.loaded ? this.#since : Math.floor(now / 1000) - BEFORE;
  }

  /** Jobs that had not ended and are not among these. */
  missing(jobs: readonly WatchedJob[]): string[] {
    return this.#missing(jobs).map(({ jobId }) => jobId);
  }

  /** Takes in what was seen; gives what changed, each change named by `term` and a number. Nothing has changed at the first look. */
  take(look: Look, term: string): LoggedChange[] {
    const first = !this.loaded;
    const changed = look.jobs.filter((job) => differs(this.#jobs.get(job.jobId), job));
    const forgotten = look.forgotten.flatMap((jobId) => {
      const job = this.#jobs.get(jobId);
      return job === undefined || job.state === 'forgotten'
        ? []
        : [{ ...job, state: 'forgotten' as const, seenAt: look.at }];
    });
    const since = this.since(look.at);
    this.#since = Math.max(since, ...lastEnds(look.jobs).map((ended) => ended - OVERLAP));
    this.#at = look.at;
    const gone = new Set(look.forgotten);
    this.#lose(this.#missing(look.jobs).filter(({ jobId }) => !gone.has(jobId)));
    this.#sightAt = look.at;
    this.#cut = look.cut === true;
    if (first) {
      for (const job of look.jobs) this.#jobs.set(job.jobId, job);
      this.#head = `${term}-0`;
      return [];
    }
    for (const job of look.jobs) this.#jobs.set(job.jobId, job);
    this.#dropEnded(new Set(look.jobs.map(({ jobId }) => jobId)));
    let seq = seqOf(this.#head);
    const changes = [...changed, ...forgotten].map((job) => ({ id: `${term}-${++seq}`, job }));
    this.#append(changes);
    return changes;
  }

  /**
   * Takes in changes that another replica saw after `after`, and which jobs it did not see (null: too many to tell). False when they do not
   * follow upon what is known here.
   */
  follow(after: string, changes: readonly LoggedChange[], at: number, unseen: readonly string[] | null = []): boolean {
    if (after !== this.#head) return false;
    if (unseen !== null) {
      this.#lose(unseen.flatMap((jobId) => this.#jobs.get(jobId) ?? []));
      this.#sightAt = Math.max(this.#sightAt, at);
    }
    this.#append(changes);
    this.#at = Math.max(this.#at, at);
    this.#dropEnded(new Set());
    return true;
  }

  /**
   * Takes the table of another replica for this one; gives what changed by it. What it cannot tell one by one any more it
   * tells as one difference, whose last change alone has a name.
   */
  adopt(state: TableState): JobChange[] {
    const at = this.loaded ? this.#placeIn(state) : -1;
    const changes = !this.loaded ? [] : at >= 0 ? state.log.slice(at) : this.#difference(state);
    this.#jobs = new Map(state.jobs.map((job) => [job.jobId, job]));
    this.#log = [...state.log];
    this.#head = state.head;
    this.#at = state.at;
    this.#since = state.since;
    this.#sightAt = state.sightAt;
    this.#unseen = new Set(state.unseen);
    this.#cut = state.cut;
    this.#resetAt = state.resetAt;
    return changes;
  }

  /** The changes after the one with this name; null when that one is not known (any more). */
  after(id: string): LoggedChange[] | null {
    if (id === this.#head) return [];
    const at = this.#log.findLastIndex((change) => change.id === id);
    // Right before the oldest that is remembered nothing is missing either, but only the first of all has no forerunner.
    if (at >= 0) return this.#log.slice(at + 1);
    const [oldest] = this.#log;
    return oldest !== undefined && seqOf(oldest.id) === 1 && id === oldest.id.replace(/-1$/, '-0')
      ? [...this.#log]
      : null;
  }

  state(): TableState {
    return {
      ...{ head: this.#head, at: this.#at, since: this.#since, sightAt: this.#sightAt },
      ...{ jobs: [...this.#jobs.values()], log: [...this.#log], unseen: [...this.#unseen] },
      ...{ cut: this.#cut, resetAt: this.#resetAt },
    };
  }

  #missing(jobs: readonly WatchedJob[]): WatchedJob[] {
    const seen = new Set(jobs.map(({ jobId }) => jobId));
    return [...this.#jobs.values()].filter(({ jobId, state }) => !isFinal(state) && !seen.has(jobId));
  }

  /** From now on these alone are unseen; when each was seen last stays. */
  #lose(jobs: readonly WatchedJob[]): void {
    for (const job of jobs) this.#jobs.set(job.jobId, { ...job, seenAt: this.seenAt(job) });
    this.#unseen = new Set(jobs.map(({ jobId }) => jobId));
  }

  #placeIn(state: TableState): number {
    if (state.head === this.#head) return state.log.length;
    const at = state.log.findIndex(({ id }) => id === this.#head);
    return at < 0 ? -1 : at + 1;
  }

  #difference(state: TableState): JobChange[] {
    const jobs = state.jobs.filter((job) => {
      const old = this.#jobs.get(job.jobId);
      return differs(old, job) && !(old === undefined && isFinal(job.state) && job.seenAt < this.#at);
    });
    return jobs.map((job, index) => ({ id: index === jobs.length - 1 ? state.head : null, job }));
  }

  #append(changes: readonly LoggedChange[]): void {
    for (const { job } of changes) {
      this.#jobs.set(job.jobId, job);
      this.#unseen.delete(job.jobId);
    }
    this.#log.push(...changes.slice(-LOG));
    if (this.#log.length > LOG) this.#log.splice(0, this.#log.length - LOG);
    this.#head = changes.at(-1)?.id ?? this.#head;
  }

  #dropEnded(seen: ReadonlySet<string>): void {
    const until = this.#at - KEEP_ENDED;
    for (const { jobId, state, seenAt } of this.#jobs.values()) {
      if (isFinal(state) && seenAt < until && !seen.has(jobId)) this.#jobs.delete(jobId);
    }
  }
}

/** The latest end among these; as a list, since there may be none, and spread safely whatever their number. */
function lastEnds(jobs: readonly WatchedJob[]): number[] {
  let last = 0;
  for (const { ended } of jobs) last = Math.max(last, ended);
  return last === 0 ? [] : [last];
}
