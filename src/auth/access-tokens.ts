import { hash, randomBytes, timingSafeEqual } from 'node:crypto';
import type { Config } from '../config/index.ts';
import { type Clock, GatewayError, type Identity, Secret } from '../kernel/index.ts';
import { type KeyValue, type Sealer, StoreUnavailable } from '../platform/index.ts';
import { invalidToken } from './credential.ts';
import type { AccessTokenInfo, AccessTokens, Caller, DerivedToken, NewAccessToken } from './ports.ts';
import { createTokenRecords, type TokenRecord, type TokenRecords } from './token-records.ts';
import { newToken, parseToken, type Random, type TokenParts, tokenText } from './token-text.ts';

/** What access tokens need. `config` is read at each use. */
export interface AccessTokensOptions {
  readonly kv: KeyValue;
  readonly sealer: Sealer;
  readonly config: () => Pick<Config, 'accessTokens' | 'secrets'>;
  /** The identity of a user that the gateway vouches for. */
  readonly identityOf: (user: string) => Identity;
  readonly clock: Clock;
  readonly random?: Random;
}

/** A record younger than this is believed, so a revoked token ends everywhere within it. */
const FRESH_MS = 1000;
/** With the store away, a token that was seen within this time keeps working. */
const STATIC_MS = 60_000;
const NOTE_USE_MS = 60_000;
const CACHED = 50_000;

/** One token as this process last saw it in the store; `caller` null: there is none. */
interface Entry {
  readonly caller: Caller | null;
  readonly record: TokenRecord | null;
  readAt: number;
  notedAt: number;
  /** SHA-256 of the secret once its keyed hash was found right, so that the next calls need no HMAC. */
  verified: Buffer | null;
  reading: Promise<Entry> | null;
}

const digest = (secret: string): Buffer => hash('sha256', secret, 'buffer');

function unavailable(cause: unknown): GatewayError {
  return new GatewayError('GW_STORE_UNAVAILABLE', 'The access token cannot be checked right now; retry shortly.', {
    retryAfter: 2,
    cause,
  });
}

function isRight(records: TokenRecords, entry: Entry, secret: string): boolean {
  if (entry.record === null) return false;
  if (entry.verified !== null) return timingSafeEqual(entry.verified, digest(secret));
  const expected = Buffer.from(entry.record.hash);
  const presented = Buffer.from(records.hashOf(secret));
  if (expected.length !== presented.length || !timingSafeEqual(expected, presented)) return false;
  entry.verified = digest(secret);
  return true;
}

/** Reads tokens through a cache that is at most a second old. */
function createReader(options: AccessTokensOptions, records: TokenRecords) {
  const { clock, identityOf } = options;
  const entries = new Map<string, Entry>();

  const keep = (id: string, entry: Entry): Entry => {
    entries.delete(id);
    entries.set(id, entry);
    const [oldest] = entries.keys();
    if (entries.size > CACHED && oldest !== undefined) entries.delete(oldest);
    return entry;
  };

  const callerOf = (id: string, record: TokenRecord): Caller => ({
    identity: identityOf(record.user),
    scopes: new Set(record.scopes),
    tokenId: id,
    tokenLabel: record.label,
    expiresAt: record.expiresAt,
  });

  const load = async (id: string, old: Entry | undefined): Promise<Entry> => {
    const now = clock.now();
    try {
      const record = await records.read(id);
      // What was derived dies with its parent.
      const parent = record?.parent ? await entryOf(record.parent) : null;
      const alive = record !== null && (parent === null || parent.record !== null);
      const same = alive && old?.record?.hash === record.hash;
      return keep(id, {
        caller: alive ? callerOf(id, record) : null,
        record: alive ? record : null,
        readAt: now,
        notedAt: old?.notedAt ?? 0,
        verified: same ? (old?.verified ?? null) : null,
        reading: null,
      });
    } catch (error) {
      if (!(error instanceof StoreUnavailable)) throw error;
      if (old !== undefined && old.record !== null && now - old.readAt < STATIC_MS) return old;
      throw unavailable(error);
    }
  };

  const isFresh = (entry: Entry): boolean => Math.abs(clock.now() - entry.readAt) < FRESH_MS;

  const entryOf = (id: string): Entry | Promise<Entry> => {
    const old = entries.get(id);
    if (old !== undefined && isFresh(old)) return old;
    if (old?.reading) return old.reading;
    const reading = load(id, old);
    if (old === undefined) return reading;
    old.reading = reading;
    const done = (): void => {
      old.reading = null;
    };
    reading.then(done, done);
    return reading;
  };
  return { entryOf, peek: (id: string) => entries.get(id), forget: (id: string) => void entries.delete(id) };
}

