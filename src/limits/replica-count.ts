import { createHash } from 'node:crypto';
import type { Clock } from '../kernel/index.ts';
import type { KeyValue, Script } from '../platform/index.ts';

const BEAT_MS = 2000;
const LIFE_MS = 10_000;
const KEY = 'limit:{replicas}';

// The value is `<id>=<ms> <id>=<ms> …`: who lives and when it was last heard.
const LUA = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local id, life, stays = ARGV[1], tonumber(ARGV[2]), ARGV[3] == '1'
local kept = {}
for other, at in string.gmatch(redis.call('GET', KEYS[1]) or '', '([^ =]+)=(%d+)') do
  if other ~= id and now - at < life then kept[#kept + 1] = other .. '=' .. at end
end
if stays then kept[#kept + 1] = id .. '=' .. string.format('%.0f', now) end
if #kept == 0 then
  redis.call('DEL', KEYS[1])
else
  redis.call('SET', KEYS[1], table.concat(kept, ' '), 'PX', life)
end
return { #kept }
`;

/** Says that a replica lives (or, with `0`, leaves). Arguments: id, life in ms, 1 or 0. Answer: number of living ones. */
export const heartbeatScript: Script = {
  name: 'limits_heartbeat',
  keys: 1,
  lua: LUA,
  memory(store, keys, args) {
    const [key = ''] = keys;
    const [id, life, stays] = [String(args[0]), Number(args[1]), Number(args[2]) === 1];
    const now = store.now();
    const kept: string[] = [];
    for (const [row, other, at] of (store.get(key) ?? '').matchAll(/([^ =]+)=(\d+)/g)) {
      if (other !== id && now - Number(at) < life) kept.push(row);
    }
    if (stays) kept.push(`${id}=${now}`);
    if (kept.length === 0) store.delete(key);
    else store.set(key, kept.join(' '), life);
    return [kept.length];
  },
};

/** By what a replica is known in the store. Hashed, because an id may hold characters that part the entries. */
export const replicaKey = (replicaId: string): string =>
  createHash('sha256').update(replicaId).digest('base64url').slice(0, 16);

/** Keys of the replicas that beat within the last 10 s. Throws StoreUnavailable. */
export async function livingReplicas(kv: Pick<KeyValue, 'get'>, now: number): Promise<string[]> {
  const rows = [...((await kv.get(KEY)) ?? '').matchAll(/([^ =]+)=(\d+)/g)];
  return rows.flatMap(([, id = '', at]) => (now - Number(at) < LIFE_MS ? [id] : []));
}

/** How many replicas share the limits. */
export interface ReplicaCount extends AsyncDisposable {
  /** As last heard from the store; the configured number while nothing was heard for long enough. At least 1. */
  known(): number;
}

/**
 * Beats every 2 s; a replica that was silent for 10 s no longer counts. In the first 10 s with the store the number
 * only grows: after a start or an outage others have not beaten yet. Disposing says good-bye.
 */
export function createReplicaCount(options: {
  readonly kv: KeyValue;
  readonly clock: Clock;
  readonly replicaId: string;
  readonly configured: () => number;
}): ReplicaCount {
  const { kv, clock, configured } = options;
  const id = replicaKey(options.replicaId);
  let heard: number | null = null;
  let connectedSince: number | null = null;
  let leaving = false;
  const known = (): number => heard ?? Math.max(1, configured());
  const beat = async (stays: 0 | 1): Promise<void> => {
    try {
      const [count] = await kv.run(heartbeatScript, [KEY], [id, LIFE_MS, stays]);
      if (stays === 0) return;
      const now = clock.elapsed();
      connectedSince ??= now;
      heard = now - connectedSince < LIFE_MS ? Math.max(known(), Number(count)) : Math.max(1, Number(count));
    } catch {
      connectedSince = null;
      // The last number heard stays valid; the store's state is reported by its adapter.
    }
  };
  let last = beat(1);
  const timer = clock.every(BEAT_MS, () => {
    if (!leaving) last = beat(1);
  });
  return {
    known,
    async [Symbol.asyncDispose]() {
      leaving = true;
      timer[Symbol.dispose]();
      await last;
      await beat(0);
    },
  };
}
