import { randomBytes } from 'node:crypto';
import type { Config } from '../../config/index.ts';
import type { Clock, Identity, WebRequest } from '../../kernel/index.ts';
import type { Report } from '../../observe/index.ts';
import type { KeyValue, Sealer } from '../../platform/index.ts';
import { createInvalidation } from '../invalidation.ts';
import { type People, SESSION_COOKIE, type Session, type Sessions, type SignedIn } from '../sign-in.ts';
import { signInFailed } from '../sign-in-failed.ts';
import type { RandomBytes } from '../token-format.ts';
import { askStore } from './ask-store.ts';
import { createKeyedHash, HASH_LENGTH, type KeyedHash } from './keyed-hash.ts';
import { createSessionCache, type ReadSession, type SessionEntry } from './session-cache.ts';
import { csrfOf, mintCookie, parseCookie, type SessionCookie, sealerOf, writeCookie } from './session-cookie.ts';
import { type SealedPart, type StoredSession, shownAgent, writePart } from './session-record.ts';
import { createSessionStore, identify, type SessionStore } from './session-store.ts';

/** What sessions need. */
export interface SessionsOptions {
  readonly kv: KeyValue;
  readonly sealer: Sealer;
  /** Read at each use, but for the key of the hash. */
  readonly config: () => Pick<Config, 'signIn' | 'secrets'>;
  readonly clock: Clock;
  readonly people: Pick<People, 'find' | 'isUnreadable'>;
  readonly report: Pick<Report, 'credential'>;
  readonly random?: RandomBytes;
  /** Sessions kept in memory. */
  readonly capacity?: number;
}

type EndReason = 'ended' | 'replaced' | 'provider logout' | 'ended by owner' | 'person removed' | 'too many sessions';

const CAPACITY = 10_000;
/** The time of last use is written at most this often, and more often only where the idle life is shorter than that. */
const USED_EVERY = 60_000;
const AWAY = 'Sessions cannot be checked or changed right now.';
const PUBLIC_ID = new RegExp(`^[A-Za-z0-9_-]{${HASH_LENGTH}}$`);

/** Creates the sessions of this replica; see {@link Sessions}. The public id is a keyed hash of the cookie's id. */
export function createSessions(options: SessionsOptions): Sessions {
  const { kv, sealer, config, clock, random = randomBytes } = options;
  const hash = createKeyedHash(config().secrets.tokenKey);
  const limits = () => config().signIn.session;
  const store = createSessionStore({ kv, sealer, now: () => clock.now(), idle: () => limits().idle });
  const publicIdOf = (id: string): string => hash('session', id);

  const read = async (text: string): Promise<ReadSession | null> => {
    const named = identify(text, publicIdOf);
    const opened = named === null ? null : await askStore(store.open(named.id, named.cookie), AWAY);
    if (named === null || opened === null) return null;
    const identity = await options.people.find(opened.part.subject);
    if (identity !== null) {
      const session = toSession(named.id, named.cookie, opened.part, identity);
      return { session, lastUsedAt: opened.stored.lastUsedAt };
    }
    // A record that another replica sealed with a key that is not here yet is no reason to end a session for all.
    const sealed = (await options.people.isUnreadable?.(opened.part.subject)) ?? false;
    if (!sealed) await end(named.id, 'person removed');
    return null;
  };
  const cache = createSessionCache({ clock, read, capacity: options.capacity ?? CAPACITY });
  const invalidation = createInvalidation({ kv, clock, channel: 'sessions' }, cache.forget, cache.distrustAll);
  const end = createEnd(options, store, async (id) => {
    cache.forget(id);
    await invalidation.announce(id);
  });
  const endAll = async (ids: Iterable<string>, reason: EndReason): Promise<number> =>
    (await Promise.all([...new Set(ids)].map((id) => end(id, reason)))).filter(Boolean).length;
  const idsOn = async (shelves: readonly string[]): Promise<string[]> =>
    (await askStore(Promise.all(shelves.map(store.ids)), AWAY)).flat();
  const use = createUse(store, clock, limits);
  const beforehand = createBeforehand(store, publicIdOf);

  return {
    async open(request, signedIn, identity) {
      const before = await beforehand(request, signedIn);
      for (const old of before.keys()) await end(old, 'replaced');
      const cookie = mintCookie(random);
      const id = publicIdOf(cookie.id);
      const part = toPart(signedIn, identity, clock.now(), limits().life);
      const stored = toStored(request, part, identity, hash, writePart(part, sealerOf(cookie, id), id));
      await endAll(await askStore(store.add(id, stored), AWAY), 'too many sessions');
      const { user, subject } = identity;
      const { address, requestId } = request;
      options.report.credential({ what: 'session_opened', user, subject, id, address, requestId });
      const replacedOther = [...before.values()].some((one) => one !== subject);
      return { cookie: writeCookie(cookie), session: toSession(id, cookie, part, identity), replacedOther };
    },
    find(text) {
      if (parseCookie(text) === null) return null;
      const entry = cache.lookup(text);
      return entry instanceof Promise ? entry.then(use) : use(entry);
    },
    end: async (id) => PUBLIC_ID.test(id) && (await end(id, 'ended')),
    async endByProvider(provider, keys) {
      return endAll(await idsOn(keys.map((key) => providerShelf(hash, provider, key))), 'provider logout');
    },
    async list(subject) {
      const ids = await idsOn([subjectShelf(hash, subject)]);
      const found = await askStore(Promise.all(ids.map(async (id) => ({ id, stored: await store.read(id) }))), AWAY);
      // A list that was swapped in the store shows nobody the sessions of others.
      const isShown = (stored: StoredSession): boolean =>
        stored.subject === subject && !isOver(stored, clock.now(), limits());
      return found
        .flatMap(({ id, stored }) => (stored !== null && isShown(stored) ? [infoOf(id, stored)] : []))
        .sort((a, b) => a.createdAt - b.createdAt || a.id.localeCompare(b.id));
    },
    async endOthers(subject, keep) {
      const ids = await idsOn([subjectShelf(hash, subject)]);
      const others = ids.filter((id) => id !== keep);
      return endAll(others, 'ended by owner');
    },
    [Symbol.asyncDispose]: () => invalidation[Symbol.asyncDispose](),
  };
}

