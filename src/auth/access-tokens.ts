import { randomBytes } from 'node:crypto';
import type { Config } from '../config/index.ts';
import { type Clock, type Identity, SCOPES } from '../kernel/index.ts';
import type { Report } from '../observe/index.ts';
import type { KeyValue, Sealer } from '../platform/index.ts';
import { createInvalidation } from './invalidation.ts';
import { createGrant, createIssue, MADE, toCaller } from './issue-token.ts';
import { decideNewToken, tooManyTokens } from './new-token.ts';
import type { AccessTokenInfo, AccessTokens, Caller } from './ports.ts';
import { atStore, invalidToken, wrongLogin } from './refusals.ts';
import type { People } from './sign-in.ts';
import { createTokenCache, type Entry, type Found } from './token-cache.ts';
import { idAt, isTokenId, mintToken, parseToken, type RandomBytes, type TokenParts } from './token-format.ts';
import { hasProof, isProven, reasonOf } from './token-proof.ts';
import { createTokenHash, type TokenRecord } from './token-record.ts';
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
/** Creates the access tokens of this replica; see {@link AccessTokens}. */
export function createAccessTokens(options: AccessTokensOptions): AccessTokens {
  const { kv, config, clock, sealer, identityOf, report, random = randomBytes } = options;
  const hash = createTokenHash(config().secrets.tokenKey);
  const store = createTokenStore({ kv, sealer, hash, now: () => clock.now(), report });
  const { ownerOf, tell, infoOf } = createOwners(options);
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
  const issue = createIssue({ hash, clock, random });
  const grant = createGrant(issue, store);
  return {
    authenticate,
    recall(token) {
      const entry = cache.peek(idAt(token));
      if (entry === undefined || entry.record.expiresAt <= clock.now() || !hasProof(entry, token)) return null;
      return cache.isTrusted(entry) ? use(entry) : authenticate(token);
    },
    async create(wanted) {
      const { token, record } = issue(decideNewToken(wanted, config().accessTokens), MADE);
      if (!(await atStore(store.add(record)))) throw tooManyTokens();
      tell('token_created', record);
      return { token, info: infoOf(record, null) };
    },
    ...createLists(store, infoOf),
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
      const entry = exchangeable(parts === null ? 'mistyped' : proven ? found : reasonOf(found), isOwner);
      const owner = use(entry).identity;
      const { user, subject, label, scopes, expiresAt, id } = entry.record;
      const wanted = { user, subject, label, scopes, lifeMs: Math.min(lifeMs, expiresAt - clock.now()) };
      return grant(wanted, owner, { parent: id, made: false, queue: null });
    },
    admit(user, queue, lifeMs) {
      const wanted = { user, subject: null, label: 'password login', scopes: SCOPES, lifeMs };
      return grant(wanted, identityOf(user), { parent: null, made: false, queue });
    },
    [Symbol.asyncDispose]: () => invalidation[Symbol.asyncDispose](),
  };
}

/** What is shown of tokens; nothing of it uses one. */
function createLists(
  store: TokenStore,
  infoOf: (record: TokenRecord, lastUsedAt: number | null) => AccessTokenInfo,
): Pick<AccessTokens, 'list' | 'page' | 'find'> {
  return {
    async list(owner) {
      const found = await atStore(store.list(owner));
      return found
        .map(({ record, lastUsedAt }) => infoOf(record, lastUsedAt))
        .sort((a, b) => a.createdAt - b.createdAt || a.id.localeCompare(b.id));
    },
    async page(at, size, owner) {
      const { found, pages, more } = await atStore(store.page(at, size, owner));
      return { tokens: found.map(({ record, lastUsedAt }) => infoOf(record, lastUsedAt)), pages, more };
    },
    async find(id) {
      const record = isTokenId(id) ? await atStore(store.read(id)) : null;
      return record === null ? null : infoOf(record, await atStore(store.lastUsed(id)));
    },
  };
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

/** A token that the token endpoint may take: proven, no derived one, and the owner's. */
function exchangeable(found: Entry | string, isOwner: (identity: Identity) => boolean): Entry {
  if (typeof found === 'string') throw wrongLogin(found);
  if (!found.record.made) throw wrongLogin('a derived token cannot be exchanged');
  if (!isOwner(found.caller.identity)) throw wrongLogin('wrong user');
  return found;
}

/** Whose a token is, and what is told of it. */
function createOwners({ identityOf, people, report }: AccessTokensOptions) {
  const subjectOf = ({ user, subject }: TokenRecord): string => subject ?? identityOf(user).subject;
  return {
    ownerOf: ({ user, subject }: TokenRecord): Identity | Promise<Identity | null> =>
      subject === null ? identityOf(user) : (people?.find(subject) ?? Promise.resolve(null)),
    tell: (what: 'token_created' | 'token_revoked', record: TokenRecord): void =>
      report?.credential({ what, user: record.user, subject: subjectOf(record), id: record.id }),
    infoOf(record: TokenRecord, lastUsedAt: number | null): AccessTokenInfo {
      const { id, user, label, scopes, createdAt, expiresAt, parent } = record;
      return { id, subject: subjectOf(record), user, label, scopes, createdAt, expiresAt, lastUsedAt, parent };
    },
  };
}
