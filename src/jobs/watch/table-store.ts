import type { KeyValue, Script, Sealer } from '../../platform/index.ts';
import type { TableState } from './job-table.ts';
import { decodeMessage, decodeTable, encodeMessage, encodeTable, type WatchMessage } from './table-text.ts';

/** Milliseconds that a table is kept when nobody watches any more: a reader that comes again within it loses nothing. */
const LIFE = 600_000;

/** Puts ARGV[2] into KEYS[1] for ARGV[3] milliseconds under the fence ARGV[1], unless a newer one was there; gives 1 or 0. */
const putTable: Script = {
  name: 'job-watch-put',
  keys: 1,
  lua: `
    local stored = redis.call('GET', KEYS[1])
    local last = tonumber(stored and string.match(stored, '^(%d+)|') or '-1')
    if last > tonumber(ARGV[1]) then return {0} end
    redis.call('SET', KEYS[1], ARGV[1] .. '|' .. ARGV[2], 'PX', ARGV[3])
    return {1}`,
  memory(store, keys, args) {
    const [key] = keys as [string];
    const [fence, body, ttlMs] = args as [number, string, number];
    const last = Number(/^(\d+)\|/.exec(store.get(key) ?? '')?.[1] ?? -1);
    if (last > fence) return [0];
    store.set(key, `${fence}|${body}`, ttlMs);
    return [1];
  },
};

/** What the replicas share of one account's watch. Every call may throw StoreUnavailable. */
export interface TableStore {
  load(): Promise<TableState | null>;
  /** False when a holder with a newer fence has written. */
  save(fence: number, state: TableState): Promise<boolean>;
  publish(message: WatchMessage): Promise<void>;
  subscribe(onMessage: (message: WatchMessage) => void, onGap: () => void): Promise<AsyncDisposable>;
}

/** Creates it for the account that `id`, a hash, stands for. */
export function createTableStore(kv: KeyValue, sealer: Sealer, id: string): TableStore {
  const key = `job-watch:{${id}}`;
  const channel = `job-watch:${id}`;
  return {
    async load() {
      const stored = await kv.get(key);
      const at = stored?.indexOf('|') ?? -1;
      const text = stored === null || at < 0 ? null : sealer.open(stored.slice(at + 1), key);
      return text === null ? null : decodeTable(text);
    },
    async save(fence, state) {
      const [done] = await kv.run(putTable, [key], [fence, sealer.seal(encodeTable(state), key), LIFE]);
      return done === 1;
    },
    publish: (message) => kv.publish(channel, sealer.seal(encodeMessage(message), channel)),
    subscribe: (onMessage, onGap) =>
      kv.subscribe(
        channel,
        (sealed) => {
          const text = sealer.open(sealed, channel);
          const message = text === null ? null : decodeMessage(text);
          if (message !== null) onMessage(message);
        },
        onGap,
      ),
  };
}
