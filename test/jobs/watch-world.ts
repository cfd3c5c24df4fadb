import type { Answer, JobWatch, Origin, WatchedJob } from '../../src/jobs/index.ts';
import { createJobWatch } from '../../src/jobs/index.ts';
import { type Account, type Clock, GatewayError } from '../../src/kernel/index.ts';
import {
  createLeases,
  createMemoryKeyValue,
  createSealer,
  type KeyValue,
  StoreUnavailable,
} from '../../src/platform/index.ts';
import { createManualClock } from '../world/manual-clock.ts';
import { HASH_KEY, jobsConfig, personOf, SEALING_KEY } from './jobs-world.ts';

/** A job at the fake vovserver. */
export interface FarmJob {
  readonly id: number;
  user: string;
  status: string;
  ended: number;
}

/** A vovserver in memory that knows the two questions of the watch. */
export interface Farm {
  readonly jobs: Map<number, FarmJob>;
  /** Targets that were read, by whom. */
  readonly reads: { readonly account: string; readonly target: string; readonly at: number }[];
  /** Calls under way, and the most there ever were for one account. */
  most: number;
  mood: 'ok' | 'away' | 'plain' | 'nonsense';
  /** Milliseconds that every answer takes. */
  slow: number;
  /** Reads of single jobs get an answer that tells nothing. */
  deaf: boolean;
  /** Jobs that lists do not show, since they come from an older copy; null: lists are not old. */
  hidden: ((id: number) => boolean) | null;
  put(id: number, status: string, user?: string): void;
  read(account: string, target: string): Promise<Answer>;
}

const json = (value: unknown): Answer => ({ status: 200, headers: [], body: Buffer.from(JSON.stringify(value)) });

const isOver = (status: string): boolean => status === 'Done' || status === 'Failed';

const cellsOf = ({ id, user, status, ended }: FarmJob): Readonly<Record<string, string | number>> => {
  const cells = { idint: id, user, statusnc: status, host: 'farm1', durationpp: '1s' };
  return { ...cells, exit: status === 'Failed' ? 1 : 0, ended };
};

/** Reads exactly what the gateway may write; anything else is a fault of the gateway. */
function chosen(jobs: Iterable<FarmJob>, where: string): FarmJob[] {
  const all = [...jobs];
  const ids = /^idint==(\d+(?:,\d+)*)$/.exec(where)?.[1]?.split(',').map(Number);
  if (ids !== undefined) return all.filter(({ id }) => ids.includes(id));
  const live = '(statusnc!=Done statusnc!=Failed)';
  const [, user, since] =
    /^user==([\w.-]+) \(?\(statusnc!=Done statusnc!=Failed\)(?:\|ended>=(\d+)\))?$/.exec(where) ?? [];
  if (user === undefined) throw new Error(`an unexpected question: ${where}, not with ${live}`);
  return all.filter((job) => {
    if (job.user !== user) return false;
    return !isOver(job.status) || (since !== undefined && job.ended >= Number(since));
  });
}

export function createFarm(clock: Clock): Farm {
  const busy = new Map<string, number>();
  const listed = (query: URLSearchParams): FarmJob[] => {
    const jobs = chosen(farm.jobs.values(), query.get('where') ?? '').filter(({ id }) => farm.hidden?.(id) !== true);
    return jobs.sort((a, b) => a.id - b.id).slice(0, Number(query.get('limit')));
  };
  const farm: Farm = {
    jobs: new Map(),
    reads: [],
    most: 0,
    mood: 'ok',
    slow: 0,
    deaf: false,
    hidden: null,
    put(id, status, user = 'alice') {
      const ended = isOver(status) ? Math.floor(clock.now() / 1000) : 0;
      farm.jobs.set(id, { id, user, status, ended });
    },
    async read(account, target) {
      farm.reads.push({ account, target, at: clock.now() });
      const now = (busy.get(account) ?? 0) + 1;
      busy.set(account, now);
      farm.most = Math.max(farm.most, now);
      await (farm.slow > 0 ? clock.sleep(farm.slow) : Promise.resolve());
      busy.set(account, (busy.get(account) ?? 1) - 1);
      if (farm.mood === 'away') throw new GatewayError('GW_UPSTREAM_DOWN', 'away', { retryAfter: 1 });
      if (farm.mood === 'nonsense') return { ...json({}), body: Buffer.from('<html>') };
      const { pathname, searchParams: query } = new URL(target, 'http://vov');
      const one = /^\/api\/v3\/jobs\/(\d+)$/.exec(pathname)?.[1];
      const fields = (query.get('select') ?? 'idint,user,statusnc,host').split(',');
      if (farm.mood === 'plain' && fields.includes('ended'))
        return json({ errmsg: 'no such field ended', columns: [] });
      const columns = fields.map((field, col) => ({ col, field: field.toUpperCase() }));
      const found = one === undefined ? listed(query) : [farm.jobs.get(Number(one))].filter((job) => job !== undefined);
      if (one !== undefined && farm.deaf) return { status: 500, headers: [], body: Buffer.from('oops') };
      if (one !== undefined && found.length === 0) return { status: 404, headers: [], body: Buffer.from('') };
      const rows = found.map((job) => fields.map((field) => cellsOf(job)[field]));
      return json({ errmsg: '', columns, rows });
    },
  };
  return farm;
}

