import { type Clock, GatewayError, type Identity } from '../kernel/index.ts';
import { StoreUnavailable } from '../platform/index.ts';
import { putBounded } from './bounded-put.ts';
import type { Caller } from './ports.ts';
import { createSingleFlight } from './single-flight.ts';
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

/** Why a token is no valid one, for the log. */
export type Gone = 'unknown or revoked' | 'expired' | 'its owner is unknown' | 'its parent has ended';

/** A token that the store knows, or why it is not valid. */
export type Found = Entry | Gone;

/** The tokens that this process has seen, each re-read at most once a second. */
export interface TokenCache {
  /** The entry as it is, however old; also of a token that has ended. */
  peek(id: string): Entry | undefined;
  /** True while the entry may be used without asking the store. */
  isTrusted(entry: Entry): boolean;
  /** The entry of a token. Throws StoreUnavailable or GW_STORE_UNAVAILABLE when neither store nor memory can tell. */
  lookup(id: string): Found | Promise<Found>;
  /** As `lookup`, but always asks the store and never answers from memory. */
  reread(id: string): Promise<Found>;
  /** Forgets a token and what was derived from it. */
  forget(id: string): void;
  /** Every entry is asked for again before it is trusted. */
  distrustAll(): void;
}

/** What the cache needs. */
export interface TokenCacheOptions {
  readonly clock: Clock;
  readonly read: (id: string) => Promise<TokenRecord | null>;
  /** Null: its owner is unknown. A promise where people must be asked. */
  readonly ownerOf: (record: TokenRecord) => Identity | Promise<Identity | null>;
  readonly toCaller: (record: TokenRecord, owner: Identity) => Caller;
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
function within(since: number, now: number, span: number): boolean {
  return now >= since && now - since < span;
}

/** What was found, carrying on what this process knows of the same token. */
function entryOf(record: TokenRecord, caller: Caller, confirmedAt: number, known: Entry | undefined): Entry {
  const before = known?.record.hash === record.hash ? known : undefined;
  return {
    record,
    caller,
    proof: before?.proof ?? null,
    confirmedAt,
    trustedFrom: confirmedAt,
    seenAt: before?.seenAt ?? Number.NEGATIVE_INFINITY,
    usedWrittenAt: before?.usedWrittenAt ?? Number.NEGATIVE_INFINITY,
  };
}

/** Whether a token may go on with the store away: used lately, and not for too long without the store's word. */
function mayGoOn(entry: Entry | undefined, now: number): entry is Entry {
  if (entry === undefined || entry.record.expiresAt <= now) return false;
  return within(entry.seenAt, now, SEEN) && within(entry.confirmedAt, now, OUTAGE);
}

const isAway = (error: unknown): boolean =>
  error instanceof StoreUnavailable || (error instanceof GatewayError && error.code === 'GW_STORE_UNAVAILABLE');

/** Creates the memory in front of the token store. */
export function createTokenCache({ clock, read, ownerOf, toCaller, capacity }: TokenCacheOptions): TokenCache {
  const entries = new Map<string, Entry>();
  const absent = new Map<string, { readonly since: number; readonly why: Gone }>();
  let endings = 0;

  const isTrusted = (entry: Entry): boolean => within(entry.trustedFrom, clock.now(), TRUST);

  const fetch = async (id: string): Promise<Found> => {
    const askedAt = clock.now();
    const record = await read(id);
    if (record === null) return 'unknown or revoked';
    if (record.expiresAt <= clock.now()) return 'expired';
    if (record.parent === null) {
      const owner = await ownerOf(record);
      if (owner === null) return 'its owner is unknown';
      return entryOf(record, toCaller(record, owner), askedAt, entries.get(id));
    }
    const parent = await lookup(record.parent);
    if (typeof parent === 'string') return 'its parent has ended';
    const caller = toCaller(record, parent.caller.identity);
    return entryOf(record, caller, Math.min(askedAt, parent.confirmedAt), entries.get(id));
  };

  const keep = (id: string, found: Found): void => {
    entries.delete(id);
    if (typeof found === 'string') putBounded(absent, id, { since: clock.now(), why: found }, capacity);
    else {
      absent.delete(id);
      putBounded(entries, id, found, capacity);
    }
  };

  /** The known entry for one more second; otherwise the store's absence is the answer. */
  const bridge = (id: string, error: unknown): Entry => {
    const entry = entries.get(id);
    if (!isAway(error) || !mayGoOn(entry, clock.now())) throw error;
    entry.trustedFrom = clock.now();
    return entry;
  };

  // What is read while a token ends may be older than its end: `forget` abandons it.
  const flights = createSingleFlight<Found>(fetch, keep, bridge);

  const lookup = (id: string): Found | Promise<Found> => {
    const entry = entries.get(id);
    if (entry !== undefined && entry.record.expiresAt > clock.now() && isTrusted(entry)) return entry;
    const gone = absent.get(id);
    if (gone !== undefined && within(gone.since, clock.now(), TRUST)) return gone.why;
    return flights.ask(id);
  };

  return {
    peek: (id) => entries.get(id),
    isTrusted,
    lookup,
    async reread(id) {
      const before = endings;
      const found = await fetch(id);
      if (typeof found !== 'string' && before === endings) keep(id, found);
      return found;
    },
    forget(id) {
      endings++;
      for (const [key, entry] of entries) if (key === id || entry.record.parent === id) entries.delete(key);
      flights.abandon();
    },
    distrustAll() {
      for (const entry of entries.values()) entry.trustedFrom = Number.NEGATIVE_INFINITY;
      absent.clear();
    },
  };
}