/** Checks the wish for a new token; throws RangeError with what to change. */
function lifeOf(wanted: NewAccessToken, config: Config['accessTokens']): number {
  const life = wanted.lifeMs ?? config.defaultLife;
  if (!(life > 0)) throw new RangeError('the life of an access token must be longer than nothing');
  if (life > config.maxLife) {
    throw new RangeError(`the life is longer than accessTokens.maxLife allows (${config.maxLife / 86_400_000} days)`);
  }
  if (wanted.scopes.length === 0)
    throw new RangeError('an access token needs at least one scope: read, submit, control');
  if (!/^[^\x00-\x1f\x7f]{1,64}$/.test(wanted.label)) {
    throw new RangeError('the label must be 1 to 64 characters without control characters');
  }
  return life;
}

/** Creates the {@link AccessTokens} of a gateway, or of the command line. */
export function createAccessTokens(options: AccessTokensOptions): AccessTokens {
  const { kv, sealer, config, identityOf, clock, random = randomBytes } = options;
  const records = createTokenRecords(kv, sealer, config().secrets.tokenKey);
  const reader = createReader(options, records);

  const issue = async (record: Omit<TokenRecord, 'hash' | 'createdAt'>): Promise<DerivedToken> => {
    const parts = newToken(random);
    const createdAt = clock.now();
    const { hash: _hash, ...shown } = { ...record, hash: records.hashOf(parts.secret), createdAt };
    await records.write(parts.id, { ...shown, hash: _hash }, createdAt);
    return { token: new Secret(tokenText(parts)), info: { id: parts.id, ...shown, lastUsedAt: null } };
  };

  const noteUse = (id: string, entry: Entry): void => {
    const now = clock.now();
    if (now - entry.notedAt < NOTE_USE_MS) return;
    entry.notedAt = now;
    records.noteUse(id, now, (entry.record?.expiresAt ?? now) - now).catch(() => undefined);
  };

  const verify = (entry: Entry, { id, secret }: TokenParts): Caller => {
    const { caller } = entry;
    if (!isRight(records, entry, secret) || caller === null || caller.expiresAt <= clock.now()) throw invalidToken();
    noteUse(id, entry);
    return caller;
  };

  const check = (parts: TokenParts): Caller | Promise<Caller> => {
    const entry = reader.entryOf(parts.id);
    return entry instanceof Promise ? entry.then((e) => verify(e, parts)) : verify(entry, parts);
  };

  return {
    async create(wanted) {
      const life = lifeOf(wanted, config().accessTokens);
      const { user, label, scopes } = wanted;
      const { subject } = identityOf(user);
      return issue({ user, subject, label, scopes, expiresAt: clock.now() + life, parent: null });
    },
    async derive(parent, user, lifeMs) {
      const expiresAt = Math.min(clock.now() + lifeMs, parent?.expiresAt ?? Number.POSITIVE_INFINITY);
      const { subject } = identityOf(user);
      const scopes = parent === null ? (['read', 'submit', 'control'] as const) : [...parent.scopes];
      const label = parent?.tokenLabel ?? 'password';
      return issue({ user, subject, label, scopes, expiresAt, parent: parent?.tokenId ?? null });
    },
    async list(user) {
      const all: AccessTokenInfo[] = await records.list();
      return user === undefined ? all : all.filter((info) => info.user === user);
    },
    async revoke(id) {
      const removed = await records.remove(id);
      reader.forget(id);
      return removed;
    },
    authenticate(token) {
      const parts = parseToken(token);
      if (parts === null) throw invalidToken();
      return check(parts);
    },
    recall(token) {
      const parts = parseToken(token);
      const entry = parts === null ? undefined : reader.peek(parts.id);
      if (parts === null || !entry?.verified || !timingSafeEqual(entry.verified, digest(parts.secret))) return null;
      return check(parts);
    },
    async [Symbol.asyncDispose]() {},
  };
}
