import type { Script, ScriptStore, ScriptValue } from '../platform/index.ts';

// A shelf is the text `id:expiry,id:expiry,…`, the oldest first; it vanishes with its last token.
const LUA = `
local id, expires, now, cap = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local live, last = {}, expires
for entry in string.gmatch(redis.call('GET', KEYS[1]) or '', '[^,]+') do
  local ends = tonumber(string.match(entry, ':(%d+)$'))
  if ends and ends > now then
    live[#live + 1] = entry
    last = math.max(last, ends)
  end
end
local dropped = {}
while #live >= cap do
  dropped[#dropped + 1] = string.match(table.remove(live, 1), '^[^:]+')
end
live[#live + 1] = id .. ':' .. ARGV[2]
redis.call('SET', KEYS[1], table.concat(live, ','), 'PX', string.format('%.0f', math.max(1, last - now)))
return dropped
`;

/** The tokens on a shelf with their ends (milliseconds since the epoch), the oldest first. */
export function readShelf(stored: string | null): { readonly id: string; readonly expiresAt: number }[] {
  return (stored ?? '').split(',').flatMap((entry) => {
    const found = /^([^:]+):(\d+)$/.exec(entry);
    return found?.[1] === undefined ? [] : [{ id: found[1], expiresAt: Number(found[2]) }];
  });
}

function put(store: ScriptStore, [key = '']: readonly string[], args: readonly ScriptValue[]): ScriptValue[] {
  const id = String(args[0]);
  const [expiresAt, now, cap] = [Number(args[1]), Number(args[2]), Number(args[3])];
  const live = readShelf(store.get(key)).filter((entry) => entry.expiresAt > now);
  const dropped = live.splice(0, Math.max(0, live.length - cap + 1)).map((entry) => entry.id);
  const next = [...live, { id, expiresAt }];
  const last = Math.max(expiresAt, ...live.map((entry) => entry.expiresAt));
  store.set(key, next.map((entry) => `${entry.id}:${entry.expiresAt}`).join(','), Math.max(1, last - now));
  return dropped;
}

/**
 * Puts a derived token on the shelf of its owner and gives the ids that had to leave, the oldest first, so that at most
 * `cap` stay. Arguments: id, its end and now (milliseconds since the epoch), cap.
 */
export const PUT_ON_SHELF: Script = { name: 'token-shelf', keys: 1, lua: LUA, memory: put };
