import { firstState, type LawState, nextState } from './adaptive-law.ts';
import { Latencies, type SparseCounts } from './latencies.ts';
import { split, type Wish } from './split.ts';

/** What a replica saw of a pool since the window began. */
export interface Sample {
  readonly window: number;
  readonly times: SparseCounts;
  readonly bad: number;
  readonly peak: number;
}

/** A replica's line in a pool: the turns that it may have out at most, and what it would like. */
export interface Claim extends Wish {
  readonly held: number;
  readonly sample: Sample | null;
}

/** A pool, as the replicas agreed on it. `era` changes with a limit that makes earlier calls no measure any more. */
export interface PoolRecord {
  readonly law: LawState | null;
  readonly window: number;
  readonly era: number;
  readonly claims: Readonly<Record<string, Claim>>;
}

/** What the replicas write together: who lives, by a number that each counts up, and the pools. */
export interface Ledger {
  readonly beats: Readonly<Record<string, number>>;
  readonly pools: Readonly<Record<string, PoolRecord>>;
}

/** How a pool is limited. */
export interface Bounds {
  readonly adaptive: boolean;
  readonly start: number;
  readonly most: number;
}

/** What this replica has of a pool. */
export interface OwnPool {
  /** The most that it may have out until it hears of this beat. */
  readonly held: number;
  readonly demand: number;
  readonly bounds: Bounds;
  readonly sample: Sample;
}

/** What this replica says in one beat. */
export interface Announcement {
  readonly id: string;
  readonly lives: (id: string) => boolean;
  /** False for a beat out of order, which moves shares but counts no time. */
  readonly counts: boolean;
  /** The most that a share may grow to now, of a limit. */
  readonly ceiling: (limit: number) => number;
  readonly pools: ReadonlyMap<string, OwnPool>;
}

/** What this replica gets. */
export interface Grant {
  readonly share: number;
  readonly limit: number;
  readonly window: number;
  readonly era: number;
}

export const EMPTY: Ledger = { beats: {}, pools: {} };

const NEW_POOL: PoolRecord = { law: null, window: 0, era: 0, claims: {} };
const NO_CLAIM: Claim = { held: 0, demand: 0, tenure: 0, rested: 0, sample: null };

/** Answers that a window needs before it is judged. */
const enough = (limit: number): number => Math.max(30, 4 * limit);

/**
 * One beat of a replica. The ledger keeps for each replica what it may have out, and their sum stays within the limit: a
 * share grows only into what no other holds. Who is to give up gets the smaller share at once, but its line is lowered
 * only by its next beat, which says what it has really left; so another takes it a beat later.
 */
export function announce(ledger: Ledger, mine: Announcement): { ledger: Ledger; grants: Map<string, Grant> } {
  const living = Object.keys(ledger.beats).filter((id) => id !== mine.id && mine.lives(id));
  const replicas = [...living, mine.id].sort();
  const grants = new Map<string, Grant>();
  const pools: Record<string, PoolRecord> = {};
  for (const key of new Set([...Object.keys(ledger.pools), ...mine.pools.keys()])) {
    const record = ledger.pools[key] ?? NEW_POOL;
    const own = mine.pools.get(key);
    const claims: Record<string, Claim> = {};
    for (const id of living) if (record.claims[id] !== undefined) claims[id] = record.claims[id];
    if (own === undefined) {
      if (Object.keys(claims).length > 0) pools[key] = { ...record, claims };
      continue;
    }
    const { grant, ...agreed } = agree({ ...record, claims }, record.claims[mine.id] ?? NO_CLAIM, own, replicas, mine);
    pools[key] = agreed.record;
    grants.set(key, grant);
  }
  const beats: Record<string, number> = { [mine.id]: (ledger.beats[mine.id] ?? 0) + 1 };
  for (const id of living) beats[id] = ledger.beats[id] ?? 0;
  return { ledger: { beats, pools }, grants };
}

/** The ledger without a replica that says good-bye. */
export function leave(ledger: Ledger, id: string): Ledger {
  const without = <V>(all: Readonly<Record<string, V>>): Record<string, V> =>
    Object.fromEntries(Object.entries(all).filter(([key]) => key !== id));
  const pools = Object.entries(ledger.pools).map(([key, pool]) => [key, { ...pool, claims: without(pool.claims) }]);
  return { beats: without(ledger.beats), pools: Object.fromEntries(pools) };
}

function agree(before: PoolRecord, known: Claim, own: OwnPool, replicas: readonly string[], mine: Announcement) {
  const { id } = mine;
  const counted = mine.counts ? 1 : 0;
  const claim: Claim = {
    held: own.held,
    demand: own.demand,
    tenure: own.held > 0 ? known.tenure + counted : 0,
    rested: own.held === 0 && own.demand > 0 ? known.rested + counted : 0,
    sample: own.bounds.adaptive ? own.sample : null,
  };
  const claims: Record<string, Claim> = { ...before.claims, [id]: claim };
  // The first by name of those who use the pool judges its windows; it sees what all have seen.
  const record = judge({ ...before, claims }, own.bounds, mine.counts && Object.keys(claims).sort()[0] === id);
  const limit = limitOf(record, own.bounds);
  const shares = split(
    limit,
    replicas.map((replica) => claims[replica] ?? NO_CLAIM),
  );
  const target = shares[replicas.indexOf(id)] ?? 0;
  const others = Object.entries(claims).reduce((sum, [other, { held }]) => (other === id ? sum : sum + held), 0);
  const room = Math.min(limit - others, mine.ceiling(limit));
  const share = Math.min(target, Math.max(own.held, room));
  claims[id] = { ...claim, held: Math.max(own.held, share) };
  return { record: { ...record, claims }, grant: { share, limit, window: record.window, era: record.era } };
}

function limitOf({ law }: PoolRecord, { adaptive, start, most }: Bounds): number {
  return adaptive && law !== null ? Math.max(1, Math.min(most, law.limit)) : start;
}

function judge(record: PoolRecord, bounds: Bounds, judges: boolean): PoolRecord {
  if (!bounds.adaptive) return { ...record, law: null };
  const law = record.law ?? firstState(Math.min(bounds.start, bounds.most));
  if (!judges) return { ...record, law };
  const seen = new Latencies();
  let [bad, peak] = [0, 0];
  for (const { sample } of Object.values(record.claims)) {
    if (sample === null || sample.window !== record.window) continue;
    seen.merge(sample.times);
    bad += sample.bad;
    peak += sample.peak;
  }
  if (seen.count + bad < enough(law.limit)) return { ...record, law };
  const window = { count: seen.count, bad, peak, slow: seen.quantile(0.9), typical: seen.typical() };
  const next = nextState(law, window, bounds.most, bounds.start);
  // One more hardly changes what a call meets; anything else does.
  const steady = next.limit === law.limit || next.limit === law.limit + 1;
  return { ...record, law: next, window: record.window + 1, era: record.era + (steady ? 0 : 1) };
}
