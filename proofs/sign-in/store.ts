import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Redis } from 'ioredis';

/** The Redis of a stage as somebody sees it who got at it. */
export interface Store extends AsyncDisposable {
  keys(pattern: string): Promise<string[]>;
  get(key: string): Promise<string | null>;
  /** Keeps the time to live. */
  put(key: string, value: string): Promise<void>;
  delete(keys: readonly string[]): Promise<void>;
  swap(a: string, b: string): Promise<void>;
  /** Keys that appear while `act` runs. */
  newKeys(pattern: string, act: () => Promise<unknown>): Promise<string[]>;
  /** Everything, to be put back later. */
  snapshot(): Promise<Snapshot>;
  /** Puts back what has gone or changed since; gives how many keys. */
  putBack(snapshot: Snapshot): Promise<number>;
  /** Every key and value, each value also as DUMP gives it, and the bytes of every file that Redis keeps. */
  everything(): Promise<{ readonly bytes: Buffer; readonly keys: number; readonly files: number }>;
}

type Snapshot = ReadonlyMap<string, { readonly dump: Buffer; readonly ttl: number }>;

const READ: Readonly<Record<string, readonly string[]>> = {
  string: ['GET'],
  set: ['SMEMBERS'],
  hash: ['HGETALL'],
  list: ['LRANGE', '0', '-1'],
  zset: ['ZRANGE', '0', '-1', 'WITHSCORES'],
  stream: ['XRANGE', '-', '+'],
};

/** Flattens an answer of any depth into its bytes. */
function bytesOf(answer: unknown): Buffer[] {
  if (Buffer.isBuffer(answer)) return [answer];
  return Array.isArray(answer) ? answer.flatMap(bytesOf) : [];
}

async function filesBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true, recursive: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
}

/** Opens the Redis on `port`. */
export function openStore(port: number): Store {
  const redis = new Redis({ host: '127.0.0.1', port, protocol: 2, replyMapping: 'legacy' });
  redis.on('error', () => undefined);
  const call = (name: string, ...args: (string | Buffer | number)[]): Promise<unknown> =>
    redis.callBuffer(name, ...args);
  const text = async (name: string, ...args: string[]): Promise<string> => String(await call(name, ...args));
  const keys = async (pattern: string): Promise<string[]> => {
    const found = new Set<string>();
    let cursor = '0';
    do {
      const [next, page] = (await call('SCAN', cursor, 'MATCH', pattern, 'COUNT', 1000)) as [Buffer, Buffer[]];
      cursor = String(next);
      for (const key of page) found.add(String(key));
    } while (cursor !== '0');
    return [...found];
  };
  const get = async (key: string): Promise<string | null> => {
    const value = await call('GET', key);
    return value === null ? null : String(value);
  };
  const put = async (key: string, value: string): Promise<void> => void (await call('SET', key, value, 'KEEPTTL'));
  const dumpOf = async (key: string): Promise<{ dump: Buffer; ttl: number } | null> => {
    const dump = await call('DUMP', key);
    return Buffer.isBuffer(dump) ? { dump, ttl: Math.max(0, Number(await call('PTTL', key))) } : null;
  };
  return {
    keys,
    get,
    put,
    async delete(names) {
      for (const name of names) await call('DEL', name);
    },
    async swap(a, b) {
      const [x, y] = [await get(a), await get(b)];
      if (x === null || y === null) throw new Error(`nothing to swap at ${a} or ${b}`);
      await put(a, y);
      await put(b, x);
    },
    async newKeys(pattern, act) {
      const before = new Set(await keys(pattern));
      await act();
      return (await keys(pattern)).filter((key) => !before.has(key));
    },
    async snapshot() {
      const all = new Map<string, { dump: Buffer; ttl: number }>();
      for (const key of await keys('*')) {
        const kept = await dumpOf(key);
        if (kept !== null) all.set(key, kept);
      }
      return all;
    },
    async putBack(snapshot) {
      let count = 0;
      for (const [key, { dump, ttl }] of snapshot) {
        if ((await dumpOf(key))?.dump.equals(dump)) continue;
        await call('RESTORE', key, ttl, dump, 'REPLACE');
        count++;
      }
      return count;
    },
    async everything() {
      // Compressed, a name could hide.
      await call('CONFIG', 'SET', 'rdbcompression', 'no');
      const chunks: Buffer[] = [];
      const all = await keys('*');
      for (const key of all) {
        const [command = 'GET', ...rest] = READ[await text('TYPE', key)] ?? [];
        chunks.push(
          Buffer.from(key),
          ...bytesOf(await call(command, key, ...rest)),
          ...bytesOf(await call('DUMP', key)),
        );
      }
      const [, folder] = (await call('CONFIG', 'GET', 'dir')) as Buffer[];
      await call('SAVE');
      const files = await filesBelow(String(folder));
      for (const file of files) chunks.push(await readFile(file));
      return {
        bytes: Buffer.concat(chunks.flatMap((chunk) => [chunk, Buffer.from('\n')])),
        keys: all.length,
        files: files.length,
      };
    },
    async [Symbol.asyncDispose]() {
      redis.disconnect();
    },
  };
}
