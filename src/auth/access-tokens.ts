import { randomBytes, timingSafeEqual } from 'node:crypto';
import type { Config } from '../config/index.ts';
import { type Clock, type Identity, SCOPES, type Secret } from '../kernel/index.ts';
import type { Report } from '../observe/index.ts';
import { type KeyValue, type Sealer, StoreUnavailable } from '../platform/index.ts';
import { createInvalidation } from './invalidation.ts';
import { type DecidedToken, decideNewToken } from './new-token.ts';
import type { AccessTokenInfo, AccessTokens, Caller, Granted } from './ports.ts';
import { invalidToken, storeAway, wrongLogin } from './refusals.ts';
import type { People } from './sign-in.ts';
import { createTokenCache, type Entry, type Found } from './token-cache.ts';
import { idAt, isTokenId, mintToken, parseToken, type RandomBytes, type TokenParts } from './token-format.ts';
import { createTokenHash, sameHash, type TokenHash, type TokenRecord } from './token-record.ts';
import { createTokenStore, type TokenStore } from './token-store.ts';

/** What access tokens need. */
export interface AccessTokensOptions {
  readonly kv: KeyValue;
  /** Read at each use, but for the key of the hash. */
  readonly config: () => Pick<Config, 'accessTokens' | 'secrets'>;
  readonly sealer: Sealer;
  /** Identity of a user for whom the administrator vouches. */
  readonly identityOf: (user: string) => Identity;
  /** Identities of those who signed in; without it no token of theirs is valid. */
  readonly people?: Pick<People, 'find'>;
  readonly clock: Clock;
  readonly random?: RandomBytes;
  readonly report?: Pick<Report, 'log' | 'credential'>;
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
  const ownerOf = ({ user, subject }: TokenRecord): Identity | Promise<Identity | null> =>
    subject === null ? identityOf(user) : (options.people?.find(subject) ?? Promise.resolve(null));
  const subjectOf = ({ user, subject }: TokenRecord): string => subject ?? identityOf(user).subject;
  const tell = (what: 'token_created' | 'token_revoked', record: TokenRecord): void =>
    report?.credential({ what, user: record.user, subject: subjectOf(record), id: record.id });
  const infoOf = createInfoOf(subjectOf);
  const cache = createTokenCache({
    clock,
    read: store.read,
    ownerOf,
    toCaller,
    capacity: options.capacity ?? CAPACITY,
  });
  const invalidation = createInvalidation({ kv, clock }, cache.forget, cache.distrustAll);
  const use = createUse(store, clock);
  const settle = (token: string, parts: TokenParts, found: Found): Caller => {
    if (!isProven(hash, token, parts, found)) throw invalidToken(reasonOf(found));
    return use(found);
  };
  const authenticate = (token: string): Caller | Promise<Caller> => {
    const parts = parseToken(token);
    if (parts === null) throw invalidToken('mistyped');
    const found = cache.lookup(parts.id);
    if (!(found instanceof Promise)) return settle(token, parts, found);
    return atStore(found).then((answer) => settle(token, parts, answer));
  };
  const issue = (wanted: DecidedToken, origin: Origin): Issued => {
    const minted = mintToken(random);
    const createdAt = clock.now();
    const { lifeMs, ...rest } = wanted;
    const { id } = minted.parts;
    const record = { id, ...rest, createdAt, expiresAt: Math.floor(createdAt + lifeMs), ...origin };
    return { token: minted.token, record: { ...record, hash: hash.ofSecret(minted.parts) } };
  };
  const grant = async (wanted: DecidedToken, owner: Identity, origin: Origin): Promise<Granted> => {
    const { token, record } = issue(wanted, origin);
    await atStore(store.addDerived(record));
    return { token, caller: toCaller(record, owner) };
  };
  return {
    authenticate,
    recall(token) {
      const entry = cache.peek(idAt(token));
      if (entry === undefined || entry.record.expiresAt <= clock.now() || !hasProof(entry, token)) return null;
      return cache.isTrusted(entry) ? use(entry) : authenticate(token);
    },
    async create(wanted) {
      const { token, record } = issue(decideNewToken(wanted, config().accessTokens), MADE);
      await atStore(store.add(record));
      tell('token_created', record);
      return { token, info: infoOf(record, null) };
    },
    async list(user) {
      const found = await atStore(store.list(user));
      return found
        .map(({ record, lastUsedAt }) => infoOf(record, lastUsedAt))
        .sort((a, b) => a.createdAt - b.createdAt || a.id.localeCompare(b.id));
    },
    async revoke(id) {
      if (!isTokenId(id)) return false;
      const { existed, record } = await atStore(store.remove(id));
      cache.forget(id);
      await invalidation.announce(id);
      if (record !== null) tell('token_revoked', record);
      return existed;
    },
    async inspect(token) {
      const parts = parseToken(token);
      if (parts === null) return null;
      const found = await atStore(cache.reread(parts.id));
      if (!isProven(hash, token, parts, found)) return null;
      return infoOf(found.record, await atStore(store.lastUsed(parts.id)));
    },
    async derive(token, isOwner, lifeMs) {
      const parts = parseToken(token);
      // A mistyped token asks the store for an id that nobody has, so that every refusal takes the same steps.
      const presented = parts ?? mintToken(random).parts;
      const found = await atStore(cache.reread(presented.id));
      const proven = isProven(hash, token, presented, found);
      if (parts === null) throw wrongLogin('mistyped');
      if (!proven) throw wrongLogin(reasonOf(found));
      if (!found.record.made) throw wrongLogin('a derived token cannot be exchanged');
      if (!isOwner(found.caller.identity)) throw wrongLogin('wrong user');
      use(found);
      const { user, subject, label, scopes, expiresAt, id } = found.record;
      const wanted = { user, subject, label, scopes, lifeMs: Math.min(lifeMs, expiresAt - clock.now()) };
      return grant(wanted, found.caller.identity, { parent: id, made: false, queue: null });
    },
    admit(user, queue, lifeMs) {
      const wanted = { user, subject: null, label: 'password login', scopes: SCOPES, lifeMs };
      return grant(wanted, identityOf(user), { parent: null, made: false, queue });
    },
    [Symbol.asyncDispose]: () => invalidation[Symbol.asyncDispose](),
  };
}

