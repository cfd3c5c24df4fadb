import type { Script } from '../platform/index.ts';

/** A stored value is `<fence>|<body>`; an empty body says that the JWT was dropped. */
export function splitFence(stored: string): { fence: number; body: string } | null {
  const match = /^(\d{1,16})\|/.exec(stored);
  return match === null ? null : { fence: Number(match[1]), body: stored.slice(match[0].length) };
}

/**
 * Puts the body ARGV[2] into KEYS[1] for ARGV[3] milliseconds under the fence ARGV[1], unless a newer fence was there.
 * ARGV[4] `next` takes the next fence instead, at least ARGV[1], and is never refused. Gives the fence; -1: refused.
 */
export const putUnderFence: Script = {
  name: 'jwt-put-under-fence',
  keys: 1,
  lua: `
    local stored = redis.call('GET', KEYS[1])
    local last = tonumber(stored and string.match(stored, '^(%d+)|') or '-1')
    local fence = tonumber(ARGV[1])
    if ARGV[4] == 'next' then fence = math.max(fence, last + 1) elseif last > fence then return {-1} end
    redis.call('SET', KEYS[1], string.format('%.0f', fence) .. '|' .. ARGV[2], 'PX', ARGV[3])
    return {fence}`,
  memory(store, keys, args) {
    const [key] = keys as [string];
    const [given, body, ttlMs, mode] = args as [number, string, number, string];
    const last = splitFence(store.get(key) ?? '')?.fence ?? -1;
    if (mode !== 'next' && last > given) return [-1];
    const fence = mode === 'next' ? Math.max(given, last + 1) : given;
    store.set(key, `${fence}|${body}`, ttlMs);
    return [fence];
  },
};
