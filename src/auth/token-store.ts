import type { Report } from '../observe/index.ts';
import type { KeyValue, Sealer } from '../platform/index.ts';
import { PUT_ON_SHELF, readShelf } from './shelf-script.ts';
import { decodeRecord, encodeRecord, type TokenHash, type TokenRecord } from './token-record.ts';

/** Derived tokens that one token (or one user without a token) may have at once; the oldest ends for the next. */
const SHELF_CAP = 200;
const ALL = 'tokens:all';
const LOGIN_USERS = 'tokens:login-users';

/** Where access tokens are kept. Every call may throw StoreUnavailable. */
export interface TokenStore {
  /** Null when there is none, or none that can be opened. */
  read(id: string): Promise<TokenRecord | null>;
  /** Keeps a token that an administrator made, and lists it. */
  add(record: TokenRecord): Promise<void>;
  /** Keeps a derived token on the shelf of its parent, or of its user when it has none. */
  addDerived(record: TokenRecord): Promise<void>;
  /** Deletes a token and its derived ones. The record is null when there was none, or none that can be opened. */
  remove(id: string): Promise<{ readonly existed: boolean; readonly record: TokenRecord | null }>;
  /** All tokens, or those of one user name or subject. */
  list(owner?: string): Promise<{ readonly record: TokenRecord; readonly lastUsedAt: number | null }[]>;
  markUsed(record: TokenRecord): Promise<void>;
  /** Milliseconds since the epoch; null: never. */
  lastUsed(id: string): Promise<number | null>;
}

/** What the store of tokens needs. */
export interface TokenStoreOptions {
  readonly kv: KeyValue;
  readonly sealer: Sealer;
  readonly hash: TokenHash;
  readonly now: () => number;
  readonly report?: Pick<Report, 'log'> | undefined;
}

const recordKey = (id: string): string => `token:{${id}}`;
const usedKey = (id: string): string => `token:{${id}}:used`;
const aadOf = (id: string): string => `token:${id}`;
const sealOf = (sealer: Sealer, record: TokenRecord): string => sealer.seal(encodeRecord(record), aadOf(record.id));
const userKey = (userHash: string): string => `tokens:user:{${userHash}}`;
const shelfOfToken = (id: string): string => `token:{${id}}:derived`;
const shelfOfUser = (userHash: string): string => `tokens:user:{${userHash}}:derived`;

/** Creates the store of access tokens over a key-value store; records are sealed, user names appear only as hashes. */
export function createTokenStore(options: TokenStoreOptions): TokenStore {
  const { kv, sealer, hash, now } = options;
  const read = async (id: string): Promise<TokenRecord | null> => {
    const sealed = await kv.get(recordKey(id));
    if (sealed === null) return null;
    const text = sealer.open(sealed, aadOf(id));
    const record = text === null ? null : decodeRecord(id, text);
    if (record === null) {
      options.report?.log.warn({ event: 'token_unreadable', token_id: id }, 'a stored access token cannot be opened');
    } else if (!sealer.isCurrent(sealed)) await reseal(sealed, record);
    return record;
  };
  // Only one previous key opens: what is read follows the rotation. Left for the next time when it fails.
  const reseal = (sealed: string, record: TokenRecord): Promise<boolean> =>
    kv.compareAndSet(recordKey(record.id), sealed, sealOf(sealer, record), lifeOf(record, now())).catch(() => false);
  const write = (record: TokenRecord): Promise<boolean> =>
    kv.set(recordKey(record.id), sealOf(sealer, record), lifeOf(record, now()));
  return {
    read,
    async add(record) {
      await write(record);
      await kv.addToSet(ALL, record.id);
      await Promise.all(ownersOf(record).map((owner) => kv.addToSet(userKey(hash.ofUser(owner)), record.id)));
    },
    async addDerived(record) {
      const shelf = await shelfFor(options, record);
      const dropped = await kv.run(PUT_ON_SHELF, [shelf], [record.id, record.expiresAt, now(), SHELF_CAP]);
      await write(record);
      await Promise.all(dropped.map((id) => kv.delete(recordKey(String(id)))));
    },
    remove: (id) => remove(options, id),
    list: (owner) => list(options, read, owner),
    async markUsed(record) {
      await kv.set(usedKey(record.id), String(now()), lifeOf(record, now()));
    },
    lastUsed: (id) => lastUsed(kv, id),
  };
}

/** By what its owner finds a token: a user name may change, a subject never; the colon of a subject is in no user name. */
const ownersOf = ({ user, subject }: TokenRecord): readonly string[] => (subject === null ? [user] : [user, subject]);

const lifeOf = (record: TokenRecord, now: number): number => Math.max(1, record.expiresAt - now);

async function shelfFor({ kv, hash }: TokenStoreOptions, record: TokenRecord): Promise<string> {
  if (record.parent !== null) return shelfOfToken(record.parent);
  const userHash = hash.ofUser(record.user);
  await kv.addToSet(LOGIN_USERS, userHash);
  return shelfOfUser(userHash);
}

/** The token itself goes first: what follows is tidying, since derived tokens end with their parent anyway. */
async function remove({ kv, sealer, hash }: TokenStoreOptions, id: string): ReturnType<TokenStore['remove']> {
  const sealed = await kv.get(recordKey(id));
  const existed = await kv.delete(recordKey(id));
  const derived = readShelf(await kv.get(shelfOfToken(id)));
  await Promise.all(derived.map((entry) => kv.delete(recordKey(entry.id))));
  await Promise.all([kv.delete(shelfOfToken(id)), kv.delete(usedKey(id)), kv.removeFromSet(ALL, id)]);
  const text = sealed === null ? null : sealer.open(sealed, aadOf(id));
  const record = text === null ? null : decodeRecord(id, text);
  const owners = record === null ? [] : ownersOf(record);
  await Promise.all(owners.map((owner) => kv.removeFromSet(userKey(hash.ofUser(owner)), id)));
  return { existed, record };
}

async function lastUsed(kv: KeyValue, id: string): Promise<number | null> {
  const used = await kv.get(usedKey(id));
  return used === null ? null : Number(used);
}

async function list(
  { kv, hash }: TokenStoreOptions,
  read: TokenStore['read'],
  owner: string | undefined,
): ReturnType<TokenStore['list']> {
  const index = owner === undefined ? ALL : userKey(hash.ofUser(owner));
  const ids = await kv.members(index);
  const userHashes = owner === undefined ? await kv.members(LOGIN_USERS) : [hash.ofUser(owner)];
  const shelves = [...ids.map(shelfOfToken), ...userHashes.map(shelfOfUser)];
  const derived = (await Promise.all(shelves.map((shelf) => kv.get(shelf)))).flatMap(readShelf).map(({ id }) => id);
  const found = await Promise.all([...ids, ...derived].map(read));
  const gone = ids.filter((_, at) => found[at] === null);
  await Promise.all(gone.map((id) => kv.removeFromSet(index, id)));
  const records = found.filter((record) => record !== null);
  const used = await Promise.all(records.map((record) => lastUsed(kv, record.id)));
  return records.map((record, at) => ({ record, lastUsedAt: used[at] ?? null }));
}
