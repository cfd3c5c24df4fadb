import type { Report } from '../observe/index.ts';
import type { KeyValue, Sealer } from '../platform/index.ts';
import { COUNT_MADE } from './made-script.ts';
import { PUT_ON_SHELF, readShelf } from './shelf-script.ts';
import { decodeRecord, encodeRecord, type TokenHash, type TokenRecord } from './token-record.ts';

/** Derived tokens that one token (or one user without a token) may have at once; the oldest ends for the next. */
const SHELF_CAP = 200;
/** Made tokens that one subject may have at once. */
export const MADE_CAP = 200;
/** Derived tokens of one token that a page shows. */
const DERIVED_SHOWN = 20;
const ALL = 'tokens:all';
const LOGIN_USERS = 'tokens:login-users';

/** Where access tokens are kept. Every call may throw StoreUnavailable. */
export interface TokenStore {
  /** Null when there is none, or none that can be opened. */
  read(id: string): Promise<TokenRecord | null>;
  /** Keeps a token that was made, and lists it; false when its subject has {@link MADE_CAP} live ones already. */
  add(record: TokenRecord): Promise<boolean>;
  /** Keeps a derived token on the shelf of its parent, or of its user when it has none. */
  addDerived(record: TokenRecord): Promise<void>;
  /** Deletes a token and its derived ones. The record is null when there was none, or none that can be opened. */
  remove(id: string): Promise<{ readonly existed: boolean; readonly record: TokenRecord | null }>;
  /** All tokens, or those of one user name or subject. */
  list(owner?: string): Promise<{ readonly record: TokenRecord; readonly lastUsedAt: number | null }[]>;
  /** The part of {@link list} that a page shows; no other record is read. */
  page(at: number, size: number, owner?: string): Promise<StoredPage>;
  markUsed(record: TokenRecord): Promise<void>;
  /** Milliseconds since the epoch; null: never. */
  lastUsed(id: string): Promise<number | null>;
}

/** Made tokens, the latest first, each with its latest derived ones; then what users got by a password. */
export interface StoredPage {
  readonly found: { readonly record: TokenRecord; readonly lastUsedAt: number | null }[];
  readonly pages: number;
  /** Derived tokens that are not shown. */
  readonly more: number;
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
      const counted = [record.id, record.expiresAt, now(), MADE_CAP];
      const [free] = await kv.run(COUNT_MADE, [madeKey(hash, record)], counted);
      if (free !== 1) return false;
      await write(record).catch(async (error) => {
        await kv.run(COUNT_MADE, [madeKey(hash, record)], [record.id, 0, now(), 0]).catch(() => null);
        throw error;
      });
      const member = memberOf(record);
      await kv.addToSet(ALL, member);
      await Promise.all(ownersOf(record).map((owner) => kv.addToSet(userKey(hash.ofUser(owner)), member)));
      return true;
    },
    async addDerived(record) {
      const shelf = await shelfFor(options, record);
      const dropped = await kv.run(PUT_ON_SHELF, [shelf], [record.id, record.expiresAt, now(), SHELF_CAP]);
      await write(record);
      await Promise.all(dropped.map((id) => kv.delete(recordKey(String(id)))));
    },
    remove: (id) => remove(options, id),
    list: (owner) => list(options, read, owner),
    page: (at, size, owner) => page(options, read, { at, size, owner }),
    async markUsed(record) {
      await kv.set(usedKey(record.id), String(now()), lifeOf(record, now()));
    },
    lastUsed: (id) => lastUsed(kv, id),
  };
}

/** By what its owner finds a token: a user name may change, a subject never; the colon of a subject is in no user name. */
const ownersOf = ({ user, subject }: TokenRecord): readonly string[] => (subject === null ? [user] : [user, subject]);

const madeKey = (hash: TokenHash, { user, subject }: TokenRecord): string =>
  `tokens:made:{${hash.ofUser(subject ?? user)}}`;

/** How an index names a token: with its time, so that a page is found without reading the records. */
const memberOf = ({ id, createdAt }: TokenRecord): string => `${id}:${createdAt}`;
const idOf = (member: string): string => member.split(':', 1)[0] ?? '';
/** Before there was a time, the id stood alone. */
const timeOf = (member: string): number => Number(member.slice(idOf(member).length + 1));