type Origin = Pick<TokenRecord, 'parent' | 'made' | 'queue'>;

/** By an administrator or by its owner. */
const MADE: Origin = { parent: null, made: true, queue: null };

interface Issued {
  readonly token: Secret;
  readonly record: TokenRecord;
}

const toCaller = (record: TokenRecord, owner: Identity): Caller => ({
  by: 'token',
  identity: owner,
  scopes: new Set(record.scopes),
  tokenId: record.id,
  tokenLabel: record.label,
  expiresAt: record.expiresAt,
  queue: record.queue,
});

/** Why a token that was not proven is refused, for the log. */
const reasonOf = (found: Found): string => (typeof found === 'string' ? found : 'wrong secret');

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
function isProven(hash: TokenHash, token: string, parts: TokenParts, found: Found): found is Entry {
  const entry = typeof found === 'string' ? null : found;
  if (entry !== null && hasProof(entry, token)) return true;
  const same = sameHash(entry?.record.hash ?? NO_HASH, hash.ofSecret(parts));
  if (entry === null || !same) return false;
  entry.proof = proofOf(token);
  return true;
}

function createInfoOf(subjectOf: (record: TokenRecord) => string) {
  return (record: TokenRecord, lastUsedAt: number | null): AccessTokenInfo => {
    const { id, user, label, scopes, createdAt, expiresAt, parent } = record;
    return { id, subject: subjectOf(record), user, label, scopes, createdAt, expiresAt, lastUsedAt, parent };
  };
}

async function atStore<T>(call: Promise<T>): Promise<T> {
  try {
    return await call;
  } catch (error) {
    throw error instanceof StoreUnavailable ? storeAway(error) : error;
  }
}
