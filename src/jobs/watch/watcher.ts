import { type Clock, GatewayError, toGatewayError } from '../../kernel/index.ts';
import type { HeldLease, Leases } from '../../platform/index.ts';
import type { SubmissionWay } from '../ports.ts';
import { JobTable, type LoggedChange } from './job-table.ts';
import { askJobs, type Dialect, type Lookups } from './lookups.ts';
import type { JobChange, WatchedJob } from './ports.ts';
import type { Serial } from './serial.ts';
import type { TableStore } from './table-store.ts';
import type { Beat, WatchMessage } from './table-text.ts';
import { liveQuery, MOST_JOBS } from './watch-query.ts';

/** Changes in one message; more are read from the store. */
const MOST_TOLD = 500;
/** Milliseconds: the table in the store must not end while it is used. */
const SAVE_EVERY = 120_000;
/** Jobs that are not in the list and are looked up in one look, and those read one by one. */
const MOST_MISSED = 2000;
const MOST_CONFIRMED = 10;
/** Milliseconds after which readers are told again that there are more jobs than a look can show. */
const RESET_EVERY = 60_000;
/** Times the interval: longest pause after failures. */
const MOST_BACKED_OFF = 12;

export interface WatcherOptions {
  /** vovserver account name. */
  readonly account: string;
  readonly way: Pick<SubmissionWay, 'read'>;
  readonly serial: Serial;
  readonly dialect: Dialect;
  readonly lookups: Lookups;
  readonly store: TableStore;
  readonly leases: Leases;
  /** Name of the lease. */
  readonly lease: string;
  /** Makes names of changes unlike those of any other replica. */
  readonly nonce: () => string;
  readonly clock: Clock;
  /** Milliseconds. */
  readonly interval: () => number;
  readonly onCall: (ok: boolean) => void;
  /** Told when vovserver was looked at from here, of what changed. */
  readonly onSeen: (job: WatchedJob) => void;
  /** The same for a job that vovserver knows no more: there was none of this number at `asOf`. */
  readonly onForgotten: (jobId: string, asOf: number) => void;
  /** Milliseconds that a list of vovserver may be old. */
  readonly readAge: () => number;
  /** Told after each look, wherever it was made; `reset`: others may have been missed. */
  readonly onNews: (changes: readonly JobChange[], head: string, reset: boolean) => void;
}

/** Jobs that are gone, each with the time at which that is sure, milliseconds since the epoch. */
type Gone = ReadonlyMap<string, number>;

/** What cannot be released ends by its time to live. */
async function release(lease: HeldLease | null): Promise<void> {
  try {
    await lease?.[Symbol.asyncDispose]();
  } catch {
    // The store is away.
  }
}

/**
 * Watches the jobs of one account while it lives. Of the replicas that share a store one holds the lease, looks at vovserver
 * once an interval and tells the others; when it falls silent another takes over, and while the store is away each looks
 * for itself.
 */
export class Watcher implements AsyncDisposable {
  readonly table = new JobTable();
  readonly #options: WatcherOptions;
  #term: string;
  #lease: HeldLease | null = null;
  readonly #channel: Promise<AsyncDisposable | null>;
  #timer: Disposable | null = null;
  #stopped = false;
  #heardAt = Number.NEGATIVE_INFINITY;
  /** The fence of the holder that was heard last. */
  #fence = 0;
  #failures = 0;
  #savedAt = Number.NEGATIVE_INFINITY;
  #resetAt = Number.NEGATIVE_INFINITY;
  #turn: Promise<unknown> = Promise.resolve();
  #ready = Promise.withResolvers<void>();

  constructor(options: WatcherOptions) {
    this.#options = options;
    this.#term = options.nonce();
    this.#ready.promise.catch(() => undefined);
    this.#channel = this.#open();
  }

  /** Resolves when the table tells how things are; rejects with why it cannot. */
  get ready(): Promise<void> {
    return this.table.loaded ? Promise.resolve() : this.#ready.promise;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopped = true;
    this.#timer?.[Symbol.dispose]();
    await this.#turn.catch(() => undefined);
    const lease = this.#lease;
    this.#lease = null;
    if (lease !== null) {
      await release(lease);
      await this.#options.store.publish({ kind: 'bye' }).catch(() => undefined);
    }
    await (await this.#channel)?.[Symbol.asyncDispose]();
  }

  async #open(): Promise<AsyncDisposable | null> {
    const { store } = this.#options;
    const channel = await store
      .subscribe(
        (message) => this.#hear(message),
        () => this.#inTurn(() => this.#reload()),
      )
      .catch(() => null);
    this.#inTurn(() => this.#tick());
    return channel;
  }

