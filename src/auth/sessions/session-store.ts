import type { KeyValue, Sealer } from '../../platform/index.ts';
import { parseCookie, type SessionCookie, sealerOf } from './session-cookie.ts';
import { readPart, type SealedPart, type StoredSession, writePart } from './session-record.ts';
import { createShelves } from './shelves.ts';

/** A stored session with what its cookie opened. */
export interface OpenedSession {
  readonly stored: StoredSession;
  readonly part: SealedPart;
}

/** Where sessions are kept, by public id. Every call may throw StoreUnavailable. */
export interface SessionStore {
  /** Gives the ids of sessions that lost their place to it, to be ended. */
  add(id: string, stored: StoredSession): Promise<string[]>;
  read(id: string): Promise<StoredSession | null>;
  /** Null when there is none, or none that this cookie opens. */
  open(id: string, cookie: SessionCookie): Promise<OpenedSession | null>;
  /** Writes the time of last use, unless the session has ended or another replica writes at the same moment. */
  touch(id: string, lastUsedAt: number): Promise<void>;
  /** What was removed; null when another was first or there was nothing; without a record when it could not be read. */
  remove(id: string): Promise<{ readonly stored: StoredSession | null } | null>;
  ids(shelf: string): Promise<string[]>;
}

/** What the store of sessions needs. */
export interface SessionStoreOptions {
  readonly kv: KeyValue;
  readonly sealer: Sealer;
  readonly now: () => number;
  /** Milliseconds without use after which a session ends. */
  readonly idle: () => number;
}

const keyOf = (id: string): string => `session:{${id}}`;

/** Creates the store: one sealed value for each session, which the gateway's key opens halfway and the cookie wholly. */
export function createSessionStore({ kv, sealer, now, idle }: SessionStoreOptions): SessionStore {
  const shelves = createShelves(kv, now);
  const lifeOf = (stored: StoredSession): number =>
    Math.max(1, Math.min(stored.lastUsedAt + idle(), stored.expiresAt) - now());
  const decode = (id: string, text: string | null): StoredSession | null =>
    text === null ? null : readPart<StoredSession>(text, sealer, id);
  const read = async (id: string): Promise<StoredSession | null> => decode(id, await kv.get(keyOf(id)));
  return {
    read,
    ids: shelves.ids,
    async add(id, stored) {
      // On the shelves first: no session may live that a logout would not find.
      const dropped = await Promise.all(stored.shelves.map((shelf) => shelves.put(shelf, id, stored.expiresAt)));
      await kv.set(keyOf(id), writePart(stored, sealer, id), lifeOf(stored));
      return [...new Set(dropped.flat())];
    },
    async open(id, cookie) {
      const stored = await read(id);
      const part = stored === null ? null : readPart<SealedPart>(stored.sealed, sealerOf(cookie, id), id);
      return stored === null || part === null ? null : { stored, part };
    },
    async touch(id, lastUsedAt) {
      const before = await kv.get(keyOf(id));
      const stored = decode(id, before);
      if (stored === null || stored.lastUsedAt >= lastUsedAt) return;
      // Sealed anew, so that a session in use follows the rotation of the key.
      const next = { ...stored, lastUsedAt };
      await kv.compareAndSet(keyOf(id), before, writePart(next, sealer, id), lifeOf(next));
    },
    async remove(id) {
      const stored = await read(id);
      if (!(await kv.delete(keyOf(id)))) return null;
      await Promise.all(stored?.shelves.map((shelf) => shelves.drop(shelf, id)) ?? []);
      return { stored };
    },
  };
}

/** The cookie with the public id of its session; null when it is no cookie of ours. */
export function identify(
  text: string | undefined,
  publicIdOf: (id: string) => string,
): { readonly id: string; readonly cookie: SessionCookie } | null {
  const cookie = text === undefined ? null : parseCookie(text);
  return cookie === null ? null : { id: publicIdOf(cookie.id), cookie };
}
