import type { Script, ScriptStore, ScriptValue } from '../../platform/index.ts';

// Stored as `end:count,end:count,…`: how many codes expire by each end. What has expired falls out by itself.
const LUA = `
local ends, by, now, cap = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local slots, sum, soonest, last, mine = {}, 0, math.huge, 0, nil
for at, count in string.gmatch(redis.call('GET', KEYS[1]) or '', '(%d+):(%d+)') do
  local slot = { tonumber(at), tonumber(count) }
  if slot[1] > now then
    slots[#slots + 1] = slot
    sum = sum + slot[2]
    soonest = math.min(soonest, slot[1])
    if slot[1] == ends then mine = slot end
  end
end
if by > 0 and sum + by > cap then
  return { 0, soonest == math.huge and 0 or soonest - now }
end
if mine then
  mine[2] = mine[2] + by
elseif by > 0 then
  slots[#slots + 1] = { ends, by }
end
local kept = {}
for _, slot in ipairs(slots) do
  if slot[2] > 0 then
    kept[#kept + 1] = string.format('%.0f:%.0f', slot[1], slot[2])
    last = math.max(last, slot[1])
  end
end
if #kept == 0 then
  redis.call('DEL', KEYS[1])
else
  redis.call('SET', KEYS[1], table.concat(kept, ','), 'PX', string.format('%.0f', math.max(1, last - now)))
end
return { 1, 0 }
`;

/** The number of codes by the moment at which they expire, in their order. */
function read(stored: string | null, now: number): Map<number, number> {
  const slots = [...(stored ?? '').matchAll(/(\d+):(\d+)/g)].map(
    ([, at, count]) => [Number(at), Number(count)] as const,
  );
  return new Map(slots.filter(([at]) => at > now));
}

function count(store: ScriptStore, [key = '']: readonly string[], args: readonly ScriptValue[]): ScriptValue[] {
  const [ends, by, now, cap] = [Number(args[0]), Number(args[1]), Number(args[2]), Number(args[3])];
  const slots = read(store.get(key), now);
  const sum = [...slots.values()].reduce((total, one) => total + one, 0);
  if (by > 0 && sum + by > cap) return [0, slots.size === 0 ? 0 : Math.min(...slots.keys()) - now];
  const mine = slots.get(ends);
  if (mine !== undefined || by > 0) slots.set(ends, (mine ?? 0) + by);
  const kept = [...slots].filter(([, one]) => one > 0);
  if (kept.length === 0) store.delete(key);
  else {
    const life = Math.max(...kept.map(([at]) => at)) - now;
    store.set(key, kept.map(([at, one]) => `${at}:${one}`).join(','), Math.max(1, life));
  }
  return [1, 0];
}

/**
 * Counts codes that wait for a decision. Arguments: the end of the code (milliseconds since the epoch), 1 for a new one or
 * -1 for one that was decided, now, and the most that may wait. Gives 1, or 0 and the milliseconds until some expire.
 */
export const COUNT_PENDING: Script = { name: 'device-pending', keys: 1, lua: LUA, memory: count };
