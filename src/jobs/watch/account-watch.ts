import type { Account, Clock, Identity } from '../../kernel/index.ts';
import { isFinal } from './job-state.ts';
import type { Lookups } from './lookups.ts';
import type { JobChange, WatchedJob } from './ports.ts';
import type { Asker } from './rounds.ts';
import { SharedNews } from './shared-news.ts';
import type { Submitters } from './submitters.ts';
import type { Watcher, WatcherOptions } from './watcher.ts';

export interface AccountWatchOptions {
  readonly account: Account;
  readonly lookups: Lookups;
  /** Starts the watcher; `onNews` is told of every look. */
  readonly startWatcher: (onNews: WatcherOptions['onNews']) => Watcher;
  readonly submitters: Submitters;
  readonly clock: Clock;
  readonly interval: () => number;
}

/** Told after every look at vovserver. */
export interface NewsListener {
  news(changes: readonly JobChange[], head: string, reset: boolean): void;
}

/** What a look at one job found. */
export type Found =
  | { readonly job: WatchedJob; readonly shown: true }
  | { readonly job: WatchedJob | null; readonly shown: false };

/** Whether an identity may see every job of a queue. */
export const seesAll = ({ roles }: Identity): boolean => roles.some((role) => role !== 'user');

/** One account as it is looked at from here: single jobs whenever asked, all of them while somebody waits. */
export class AccountWatch {
  /** Of a shared account. */
  readonly shared: SharedNews;
  readonly #options: AccountWatchOptions;
  readonly #listeners = new Set<NewsListener>();
  #watcher: Watcher | null = null;
  #lingering: Disposable | null = null;
  #interested = 0;
  #newsAt = Number.NEGATIVE_INFINITY;

  constructor(options: AccountWatchOptions) {
    this.#options = options;
    this.shared = new SharedNews(options);
  }

  get idle(): boolean {
    return this.#interested === 0 && this.#watcher === null;
  }

  /** Keeps the watcher going until disposed, and a little longer: who waits comes again. */
  interest(): Disposable {
    const { clock, interval, startWatcher } = this.#options;
    this.#interested += 1;
    this.#lingering?.[Symbol.dispose]();
    this.#lingering = null;
    this.#watcher ??= startWatcher((changes, head, reset) => {
      this.#newsAt = clock.now();
      for (const listener of this.#listeners) listener.news(changes, head, reset);
      this.shared.take(changes, head);
    });
    let held = true;
    return {
      [Symbol.dispose]: () => {
        if (!held) return;
        held = false;
        this.#interested -= 1;
        if (this.#interested === 0) this.#lingering = clock.after(interval(), () => void this.stop());
      },
    };
  }

  get watcher(): Watcher | null {
    return this.#watcher;
  }

  listen(listener: NewsListener): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }

  /**
   * Lets a job that was submitted a moment ago come up in the next look at all jobs, for which nobody has to ask; at most
   * `ms` milliseconds. Resolves at once for what is in the table, or cannot come.
   */
  async expect(jobId: string, ms: number): Promise<void> {
    const { clock, interval } = this.#options;
    const asked = clock.now();
    if (this.#watcher === null || this.inTable(jobId) !== undefined || this.#newsAt >= asked) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    using _news = this.listen({ news: () => resolve() });
    using _late = clock.after(Math.min(ms, interval() * 1.5), resolve);
    await promise;
  }

  async stop(): Promise<void> {
    const watcher = this.#watcher;
    this.#lingering?.[Symbol.dispose]();
    this.#watcher = null;
    await watcher?.[Symbol.asyncDispose]();
  }

  /** The job as it is in the table, when all jobs are watched anyway; or as it was looked up since. */
  inTable(jobId: string): WatchedJob | undefined {
    const { table } = this.#watcher ?? {};
    const job = table?.get(jobId);
    if (table === undefined || job === undefined || job.state === 'forgotten') return job;
    const seenAt = table.seenAt(job);
    const single = this.#options.lookups.recall(jobId);
    return single !== undefined && single.seenAt > seenAt ? single : { ...job, seenAt };
  }

  /** Whether the table tells what the job is doing: the last look showed it, or it has ended. */
  isShown(jobId: string): boolean {
    const { table } = this.#watcher ?? {};
    const job = table?.get(jobId);
    return table !== undefined && job !== undefined && (isFinal(job.state) || table.seenAt(job) >= table.at);
  }

  /**
   * The job as it is, at most `maxAge` milliseconds old where the table does not show it; null when vovserver shows no such
   * job. `shown` is false for what it showed before, and does no more. Throws GatewayError.
   */
  async find(jobId: string, maxAge: number, asker: Asker): Promise<Found> {
    const before = this.inTable(jobId);
    if (before !== undefined && this.isShown(jobId)) return { job: before, shown: true };
    const job = await this.#options.lookups.find(jobId, maxAge, asker);
    if (job !== null) return { job, shown: true };
    return { job: before ?? null, shown: false };
  }

  /** The job as it is by a read of itself; null when vovserver knows no such job. Throws GatewayError. */
  confirm(jobId: string): Promise<WatchedJob | null> {
    return this.#options.lookups.confirm(jobId);
  }

  /** Whether a job that vovserver shows is one of the identity's own. Throws GW_STORE_UNAVAILABLE on a shared account. */
  async isOwn(job: WatchedJob, identity: Identity): Promise<boolean> {
    const { account, submitters } = this.#options;
    if (job.user !== account.name) return false;
    return !account.shared || (await submitters.of(job)) === identity.subject;
  }
}
