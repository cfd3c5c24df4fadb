import type { Clock } from '../kernel/index.ts';
import { StoreUnavailable } from '../platform/index.ts';
import type { Caller } from './ports.ts';
import type { TokenRecord } from './token-record.ts';

/** A token that the store knew when it was last asked. */
export interface Entry {
  readonly record: TokenRecord;
  readonly caller: Caller;
  /** SHA-256 of the whole token once its secret was proven against the keyed hash. */
  proof: Buffer | null;
  /** When the store was asked; for a derived token the older of its own and its parent's. */
  confirmedAt: number;
  /** From when the entry is trusted without asking; later than `confirmedAt` only while the store is away. */
  trustedFrom: number;
  /** Last successful use. */
  seenAt: number;
  usedWrittenAt: number;
}

/** The tokens that this process has seen, each re-read at most once a second. */
export interface TokenCache {
  /** The entry as it is, however old; also of a token that has ended. */
  peek(id: string): Entry | undefined;
  /** True while the entry may be used without asking the store. */
  isTrusted(entry: Entry): boolean;
  /** The entry of a token, null when there is none. Throws StoreUnavailable when neither store nor memory can tell. */
  lookup(id: string): Entry | null | Promise<Entry | null>;
  /** As `lookup`, but always asks the store and never answers from memory. */
  reread(id: string): Promise<Entry | null>;
  /** Forgets a token and what was derived from it. */
  forget(id: string): void;
  /** Every entry is asked for again before it is trusted. */
  distrustAll(): void;
}

/** What the cache needs. */
export interface TokenCacheOptions {
  readonly clock: Clock;
  readonly read: (id: string) => Promise<TokenRecord | null>;
  readonly toCaller: (record: TokenRecord) => Caller;
  /** Tokens kept in memory. */
  readonly capacity: number;
}

/** Milliseconds that an answer of the store is believed: the bound of every revocation. */
const TRUST = 1000;
/** With the store away, a token that was used within this time keeps working … */
const SEEN = 60_000;
/** … but not for ever without the store's word: a cut-off replica would never learn of a revocation. */
const OUTAGE = 900_000;

/** A clock that went backwards makes an entry old, never young. */
const within = (since: number, now: number, span: number): boolean => now >= since && now - since < span;

/** Creates the memory in front of the token store. */
export function createTokenCache({ clock, read, toCaller, capacity }: TokenCacheOptions): TokenCache {
  const entries = new Map<string, Entry>();
  const absent = new Map<string, number>();
  const flights = new Map<string, Promise<Entry | null>>();

  const isTrusted = (entry: Entry): boolean => within(entry.trustedFrom, clock.now(), TRUST);

  const fetch = async (id: string): Promise<Entry | null> => {
    const askedAt = clock.now();
    const record = await read(id);
    if (record === null || record.expiresAt <= clock.now()) return null;
    if (record.parent === null) return entryOf(record, askedAt);
    const parent = await lookup(record.parent);
    return parent === null ? null : entryOf(record, Math.min(askedAt, parent.confirmedAt));
  };

  const entryOf = (record: TokenRecord, confirmedAt: number): Entry => {
    const known = entries.get(record.id);
    const before = known?.record.hash === record.hash ? known : undefined;
    return {
      record,
      caller: toCaller(record),
      proof: before?.proof ?? null,
      confirmedAt,
      trustedFrom: confirmedAt,
      seenAt: before?.seenAt ?? Number.NEGATIVE_INFINITY,
      usedWrittenAt: before?.usedWrittenAt ?? Number.NEGATIVE_INFINITY,
    };
  };

  const keep = (id: string, entry: Entry | null): void => {
    entries.delete(id);
    if (entry === null) putBounded(absent, id, clock.now(), capacity);
    else {
      absent.delete(id);
      putBounded(entries, id, entry, capacity);
    }
  };

  /** The known entry for one more second, when it was used lately; otherwise the store's absence is the answer. */
  const bridge = (id: string, error: unknown): Entry => {
    const entry = entries.get(id);
    const now = clock.now();
    if (!(error instanceof StoreUnavailable) || entry === undefined || entry.record.expiresAt <= now) throw error;
    if (!within(entry.seenAt, now, SEEN) || !within(entry.confirmedAt, now, OUTAGE)) throw error;
    entry.trustedFrom = now;
    return entry;
  };

  const fly = (id: string): Promise<Entry | null> => {
    const flight: Promise<Entry | null> = fetch(id).then(
      (entry) => {
        // A token that was forgotten while it was being read: the answer may be older than its end.
        if (flights.get(id) === flight) keep(id, entry);
        return entry;
      },
      (error: unknown) => bridge(id, error),
    );
    flights.set(id, flight);
    const land = (): void => {
      if (flights.get(id) === flight) flights.delete(id);
    };
    flight.then(land, land);
    return flight;
  };

  const lookup = (id: string): Entry | null | Promise<Entry | null> => {
    const entry = entries.get(id);
    if (entry !== undefined && entry.record.expiresAt > clock.now() && isTrusted(entry)) return entry;
    const absentSince = absent.get(id);
    if (absentSince !== undefined && within(absentSince, clock.now(), TRUST)) return null;
    return flights.get(id) ?? fly(id);
  };

  return {
    peek: (id) => entries.get(id),
    isTrusted,
    lookup,
    reread: fetch,
    forget(id) {
      for (const [key, entry] of entries) if (key === id || entry.record.parent === id) entries.delete(key);
      flights.clear();
    },
    distrustAll() {
      for (const entry of entries.values()) entry.trustedFrom = Number.NEGATIVE_INFINITY;
      absent.clear();
    },
  };
}

/** Adds as the newest; the oldest leaves when there are more than `capacity`. */
function putBounded<V>(map: Map<string, V>, key: string, value: V, capacity: number): void {
  map.delete(key);
  map.set(key, value);
  if (map.size <= capacity) return;
  for (const oldest of map.keys()) {
    map.delete(oldest);
    return;
  }
}
