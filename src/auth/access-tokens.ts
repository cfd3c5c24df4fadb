import { randomBytes, timingSafeEqual } from 'node:crypto';
import type { Config } from '../config/index.ts';
import { type Clock, type Identity, SCOPES, type Secret } from '../kernel/index.ts';
import type { Report } from '../observe/index.ts';
import { type KeyValue, type Sealer, StoreUnavailable } from '../platform/index.ts';
import { createInvalidation } from './invalidation.ts';
import { type DecidedToken, decideNewToken } from './new-token.ts';
import type { AccessTokenInfo, AccessTokens, Caller, Granted } from './ports.ts';
import { invalidToken, storeAway, wrongLogin } from './refusals.ts';
import { createTokenCache, type Entry } from './token-cache.ts';
import { idAt, isTokenId, mintToken, parseToken, type RandomBytes, type TokenParts } from './token-format.ts';
import { createTokenHash, sameHash, type TokenHash, type TokenRecord } from './token-record.ts';
import { createTokenStore, type TokenStore } from './token-store.ts';

/** What access tokens need. */
export interface AccessTokensOptions {
  readonly kv: KeyValue;
  /** Read at each use, but for the key of the hash. */
  readonly config: () => Pick<Config, 'accessTokens' | 'secrets'>;
  readonly sealer: Sealer;
  readonly identityOf: (user: string) => Identity;
  readonly clock: Clock;
  readonly random?: RandomBytes;
  readonly report?: Pick<Report, 'log'>;
  /** Tokens kept in memory. */
  readonly capacity?: number;
}

const CAPACITY = 10_000;
/** The time of last use is written at most this often for each token and replica. */
const USED_EVERY = 60_000;
/** What the hash of a token that does not exist is compared with: the work is the same. */
const NO_HASH = '-'.repeat(43);

/** Creates the access tokens of this replica; see {@link AccessTokens}. */
export function createAccessTokens(options: AccessTokensOptions): AccessTokens {
  const { kv, config, clock, sealer, identityOf, report, random = randomBytes } = options;
  const hash = createTokenHash(config().secrets.tokenKey);
  const store = createTokenStore({ kv, sealer, hash, now: () => clock.now(), report });
  const toCaller = createToCaller(identityOf);
  const cache = createTokenCache({
    clock,
    read: store.read,
    toCaller,
    capacity: options.capacity ?? CAPACITY,
  });
  const invalidation = createInvalidation({ kv, clock }, cache.forget, cache.distrustAll);
  const use = createUse(store, clock);
  const settle = (token: string, parts: TokenParts, entry: Entry | null): Caller => {
    if (!isProven(hash, token, parts, entry)) throw invalidToken();
    return use(entry);
  };
  const authenticate = (token: string): Caller | Promise<Caller> => {
    const parts = parseToken(token);
    if (parts === null) throw invalidToken();
    const entry = cache.lookup(parts.id);
    if (!(entry instanceof Promise)) return settle(token, parts, entry);
    return atStore(entry).then((found) => settle(token, parts, found));
  };
  const issue = (wanted: DecidedToken, origin: Origin): Issued => {
    const minted = mintToken(random);
    const createdAt = clock.now();
    const { user, label, scopes, lifeMs } = wanted;
    const { id } = minted.parts;
    const record = { id, user, label, scopes, createdAt, expiresAt: Math.floor(createdAt + lifeMs), ...origin };
    return { token: minted.token, record: { ...record, hash: hash.ofSecret(minted.parts) } };
  };
  const grant = async (wanted: DecidedToken, origin: Origin): Promise<Granted> => {
    const { token, record } = issue(wanted, origin);
    await atStore(store.addDerived(record));
    return { token, caller: toCaller(record) };
  };
  return {
    authenticate,
    recall(token) {
      const entry = cache.peek(idAt(token));
      if (entry === undefined || entry.record.expiresAt <= clock.now() || !hasProof(entry, token)) return null;
      return cache.isTrusted(entry) ? use(entry) : authenticate(token);
    },
    async create(wanted) {
      const { token, record } = issue(decideNewToken(wanted, config().accessTokens), BY_ADMINISTRATOR);
      await atStore(store.add(record));
      return { token, info: infoOf(record, toCaller(record), null) };
    },
    async list(user) {
      const found = await atStore(store.list(user));
      return found
        .map(({ record, lastUsedAt }) => infoOf(record, toCaller(record), lastUsedAt))
        .sort((a, b) => a.createdAt - b.createdAt || a.id.localeCompare(b.id));
    },
    async revoke(id) {
      if (!isTokenId(id)) return false;
      const existed = await atStore(store.remove(id));
      cache.forget(id);
      await invalidation.announce(id);
      return existed;
    },
    async derive(token, isOwner, lifeMs) {
      const parts = parseToken(token);
      // A mistyped token asks the store for an id that nobody has, so that every refusal takes the same steps.
      const presented = parts ?? mintToken(random).parts;
      const entry = await atStore(cache.reread(presented.id));
      const proven = isProven(hash, token, presented, entry) && parts !== null && entry.record.made;
      if (!proven || !isOwner(entry.caller.identity)) throw wrongLogin();
      use(entry);
      const { user, label, scopes, expiresAt, id } = entry.record;
      const wanted = { user, label, scopes, lifeMs: Math.min(lifeMs, expiresAt - clock.now()) };
      return grant(wanted, { parent: id, made: false, queue: null });
    },
    admit: (user, queue, lifeMs) =>
      grant({ user, label: 'password login', scopes: SCOPES, lifeMs }, { parent: null, made: false, queue }),
    [Symbol.asyncDispose]: () => invalidation[Symbol.asyncDispose](),
  };
}

