import type { Script } from './key-value.ts';

/** Outlives every lease; the fence does not go back even when it ends, because time is its lower bound. */
const FENCE_TTL_MS = 7 * 86_400_000;

/**
 * Takes the lease KEYS[1] for the owner ARGV[1] and ARGV[2] milliseconds when it is free. Gives the fence, or 0 when
 * it is held. The fence is the last one (KEYS[2]) plus one, and at least the store's time in milliseconds: so it still
 * grows after the store lost its data or failed over to a replica that lagged behind.
 */
export const acquireLease: Script = {
  name: 'lease-acquire',
  keys: 2,
  lua: `
    if redis.call('EXISTS', KEYS[1]) == 1 then return {0} end
    local time = redis.call('TIME')
    local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
    local last = tonumber(redis.call('GET', KEYS[2]) or '0')
    local fence = string.format('%.0f', math.max(last + 1, now))
    redis.call('SET', KEYS[2], fence, 'PX', ${FENCE_TTL_MS})
    redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
    return {tonumber(fence)}`,
  memory(store, keys, args) {
    const [lease, counter] = keys as [string, string];
    if (store.get(lease) !== null) return [0];
    const fence = Math.max(Number(store.get(counter) ?? '0') + 1, Math.floor(store.now()));
    store.set(counter, String(fence), FENCE_TTL_MS);
    store.set(lease, String(args[0]), Number(args[1]));
    return [fence];
  },
};

/** Gives the lease KEYS[1] another ARGV[2] milliseconds while ARGV[1] owns it; 1 when it did, else 0. */
export const extendLease: Script = {
  name: 'lease-extend',
  keys: 1,
  lua: `
    if redis.call('GET', KEYS[1]) ~= ARGV[1] then return {0} end
    redis.call('PEXPIRE', KEYS[1], ARGV[2])
    return {1}`,
  memory(store, keys, args) {
    const [lease] = keys as [string];
    if (store.get(lease) !== args[0]) return [0];
    store.set(lease, String(args[0]), Number(args[1]));
    return [1];
  },
};

/** Frees the lease KEYS[1] while ARGV[1] owns it; 1 when it did, else 0. */
export const releaseLease: Script = {
  name: 'lease-release',
  keys: 1,
  lua: `
    if redis.call('GET', KEYS[1]) ~= ARGV[1] then return {0} end
    redis.call('DEL', KEYS[1])
    return {1}`,
  memory(store, keys, args) {
    const [lease] = keys as [string];
    if (store.get(lease) !== args[0]) return [0];
    store.delete(lease);
    return [1];
  },
};
