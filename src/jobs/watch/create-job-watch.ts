import { randomBytes } from 'node:crypto';
import type { Config } from '../../config/index.ts';
import { type Account, type Clock, GatewayError, type Secret } from '../../kernel/index.ts';
import type { Report } from '../../observe/index.ts';
import type { KeyValue, Leases, Sealer } from '../../platform/index.ts';
import { normalJobId } from '../job-id.ts';
import { createKeyedHash } from '../keyed-hash.ts';
import type { Origins } from '../ports.ts';
import { AccountWatch } from './account-watch.ts';
import { createCurrent, LOOKUP_GAP, unknownJob } from './current.ts';
import { createLookups, type Dialect } from './lookups.ts';
import { createPlaces } from './places.ts';
import type { JobWatch, NewsAsk, NewsReader, WatchedJob, WatchWay } from './ports.ts';
import { createReading } from './reading.ts';
import { createSerial } from './serial.ts';
import { createSubmitters } from './submitters.ts';
import { createTableStore } from './table-store.ts';
import { type Drain, waitForJob, within } from './wait.ts';
import { Watcher } from './watcher.ts';

export interface JobWatchOptions {
  readonly kv: KeyValue;
  readonly sealer: Sealer;
  readonly leases: Leases;
  /** Key of the hashes that stand for accounts in the store. */
  readonly hashKey: Secret;
  readonly config: () => Pick<Config, 'jobs'>;
  readonly wayFor: WatchWay;
  readonly origins: Pick<Origins, 'find' | 'saw'>;
  /**
   * Told when vovserver has forgotten a job that had not been seen to end: `origins.saw` tells of all others. There was none
   * of this number at `asOf`, milliseconds since the epoch.
   */
  readonly onForgotten?: (queue: string, jobId: string, asOf: number) => void;
  /** Names the server of a queue, which numbers its jobs; without it there is one. */
  readonly epoch?: (queue: string) => string;
  readonly clock: Clock;
  readonly random?: (bytes: number) => Buffer;
  readonly report: Pick<Report, 'log' | 'jobWatchers' | 'jobWatchCall'>;
}

/** Milliseconds that the look at one job gets, however short the wait: others are looked up a second apart. */
const FIRST_LOOK = 1500;
/** Accounts that are remembered although nobody waits for them. */
const IDLE_ACCOUNTS = 500;

function createDrain(): Drain & { start(): void } {
  const listeners = new Set<() => void>();
  let draining = false;
  return {
    get draining() {
      return draining;
    },
    onDrain(listener) {
      listeners.add(listener);
      return { [Symbol.dispose]: () => void listeners.delete(listener) };
    },
    start() {
      draining = true;
      for (const listener of listeners) listener();
    },
  };
}

/** Makes the watch of an account. */
function createAccountWatches(options: JobWatchOptions) {
  const { kv, sealer, leases, hashKey, config, wayFor, origins, onForgotten, clock, report } = options;
  const { random = randomBytes, epoch = () => '' } = options;
  const hash = createKeyedHash(hashKey);
  const interval = (): number => config().jobs.watch.interval;
  const dialects = new Map<string, Dialect>();
  const watches = new Map<string, AccountWatch>();

  const dialectOf = (queue: string): Dialect => {
    const dialect = dialects.get(queue) ?? { fields: 'full' };
    dialects.set(queue, dialect);
    return dialect;
  };
  const create = (account: Account): AccountWatch => {
    const { queue, name } = account;
    const id = hash('watch', [queue, name]);
    const onSeen = (job: WatchedJob): void => origins.saw(queue, job.jobId, job.status);
    const common = { way: wayFor(account), serial: createSerial(), dialect: dialectOf(queue), clock, onSeen };
    const lookups = createLookups({
      ...common,
      gap: () => Math.min(LOOKUP_GAP, interval()),
      onCall: (ok) => report.jobWatchCall(queue, 'job', ok),
    });
    const startWatcher: ConstructorParameters<typeof AccountWatch>[0]['startWatcher'] = (onNews) =>
      new Watcher({
        ...common,
        account: name,
        lookups,
        store: createTableStore(kv, sealer, id),
        leases,
        lease: `job-watch-${id}`,
        nonce: () => random(4).toString('hex'),
        interval,
        readAge: () => config().jobs.settle.readAge,
        onForgotten: (jobId, asOf) => onForgotten?.(queue, jobId, asOf),
        onCall: (ok) => report.jobWatchCall(queue, 'all', ok),
        onNews,
      });
    const submitters = createSubmitters({ account, origins, clock, epoch: () => epoch(queue) });
    return new AccountWatch({ account, lookups, startWatcher, submitters, clock, interval });
  };
  return {
    interval,
    of(account: Account): AccountWatch {
      const key = JSON.stringify([account.queue, account.name, account.shared]);
      const watch = watches.get(key) ?? create(account);
      watches.delete(key);
      watches.set(key, watch);
      for (const [oldest, one] of watches) {
        if (watches.size <= IDLE_ACCOUNTS) break;
        if (one.idle) watches.delete(oldest);
      }
      return watch;
    },
    stop: () => Promise.all([...watches.values()].map((watch) => watch.stop())),
  };
}

/** Creates the watch over jobs: for each account one watcher while somebody waits, whatever their number. */
export function createJobWatch(options: JobWatchOptions): JobWatch {
  const { origins, clock, config, report } = options;
  const watches = createAccountWatches(options);
  const { interval } = watches;
  const drain = createDrain();
  const places = createPlaces(
    () => config().jobs.watch,
    (queue, kind, count) => report.jobWatchers(queue, kind, count),
  );

  const current = createCurrent({ origins, clock, interval, readAge: () => config().jobs.settle.readAge });

  return {
    async look(ask) {
      const jobId = normalJobId(ask.jobId);
      if (jobId === null) throw unknownJob();
      const watch = watches.of(ask.account);
      const normal = { ...ask, jobId };
      if (ask.waitMs <= 0) return { job: await current(watch, normal), end: 'at_once' };
      using _place = places.take('wait', ask.account.queue, ask.identity.subject);
      using _interest = watch.interest();
      const end = clock.elapsed() + ask.waitMs;
      const left = (): number => Math.max(0, end - clock.elapsed());
      const ends = { clock, drain, leaving: ask.leaving };
      await within(watch.watcher?.ready ?? Promise.resolve(), left(), ends);
      await within(watch.expect(jobId, left() / 2), left(), ends);
      const first = await within(current(watch, normal), Math.max(left(), FIRST_LOOK), ends);
      const again = (last: WatchedJob): Promise<WatchedJob> => current(watch, normal, last);
      return await waitForJob({ ...normal, waitMs: left() }, first, { watch, clock, drain, interval, again });
    },
    async follow(ask: NewsAsk, reader: NewsReader) {
      if (drain.draining) throw new GatewayError('GW_DRAINING', 'This replica is shutting down.', { retryAfter: 1 });
      const watch = watches.of(ask.account);
      const place = places.take('stream', ask.account.queue, ask.identity.subject);
      const interest = watch.interest();
      try {
        await watch.watcher?.ready;
        return createReading(ask, reader, { watch, drain, held: [place, interest] });
      } catch (error) {
        place[Symbol.dispose]();
        interest[Symbol.dispose]();
        throw error;
      }
    },
    drain: () => drain.start(),
    async [Symbol.asyncDispose]() {
      drain.start();
      await watches.stop();
    },
  };
}
