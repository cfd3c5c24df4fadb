import type { Script, ScriptStore, ScriptValue } from '../platform/index.ts';
import { readShelf } from './shelf-script.ts';

// The same text as a shelf; but a full one refuses, since nobody wants a token ended because another was made.
const LUA = `
local id, expires, now, cap = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local live, last = {}, 0
for entry in string.gmatch(redis.call('GET', KEYS[1]) or '', '[^,]+') do
  local name, ends = string.match(entry, '^([^:]+):(%d+)$')
  ends = tonumber(ends)
  if ends and ends > now and name ~= id then
    live[#live + 1] = entry
    last = math.max(last, ends)
  end
end
if cap > 0 then
  if #live >= cap then return { 0 } end
  live[#live + 1] = id .. ':' .. ARGV[2]
  last = math.max(last, expires)
end
if #live == 0 then
  redis.call('DEL', KEYS[1])
else
  redis.call('SET', KEYS[1], table.concat(live, ','), 'PX', string.format('%.0f', math.max(1, last - now)))
end
return { 1 }
`;

function count(store: ScriptStore, [key = '']: readonly string[], args: readonly ScriptValue[]): ScriptValue[] {
  const id = String(args[0]);
  const [expiresAt, now, cap] = [Number(args[1]), Number(args[2]), Number(args[3])];
  const live = readShelf(store.get(key)).filter((entry) => entry.expiresAt > now && entry.id !== id);
  if (cap > 0 && live.length >= cap) return [0];
  if (cap > 0) live.push({ id, expiresAt });
  if (live.length === 0) store.delete(key);
  else {
    const last = Math.max(...live.map((entry) => entry.expiresAt));
    store.set(key, live.map((entry) => `${entry.id}:${entry.expiresAt}`).join(','), Math.max(1, last - now));
  }
  return [1];
}

/**
 * Counts a made token of one subject while fewer than `cap` live, or (`cap` 0) counts it no longer; gives 0 when there were
 * too many. Arguments: id, its end and now (milliseconds since the epoch), cap.
 */
export const COUNT_MADE: Script = { name: 'token-made', keys: 1, lua: LUA, memory: count };