  /** What changes the table happens one after the other. */
  #inTurn(step: () => Promise<void>): void {
    this.#turn = this.#turn.then(() => (this.#stopped ? undefined : step())).catch(() => undefined);
  }

  #hear(message: WatchMessage): void {
    if (message.kind === 'bye') {
      this.#heardAt = Number.NEGATIVE_INFINITY;
      this.#schedule(0);
    } else if (message.kind === 'hello') {
      this.#inTurn(async () => {
        if (this.#holds() && this.table.loaded) await this.#beat(this.table.head, []);
      });
    } else this.#inTurn(() => this.#follow(message.beat));
  }

  #holds(): boolean {
    return this.#lease !== null && !this.#lease.lost.aborted;
  }

  async #follow({ fence, at, after, head, changes, unseen }: Beat): Promise<void> {
    if (fence < this.#fence || (this.#holds() && fence <= (this.#lease?.fence ?? 0))) return;
    await release(this.#lease);
    this.#lease = null;
    this.#fence = fence;
    this.#heardAt = this.#options.clock.now();
    this.#schedule(this.#patience());
    const { table } = this;
    if (changes !== null && table.loaded && table.follow(after, changes, at, unseen)) this.#tell(changes);
    else if (head !== table.head) await this.#reload(head);
  }

  /** So long a follower waits for the next word of the holder. */
  #patience(): number {
    return this.#options.interval() * 1.3 + 500;
  }

  /** Takes the table of the store when it is newer than the own, or the one that the holder speaks of. */
  async #reload(wanted?: string): Promise<void> {
    const state = await this.#options.store.load().catch(() => null);
    if (state === null || state.head === this.table.head) return;
    if (state.at < this.table.at && state.head !== wanted) return;
    const reset = this.table.loaded && state.resetAt !== this.table.resetAt;
    this.#tell(this.table.adopt(state), reset);
  }

  #tell(changes: readonly JobChange[], reset = false): void {
    this.#ready.resolve();
    this.#options.onNews(changes, this.table.head, reset);
  }

  #schedule(ms: number): void {
    this.#timer?.[Symbol.dispose]();
    if (this.#stopped) return;
    this.#timer = this.#options.clock.after(ms, () => this.#inTurn(() => this.#tick()));
  }

  async #tick(): Promise<void> {
    const { clock, interval } = this.#options;
    const began = clock.now();
    if (!this.#holds() && began - this.#heardAt < this.#patience()) return this.#schedule(this.#patience());
    const role = this.#holds() ? 'holder' : await this.#takeLease();
    if (role === 'follower') {
      // A store that was lost counts its holders from the start.
      this.#fence = 0;
      await this.#options.store.publish({ kind: 'hello' }).catch(() => undefined);
      return this.#schedule(Math.min(1000, interval() / 2));
    }
    await this.#look();
    const pause = interval() * Math.min(MOST_BACKED_OFF, 2 ** this.#failures);
    this.#schedule(Math.max(0, began + pause - clock.now()));
  }

  async #takeLease(): Promise<'holder' | 'follower' | 'alone'> {
    const { leases, lease, interval, nonce } = this.#options;
    const old = this.#lease;
    this.#lease = null;
    await release(old);
    try {
      const taken = await leases.tryAcquire(lease, Math.max(3000, interval()));
      if (taken === null) return 'follower';
      this.#lease = taken;
      this.#fence = taken.fence;
      this.#savedAt = Number.NEGATIVE_INFINITY;
      this.#term = `${taken.fence}.${nonce()}`;
      await this.#reload();
      return 'holder';
    } catch {
      // Without the store each replica looks for itself.
      return 'alone';
    }
  }

  async #look(): Promise<void> {
    const { clock, onSeen, onForgotten } = this.#options;
    try {
      const { jobs, gone, cut } = await this.#ask();
      const { head: before, cut: wasCut, loaded } = this.table;
      const look = { at: clock.now(), jobs, forgotten: [...gone.keys()], cut };
      const changes = this.table.take(look, this.#term);
      const reset = loaded && this.#isReset(cut, wasCut);
      this.#failures = 0;
      for (const { job } of changes) {
        const asOf = job.state === 'forgotten' ? gone.get(job.jobId) : undefined;
        if (asOf === undefined) onSeen(job);
        else onForgotten(job.jobId, asOf);
      }
      await this.#hand(before, changes, reset);
      this.#tell(changes, reset);
    } catch (error) {
      this.#failures += 1;
      const ready = this.#ready;
      this.#ready = Promise.withResolvers();
      this.#ready.promise.catch(() => undefined);
      ready.reject(toGatewayError(error));
      if (this.#holds() && this.table.loaded) await this.#beat(this.table.head, []);
    }
  }

  /** While not all jobs can be shown, and once more when they can, readers must list them by themselves. */
  #isReset(cut: boolean, wasCut: boolean): boolean {
    const { clock, nonce } = this.#options;
    const due = cut ? !wasCut || clock.elapsed() - this.#resetAt >= RESET_EVERY : wasCut;
    if (!due) return false;
    this.#resetAt = clock.elapsed();
    this.#term = `${this.#lease?.fence ?? 0}.${nonce()}`;
    this.table.restart(this.#term);
    return true;
  }

  /** What vovserver shows, and which jobs it has forgotten. Throws GatewayError. */
  async #ask(): Promise<{ jobs: WatchedJob[]; gone: Gone; cut: boolean }> {
    const { account, serial, lookups, clock } = this.#options;
    const asked = clock.now();
    const since = this.table.since(asked);
    const shown = await serial(() =>
      askJobs(this.#options, (fields) => {
        const target = liveQuery(account, fields, since);
        if (target === null) throw new GatewayError('GW_NO_ACCOUNT', `Jobs of ${account} cannot be asked for.`);
        return target;
      }),
    );
    const jobs = shown.filter(({ user }) => user === account);
    // A cut list says nothing of what is not in it.
    const cut = shown.length >= MOST_JOBS;
    const missing = cut ? [] : this.table.missing(jobs).slice(0, MOST_MISSED);
    if (missing.length === 0) return { jobs, gone: new Map(), cut };
    const found = await lookups.findAll(missing);
    const own = [...found.values()].filter(({ user }) => user === account);
    const absent = missing.filter((jobId) => found.get(jobId)?.user !== account);
    const { there, gone } = await this.#judge(absent, asked);
    return { jobs: [...jobs, ...own, ...there], gone, cut };
  }

  /**
   * Which of these are gone: what a list asked for at `asked` did not show. It may come from an old copy, so a job that was
   * seen a moment ago is read by itself, or waits for a later look.
   */
  async #judge(absent: readonly string[], asked: number): Promise<{ there: WatchedJob[]; gone: Gone }> {
    const { account, lookups, readAge, clock } = this.#options;
    const sure = asked - readAge();
    const there: WatchedJob[] = [];
    const gone = new Map<string, number>();
    let reads = 0;
    for (const jobId of absent) {
      const job = this.table.get(jobId);
      if (job === undefined || this.table.seenAt(job) <= sure) {
        gone.set(jobId, sure);
        continue;
      }
      if (reads >= MOST_CONFIRMED) continue;
      reads += 1;
      const asOf = clock.now();
      const read = await lookups.confirm(jobId).catch(() => undefined);
      if (read?.user === account) there.push(read);
      else if (read !== undefined) gone.set(jobId, asOf);
    }
    return { there, gone };
  }

  /** Hands what changed to the others, before anybody here is told: what was told once is known to all. */
  async #hand(before: string, changes: readonly LoggedChange[], reset: boolean): Promise<void> {
    const lease = this.#lease;
    if (lease === null || lease.lost.aborted) return;
    const { store, clock } = this.#options;
    try {
      if (changes.length > 0 || reset || clock.now() - this.#savedAt > SAVE_EVERY) {
        this.#savedAt = clock.now();
        const saved = await store.save(lease.fence, this.table.state());
        if (!saved) {
          this.#lease = null;
          await release(lease);
          return;
        }
      }
      await this.#beat(before, reset ? null : changes);
    } catch {
      // The store is away: the lease ends by itself, and until then this replica tells its own.
    }
  }

  /** Without changes those that hear it take the table from the store. */
  #beat(before: string, changes: readonly LoggedChange[] | null): Promise<void> {
    const { head, at } = this.table;
    const told = changes !== null && changes.length > MOST_TOLD ? null : changes;
    const unseen = this.table.unseen.size > MOST_TOLD ? null : [...this.table.unseen];
    const beat = { fence: this.#lease?.fence ?? 0, at, after: before, head, changes: told, unseen };
    return this.#options.store.publish({ kind: 'beat', beat }).catch(() => undefined);
  }
}
