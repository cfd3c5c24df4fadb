/** What the scripts of quotas share: the twins of `window.ts` and `live-set.ts` in Lua. */
export const SHARED_LUA = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local whole = function(n) return string.format('%.0f', n) end
local readSlots = function(text, ms, slot)
  local first, last, slots = math.floor((now - ms) / slot), math.floor(now / slot), {}
  for number, count in string.gmatch(text or '', '(%d+)=(%d+);') do
    number = tonumber(number)
    if number >= first and number <= last then slots[#slots + 1] = { number, tonumber(count) } end
  end
  return slots
end
local countOf = function(slots)
  local sum = 0
  for _, one in ipairs(slots) do sum = sum + one[2] end
  return sum
end
local untilBelow = function(slots, ms, slot, limit)
  local many = countOf(slots) - limit + 1
  for _, one in ipairs(slots) do
    if many <= 0 then break end
    many = many - one[2]
    if many <= 0 then return (one[1] + 1) * slot + ms - now end
  end
  return 0
end
local addToSlot = function(key, slots, ms, slot, at, by)
  local number, text, done = math.floor(at / slot), {}, false
  for _, one in ipairs(slots) do
    if one[1] == number then
      one[2] = one[2] + by
      done = true
    end
  end
  if not done and by > 0 then slots[#slots + 1] = { number, by } end
  table.sort(slots, function(a, b) return a[1] < b[1] end)
  for _, one in ipairs(slots) do
    if one[2] > 0 then text[#text + 1] = whole(one[1]) .. '=' .. whole(one[2]) .. ';' end
  end
  if #text == 0 then
    redis.call('DEL', key)
  else
    redis.call('SET', key, table.concat(text), 'PX', whole(ms + slot))
  end
end
local readLive = function(text)
  local count, checked, ids = string.match(text or '', '^(%d+) (%d+) (:[^ ]*)$')
  if not ids then return { count = 0, checked = 0, ids = ':' } end
  return { count = tonumber(count), checked = tonumber(checked), ids = ids }
end
local addLive = function(set, id)
  if string.find(set.ids, ':' .. id .. ':', 1, true) then return end
  set.count = set.count + 1
  set.ids = set.ids .. id .. ':'
end
local removeLive = function(set, id)
  local at = string.find(set.ids, ':' .. id .. ':', 1, true)
  if not at then return end
  set.count = set.count - 1
  set.ids = string.sub(set.ids, 1, at - 1) .. string.sub(set.ids, at + #id + 1)
end
local saveLive = function(key, set, life)
  redis.call('SET', key, whole(set.count) .. ' ' .. whole(set.checked) .. ' ' .. set.ids, 'PX', life)
end
local readMembers = function(text)
  local total, rest = string.match(text or '', '^(%d+)(;.*)$')
  if not rest then return { total = 0, rest = ';' } end
  return { total = tonumber(total), rest = rest }
end
local saveMember = function(key, member, count, life)
  local of = readMembers(redis.call('GET', key))
  local at = string.find(of.rest, ';' .. member .. '=', 1, true)
  local before = 0
  if at then
    local ends = string.find(of.rest, ';', at + 1, true)
    before = tonumber(string.sub(of.rest, at + #member + 2, ends - 1))
    of.rest = string.sub(of.rest, 1, at - 1) .. string.sub(of.rest, ends)
  end
  if count > 0 then of.rest = of.rest .. member .. '=' .. whole(count) .. ';' end
  redis.call('SET', key, whole(of.total - before + count) .. of.rest, 'PX', life)
end
`;
