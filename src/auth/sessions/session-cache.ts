import { hash } from 'node:crypto';
import { type Clock, GatewayError } from '../../kernel/index.ts';
import { StoreUnavailable } from '../../platform/index.ts';
import { putBounded } from '../bounded-put.ts';
import type { Session } from '../sign-in.ts';
import { createSingleFlight } from '../single-flight.ts';

/** What the store said of a session. */
export interface ReadSession {
  readonly session: Session;
  /** As the store has it, milliseconds since the epoch. */
  readonly lastUsedAt: number;
}

/** A session as this process last read it. */
export interface SessionEntry {
  readonly session: Session;
  /** When the store was asked. */
  readonly confirmedAt: number;
  /** From when it is believed without asking; later than `confirmedAt` only while the store is away. */
  trustedFrom: number;
  /** Last use here. */
  seenAt: number;
  /** Last use that is written down. */
  writtenAt: number;
}

/** The sessions that this process has seen, each re-read at most once a second. */
export interface SessionCache {
  /** At once while trusted. Throws what `read` throws when neither store nor memory can tell. */
  lookup(cookie: string): SessionEntry | Promise<SessionEntry | null>;
  /** Forgets a session by its public id; what is being read of it is not kept. */
  forget(id: string): void;
  /** Every session is asked for again before it is trusted. */
  distrustAll(): void;
}

/** What the cache needs. */
export interface SessionCacheOptions {
  readonly clock: Clock;
  readonly read: (cookie: string) => Promise<ReadSession | null>;
  /** Sessions kept in memory. */
  readonly capacity: number;
}

/** Milliseconds that an answer of the store is believed: the bound of every logout. */
const TRUST = 1000;
/** With the store away, a session that was used within this time keeps working … */
const SEEN = 60_000;
/** … but not for ever without the store's word: a cut-off replica would never learn of a logout. */
const OUTAGE = 900_000;

/** A clock that went backwards makes an entry old, never young. */
const within = (since: number, now: number, span: number): boolean => now >= since && now - since < span;

const isAway = (error: unknown): boolean =>
  error instanceof StoreUnavailable || (error instanceof GatewayError && error.code === 'GW_STORE_UNAVAILABLE');

/** Creates the memory in front of the sessions; how long it searches tells nothing of a cookie, since it knows digests. */
export function createSessionCache({ clock, read, capacity }: SessionCacheOptions): SessionCache {
  const entries = new Map<string, SessionEntry>();
  const nameOf = (cookie: string): string => hash('sha256', cookie, 'base64url');

  const ask = async (cookie: string): Promise<SessionEntry | null> => {
    const confirmedAt = clock.now();
    const found = await read(cookie);
    if (found === null) return null;
    const seenAt = entries.get(nameOf(cookie))?.seenAt ?? Number.NEGATIVE_INFINITY;
    return { session: found.session, confirmedAt, trustedFrom: confirmedAt, seenAt, writtenAt: found.lastUsedAt };
  };
  const keep = (cookie: string, entry: SessionEntry | null): void => {
    if (entry === null) entries.delete(nameOf(cookie));
    else putBounded(entries, nameOf(cookie), entry, capacity);
  };
  /** The known entry for one more second; otherwise the store's absence is the answer. */
  const bridge = (cookie: string, error: unknown): SessionEntry => {
    const entry = entries.get(nameOf(cookie));
    const now = clock.now();
    const mayGoOn = entry !== undefined && within(entry.seenAt, now, SEEN) && within(entry.confirmedAt, now, OUTAGE);
    if (!mayGoOn || !isAway(error)) throw error;
    entry.trustedFrom = now;
    return entry;
  };
  // What is read while a session ends may be older than its end: `forget` abandons it.
  const flights = createSingleFlight<SessionEntry | null>(ask, keep, bridge);

  return {
    lookup(cookie) {
      const entry = entries.get(nameOf(cookie));
      return entry !== undefined && within(entry.trustedFrom, clock.now(), TRUST) ? entry : flights.ask(cookie);
    },
    forget(id) {
      for (const [name, entry] of entries) if (entry.session.id === id) entries.delete(name);
      flights.abandon();
    },
    distrustAll() {
      for (const entry of entries.values()) entry.trustedFrom = Number.NEGATIVE_INFINITY;
    },
  };
}