/** Subjects of a browser's sessions, by public id: that of its cookie, and that which it had when it began to sign in. */
function createBeforehand(
  store: SessionStore,
  publicIdOf: (id: string) => string,
): (request: WebRequest, signedIn: SignedIn) => Promise<ReadonlyMap<string, string>> {
  return async (request, { before }) => {
    const found = new Map<string, string>();
    const named = identify(request.cookies.get(SESSION_COOKIE), publicIdOf);
    const own = named === null ? null : await askStore(store.open(named.id, named.cookie), AWAY);
    if (named !== null && own !== null) found.set(named.id, own.part.subject);
    const begun = before === undefined || found.has(before) ? null : await askStore(store.read(before), AWAY);
    if (before !== undefined && begun !== null) found.set(before, begun.subject);
    return found;
  };
}

interface Limits {
  readonly idle: number;
  readonly life: number;
}

interface Times {
  readonly createdAt: number;
  readonly expiresAt: number;
  readonly lastUsedAt: number;
}

/** Whether a session has ended by time, by the limits as they are now. */
function isOver({ createdAt, expiresAt, lastUsedAt }: Times, now: number, { idle, life }: Limits): boolean {
  return now >= Math.min(expiresAt, createdAt + life, lastUsedAt + idle);
}

const subjectShelf = (hash: KeyedHash, subject: string): string => `sessions:subject:{${hash('subject', subject)}}`;

const providerShelf = (hash: KeyedHash, provider: string, key: string): string =>
  `sessions:provider:{${hash('provider-key', JSON.stringify([provider, key]))}}`;

function createEnd(
  { report }: Pick<SessionsOptions, 'report'>,
  store: SessionStore,
  forget: (id: string) => Promise<void>,
): (id: string, reason: EndReason) => Promise<boolean> {
  return async (id, reason) => {
    const removed = await askStore(store.remove(id), AWAY).finally(() => forget(id));
    const stored = removed?.stored;
    if (stored) {
      report.credential({ what: 'session_ended', user: stored.user, subject: stored.subject, id, reason });
    }
    return removed !== null;
  };
}

/** Notes the use of a session; the time of last use is written behind, and its failure changes nothing. */
function createUse(
  store: SessionStore,
  clock: Clock,
  limits: () => Limits,
): (entry: SessionEntry | null) => Session | null {
  return (entry) => {
    if (entry === null) return null;
    const now = clock.now();
    const { createdAt, expiresAt, id } = entry.session;
    const lastUsedAt = Math.max(entry.seenAt, entry.writtenAt);
    if (isOver({ createdAt, expiresAt, lastUsedAt }, now, limits())) return null;
    entry.seenAt = now;
    if (now - entry.writtenAt >= Math.min(USED_EVERY, limits().idle / 2)) {
      entry.writtenAt = now;
      store.touch(id, now).catch(() => undefined);
    }
    return entry.session;
  };
}

function toPart(
  { assertion, until, providerSession }: SignedIn,
  identity: Identity,
  now: number,
  life: number,
): SealedPart {
  const createdAt = Math.floor(now);
  const expiresAt = Math.floor(Math.min(createdAt + life, until ?? Number.POSITIVE_INFINITY));
  if (expiresAt <= createdAt) {
    const internal = 'the provider wants the session to end before it begins';
    throw signInFailed(internal);
  }
  return { subject: identity.subject, provider: assertion.provider, createdAt, expiresAt, providerSession };
}

function toStored(
  { address, userAgent }: WebRequest,
  { subject, provider, createdAt, expiresAt, providerSession }: SealedPart,
  { user }: Identity,
  hash: KeyedHash,
  sealed: string,
): StoredSession {
  const byProvider = providerSession.keys.map((key) => providerShelf(hash, provider, key));
  const shelves = [...new Set([subjectShelf(hash, subject), ...byProvider])];
  const times = { createdAt, lastUsedAt: createdAt, expiresAt };
  return { subject, user, provider, ...times, address, userAgent: shownAgent(userAgent), shelves, sealed };
}

function toSession(id: string, cookie: SessionCookie, part: SealedPart, identity: Identity): Session {
  const { provider, createdAt, expiresAt, providerSession } = part;
  return { id, identity, provider, createdAt, expiresAt, csrf: csrfOf(cookie, id), providerSession };
}

function infoOf(id: string, stored: StoredSession) {
  const { provider, createdAt, lastUsedAt, expiresAt, address, userAgent } = stored;
  return { id, provider, createdAt, lastUsedAt, expiresAt, address, userAgent };
}