type Origin = Pick<TokenRecord, 'parent' | 'made' | 'queue'>;

const BY_ADMINISTRATOR: Origin = { parent: null, made: true, queue: null };

interface Issued {
  readonly token: Secret;
  readonly record: TokenRecord;
}

function createToCaller(identityOf: (user: string) => Identity): (record: TokenRecord) => Caller {
  return (record) => ({
    by: 'token',
    identity: identityOf(record.user),
    scopes: new Set(record.scopes),
    tokenId: record.id,
    tokenLabel: record.label,
    expiresAt: record.expiresAt,
    queue: record.queue,
  });
}

/** Notes the use of a token; the time of last use is written behind, and its failure changes nothing. */
function createUse(store: TokenStore, clock: Clock): (entry: Entry) => Caller {
  return (entry) => {
    const now = clock.now();
    entry.seenAt = now;
    if (Math.abs(now - entry.usedWrittenAt) >= USED_EVERY) {
      entry.usedWrittenAt = now;
      store.markUsed(entry.record).catch(() => undefined);
    }
    return entry.caller;
  };
}

/** The token itself: it passes through memory with every request anyway, and a digest would cost each of them as much as its routing. */
const proofOf = (token: string): Buffer => Buffer.from(token, 'latin1');

function hasProof(entry: Entry, token: string): boolean {
  const { proof } = entry;
  return proof !== null && proof.length === token.length && timingSafeEqual(proof, proofOf(token));
}

/** Compares by the quick proof of an earlier success, else by the keyed hash; the same work with and without an entry. */
function isProven(hash: TokenHash, token: string, parts: TokenParts, entry: Entry | null): entry is Entry {
  if (entry !== null && hasProof(entry, token)) return true;
  const same = sameHash(entry?.record.hash ?? NO_HASH, hash.ofSecret(parts));
  if (entry === null || !same) return false;
  entry.proof = proofOf(token);
  return true;
}

function infoOf(record: TokenRecord, caller: Caller, lastUsedAt: number | null): AccessTokenInfo {
  const { id, user, label, scopes, createdAt, expiresAt, parent } = record;
  return { id, subject: caller.identity.subject, user, label, scopes, createdAt, expiresAt, lastUsedAt, parent };
}

async function atStore<T>(call: Promise<T>): Promise<T> {
  try {
    return await call;
  } catch (error) {
    throw error instanceof StoreUnavailable ? storeAway(error) : error;
  }
}
