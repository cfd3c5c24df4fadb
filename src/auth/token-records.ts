import { createHmac } from 'node:crypto';
import type { Secret, TokenScope } from '../kernel/index.ts';
import type { KeyValue, Sealer } from '../platform/index.ts';
import type { AccessTokenInfo } from './ports.ts';

/** What is kept of an access token: everything but its secret, of which only the keyed hash. */
export interface TokenRecord {
  readonly hash: string;
  readonly user: string;
  readonly subject: string;
  readonly label: string;
  readonly scopes: readonly TokenScope[];
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
  readonly expiresAt: number;
  readonly parent: string | null;
}

/** Access tokens in the store. Every call rejects with StoreUnavailable when the store is away. */
export interface TokenRecords {
  hashOf(secret: string): string;
  read(id: string): Promise<TokenRecord | null>;
  write(id: string, record: TokenRecord, now: number): Promise<void>;
  /** Deletes a token and what was derived from it; false when there was none. */
  remove(id: string): Promise<boolean>;
  list(): Promise<AccessTokenInfo[]>;
  noteUse(id: string, at: number, ttlMs: number): Promise<void>;
}

/** A script that signs in for every call must not fill the store: of one parent this many derived tokens live. */
const DERIVED_PER_PARENT = 200;
const ALL = 'tokens';
const keyOf = (id: string): string => `token:{${id}}`;
const usedKeyOf = (id: string): string => `token-used:{${id}}`;
const childrenKeyOf = (id: string): string => `token-children:{${id}}`;
/** Children sort by the time they were made: `<milliseconds>.<id>`. */
const childOf = (id: string, { createdAt }: TokenRecord): string => `${createdAt}.${id}`;
const idOfChild = (child: string): string => child.slice(child.indexOf('.') + 1);
const byTime = (a: string, b: string): number => Number.parseInt(a, 10) - Number.parseInt(b, 10);

function parse(text: string): TokenRecord | null {
  try {
    return JSON.parse(text) as TokenRecord;
  } catch {
    return null;
  }
}

/** Creates the {@link TokenRecords}: sealed under the token's id, so that a dump shows no user and no swap goes unnoticed. */
export function createTokenRecords(kv: KeyValue, sealer: Sealer, key: Secret): TokenRecords {
  const read = async (id: string): Promise<TokenRecord | null> => {
    const sealed = await kv.get(keyOf(id));
    const text = sealed === null ? null : sealer.open(sealed, `token:${id}`);
    return text === null ? null : parse(text);
  };

  const forgetOldest = async (parent: string): Promise<void> => {
    const children = (await kv.members(childrenKeyOf(parent))).sort(byTime);
    for (const child of children.slice(0, Math.max(0, children.length - DERIVED_PER_PARENT))) {
      await kv.delete(keyOf(idOfChild(child)));
      await kv.removeFromSet(childrenKeyOf(parent), child);
    }
  };

  const infoOf = async (id: string, record: TokenRecord): Promise<AccessTokenInfo> => {
    const { hash: _hash, ...shown } = record;
    const used = await kv.get(usedKeyOf(id));
    return { id, ...shown, lastUsedAt: used === null ? null : Number(used) };
  };

  /** The tokens of an index whose records still live; entries of those that ended are taken out. */
  const listIndex = async (index: string, idOf: (member: string) => string): Promise<AccessTokenInfo[]> => {
    const found: AccessTokenInfo[] = [];
    for (const member of await kv.members(index)) {
      const record = await read(idOf(member));
      if (record === null) await kv.removeFromSet(index, member);
      else found.push(await infoOf(idOf(member), record));
    }
    return found;
  };

  return {
    hashOf: (secret) => createHmac('sha256', key.reveal()).update(secret).digest('base64url'),
    read,
    async write(id, record, now) {
      const ttl = Math.max(1, record.expiresAt - now);
      await kv.set(keyOf(id), sealer.seal(JSON.stringify(record), `token:${id}`), ttl);
      if (record.parent === null) return kv.addToSet(ALL, id);
      await kv.addToSet(childrenKeyOf(record.parent), childOf(id, record));
      await forgetOldest(record.parent);
    },
    async remove(id) {
      const record = await read(id);
      const removed = await kv.delete(keyOf(id));
      for (const child of await kv.members(childrenKeyOf(id))) await kv.delete(keyOf(idOfChild(child)));
      await kv.delete(childrenKeyOf(id));
      await kv.delete(usedKeyOf(id));
      if (record?.parent) await kv.removeFromSet(childrenKeyOf(record.parent), childOf(id, record));
      else await kv.removeFromSet(ALL, id);
      return removed;
    },
    async list() {
      const parents = await listIndex(ALL, (id) => id);
      const all = [...parents];
      for (const { id } of parents) all.push(...(await listIndex(childrenKeyOf(id), idOfChild)));
      return all.sort((a, b) => a.createdAt - b.createdAt);
    },
    noteUse: async (id, at, ttlMs) => void (await kv.set(usedKeyOf(id), String(at), Math.max(1, ttlMs))),
  };
}