const lifeOf = (record: TokenRecord, now: number): number => Math.max(1, record.expiresAt - now);

async function shelfFor({ kv, hash }: TokenStoreOptions, record: TokenRecord): Promise<string> {
  if (record.parent !== null) return shelfOfToken(record.parent);
  const userHash = hash.ofUser(record.user);
  await kv.addToSet(LOGIN_USERS, userHash);
  return shelfOfUser(userHash);
}

/** The token itself goes first: what follows is tidying, since derived tokens end with their parent anyway. */
async function remove({ kv, sealer, hash, now }: TokenStoreOptions, id: string): ReturnType<TokenStore['remove']> {
  const sealed = await kv.get(recordKey(id));
  const existed = await kv.delete(recordKey(id));
  const derived = readShelf(await kv.get(shelfOfToken(id)));
  await Promise.all(derived.map((entry) => kv.delete(recordKey(entry.id))));
  await Promise.all([kv.delete(shelfOfToken(id)), kv.delete(usedKey(id))]);
  const text = sealed === null ? null : sealer.open(sealed, aadOf(id));
  const record = text === null ? null : decodeRecord(id, text);
  const owners = record === null ? [] : ownersOf(record);
  const indexes = [ALL, ...owners.map((owner) => userKey(hash.ofUser(owner)))];
  const members = record === null ? [id] : [id, memberOf(record)];
  await Promise.all(indexes.flatMap((index) => members.map((member) => kv.removeFromSet(index, member))));
  if (record?.made === true) await kv.run(COUNT_MADE, [madeKey(hash, record)], [id, 0, now(), 0]);
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
  const members = await kv.members(index);
  const ids = members.map(idOf);
  const userHashes = owner === undefined ? await kv.members(LOGIN_USERS) : [hash.ofUser(owner)];
  const shelves = [...ids.map(shelfOfToken), ...userHashes.map(shelfOfUser)];
  const derived = (await Promise.all(shelves.map((shelf) => kv.get(shelf)))).flatMap(readShelf).map(({ id }) => id);
  const found = await Promise.all([...ids, ...derived].map(read));
  const gone = members.filter((_, at) => found[at] === null);
  await Promise.all(gone.map((member) => kv.removeFromSet(index, member)));
  return withUse(kv, found);
}

async function withUse(kv: KeyValue, found: readonly (TokenRecord | null)[]): Promise<StoredPage['found']> {
  const records = found.filter((record) => record !== null);
  const used = await Promise.all(records.map((record) => lastUsed(kv, record.id)));
  return records.map((record, at) => ({ record, lastUsedAt: used[at] ?? null }));
}

/** One page; a token that has ended meanwhile leaves its place empty, and its index. */
async function page(
  { kv, hash }: TokenStoreOptions,
  read: TokenStore['read'],
  { at, size, owner }: { readonly at: number; readonly size: number; readonly owner: string | undefined },
): Promise<StoredPage> {
  const index = owner === undefined ? ALL : userKey(hash.ofUser(owner));
  const made = (await kv.members(index)).sort((a, b) => timeOf(b) - timeOf(a) || a.localeCompare(b));
  const logins = owner === undefined ? (await kv.members(LOGIN_USERS)).sort() : [hash.ofUser(owner)];
  const pages = Math.max(1, Math.ceil((made.length + logins.length) / size));
  const from = at * size;
  const members = made.slice(from, from + size);
  const users = logins.slice(Math.max(0, from - made.length), Math.max(0, from + size - made.length));
  const shelves = [...members.map((member) => shelfOfToken(idOf(member))), ...users.map(shelfOfUser)];
  const derived = (await Promise.all(shelves.map((shelf) => kv.get(shelf)))).map(readShelf);
  const shown = derived.flatMap((entries) => entries.slice(-DERIVED_SHOWN));
  const found = await Promise.all([...members.map(idOf), ...shown.map(({ id }) => id)].map(read));
  const gone = members.filter((_, place) => found[place] === null);
  await Promise.all(gone.map((member) => kv.removeFromSet(index, member)));
  return { found: await withUse(kv, found), pages, more: derived.flat().length - shown.length };
}