/** A store as one replica reaches it. */
export interface SwitchedStore extends KeyValue {
  cut: boolean;
  /** What is told to the others waits for it. */
  held: Promise<void> | null;
}

/** A store that can be taken away from one replica. */
export function createCuttable(kv: KeyValue): SwitchedStore {
  const via = <A extends unknown[], R>(call: (...args: A) => Promise<R>) => {
    return async (...args: A): Promise<R> => {
      if (self.cut) throw new StoreUnavailable('cut by the test');
      return await call(...args);
    };
  };
  const self: SwitchedStore = {
    ...kv,
    cut: false,
    held: null,
    get: via(kv.get),
    run: via(kv.run),
    publish: via(async (channel, message) => {
      await kv.publish(channel, message);
      await self.held;
    }),
    subscribe: (channel, onMessage, onGap) =>
      kv.subscribe(channel, (message) => void (self.cut || onMessage(message)), onGap),
  };
  return self;
}

export const ALICE: Account = { queue: 'test', name: 'alice', shared: false };

/** What one reader of the stream was told. */
export interface Told {
  readonly begun: string[];
  readonly jobs: WatchedJob[];
  readonly ids: (string | null)[];
  ended: boolean;
  /** Name of the last change that had one. */
  last: string;
  stop(): void;
}

export interface WatchReplica {
  readonly watch: JobWatch;
  readonly kv: SwitchedStore;
  readonly saw: string[];
  readonly forgotten: string[];
  /** When it is sure that there was no such job, for each that was forgotten. */
  readonly sure: number[];
  /** Reads of the record of who submitted what. */
  finds(): number;
  follow(after?: string | null, account?: Account, who?: string): Promise<Told>;
}

/** Replicas that watch one farm over one store, with a clock that the test moves. */
export function createWatchWorld(interval = 1000) {
  const clock = createManualClock();
  const kv = createMemoryKeyValue({ clock });
  const farm = createFarm(clock);
  const submitters = new Map<string, string>();
  /** What the record of a job says besides who submitted it. */
  const records = new Map<string, Partial<Origin>>();
  /** A job that was submitted through the gateway at this moment. */
  const submit = (id: number, status: string, user = 'alice', subject = `local:${user}`): void => {
    farm.put(id, status, user);
    submitters.set(String(id), subject);
    records.set(String(id), { account: user, submittedAt: clock.now(), lastSeen: null });
  };
  const limits = { waitsPerIdentity: 3, streamsPerIdentity: 3, total: 1000, maxWait: 60_000, interval };
  const join = (name: string): WatchReplica => {
    const own = createCuttable(kv);
    const saw: string[] = [];
    const forgotten: string[] = [];
    const sure: number[] = [];
    const told = { finds: 0 };
    const log = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };
    const watch = createJobWatch({
      kv: own,
      sealer: createSealer({ current: SEALING_KEY }),
      leases: createLeases(own, { clock, ownerId: name }),
      hashKey: HASH_KEY,
      config: () => jobsConfig({ watch: limits }),
      wayFor: (account) => ({ read: (target) => farm.read(account.name, target) }),
      origins: {
        find: async (queue, jobId) => {
          told.finds += 1;
          if (own.cut) throw new GatewayError('GW_STORE_UNAVAILABLE', 'away', { retryAfter: 5 });
          const subject = submitters.get(jobId);
          if (subject === undefined) return null;
          const who = { subject, user: subject, account: farm.jobs.get(Number(jobId))?.user ?? 'alice' };
          const how = { tokenId: 't', tokenLabel: 'l', address: '192.0.2.1', requestId: 'r', key: null };
          const when = { submittedAt: 0, lastSeen: { status: 'Done', at: 5 } };
          return { queue, epoch: 'e', jobId, ...who, ...how, ...when, ...records.get(jobId) };
        },
        saw: (_queue, jobId, status) => void saw.push(`${jobId} ${status}`),
      },
      onForgotten(_queue, jobId, asOf) {
        forgotten.push(jobId);
        sure.push(asOf);
      },
      clock,
      report: { log, jobWatchers: () => undefined, jobWatchCall: () => undefined },
    });
    return {
      ...{ watch, kv: own, saw, forgotten, sure },
      finds: () => told.finds,
      async follow(after = null, account = ALICE, who = account.name) {
        const told: Told = { begun: [], jobs: [], ids: [], ended: false, last: '', stop: () => undefined };
        const following = watch.follow(
          { account, identity: personOf(who), after },
          {
            begin(how, head) {
              told.begun.push(how);
              told.last = head;
            },
            read({ changes }) {
              for (const { id, job } of changes) {
                told.jobs.push(job);
                told.ids.push(id);
                told.last = id ?? told.last;
              }
            },
            end: () => {
              told.ended = true;
            },
          },
        );
        following.catch(() => undefined);
        await clock.advance(0);
        const reading = await following;
        told.stop = () => reading[Symbol.dispose]();
        return told;
      },
    };
  };
  return { clock, farm, kv, limits, submitters, records, submit, join };
}
