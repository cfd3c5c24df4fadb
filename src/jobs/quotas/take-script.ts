import type { Script, ScriptStore, ScriptValue } from '../../platform/index.ts';
import { type Counter, counterTerms, LIVE_LIFE_MS, loadLive, readTerms, saveLive, saveMember } from './counters.ts';
import { addLive, readMembersOf, sendingEntry } from './live-set.ts';
import { SHARED_LUA } from './lua.ts';
import { createScriptForKeys } from './script-for-keys.ts';
import { addToSlot, countOf, DAY, readSlots, untilBelow, writeSlots } from './window.ts';

/** Takes one submission from every counter or from none. */
export interface Take {
  /** Names this submission; taken once. */
  readonly id: string;
  readonly record: string;
  /** Live jobs of the person. */
  readonly live: string;
  /** The person in the sums of groups. */
  readonly member: string;
  /** Whether live jobs are counted at all; when they are, and vovserver was never asked, nothing is taken unless `cold`. */
  readonly tracked: boolean;
  readonly cold: boolean;
  /** Of live jobs; null: none. */
  readonly limit: number | null;
  readonly counters: readonly Counter[];
  /** Takes nothing. */
  readonly look: boolean;
}

export interface Taken {
  readonly what: 'full' | 'taken' | 'again' | 'cold';
  /** Milliseconds by the store's clock since vovserver was asked for the live jobs; null: never. */
  readonly checkedAgo: number | null;
  readonly live: number;
  /** Of each counter: what was in it before, and milliseconds until it is below its limit. */
  readonly counters: readonly { readonly used: number; readonly wait: number }[];
}

const WHAT = ['full', 'taken', 'again', 'cold'] as const;

const LUA = `${SHARED_LUA}
local id, member, look = ARGV[1], ARGV[2], ARGV[3] == '1'
local tracked, cold, limit = ARGV[4] == '1', ARGV[5] == '1', tonumber(ARGV[6])
local set = readLive(tracked and redis.call('GET', KEYS[2]))
local answer = { 1, set.checked > 0 and math.max(0, now - set.checked) or -1, set.count }
if not look and redis.call('EXISTS', KEYS[1]) == 1 then answer[1] = 2 end
if answer[1] == 1 and tracked and set.checked == 0 and not cold then answer[1] = 3 end
local full = limit >= 0 and set.count >= limit
local slots = {}
for i = 3, #KEYS do
  local at = 4 * (i - 3) + 6
  local kind, ms, slot, most = ARGV[at + 1], tonumber(ARGV[at + 2]), tonumber(ARGV[at + 3]), tonumber(ARGV[at + 4])
  local used, wait = 0, 0
  if kind == 'w' then
    slots[i] = readSlots(redis.call('GET', KEYS[i]), ms, slot)
    used = countOf(slots[i])
    if most >= 0 then wait = untilBelow(slots[i], ms, slot, most) end
  else
    used = readMembers(redis.call('GET', KEYS[i])).total
  end
  if most >= 0 and used >= most then full = true end
  answer[#answer + 1] = used
  answer[#answer + 1] = wait
end
if answer[1] == 1 and full then answer[1] = 0 end
if look or answer[1] ~= 1 then return answer end
redis.call('SET', KEYS[1], whole(now), 'PX', '${DAY.ms + DAY.slotMs}')
if tracked then
  addLive(set, 'r' .. id .. '.' .. whole(now))
  saveLive(KEYS[2], set, '${LIVE_LIFE_MS}')
end
for i = 3, #KEYS do
  local at = 4 * (i - 3) + 6
  local ms, slot = tonumber(ARGV[at + 2]), tonumber(ARGV[at + 3])
  if ARGV[at + 1] == 'w' then
    addToSlot(KEYS[i], slots[i], ms, slot, now, 1)
  else
    saveMember(KEYS[i], member, set.count, '${LIVE_LIFE_MS}')
  end
end
return answer
`;

function takeInMemory(store: ScriptStore, keys: readonly string[], args: readonly ScriptValue[]): ScriptValue[] {
  const [record = '', live = '', ...rest] = keys;
  const [id, member, look, tracked, cold, limit] = args.slice(0, 6).map(String);
  const counters = readTerms(rest, args.slice(6));
  const now = store.now();
  const set = loadLive(store, tracked === '1' ? live : '');
  const states = counters.map((counter) => {
    if (counter.counts === 'members')
      return { ...counter, slots: [], used: readMembersOf(store.get(counter.key)).total };
    const slots = readSlots(store.get(counter.key), counter.counts, now);
    return { ...counter, slots, used: countOf(slots) };
  });
  const isFull = (used: number, most: number | null): boolean => most !== null && used >= most;
  const full = isFull(set.count, limit === '-1' ? null : Number(limit)) || states.some((s) => isFull(s.used, s.limit));
  const isCold = tracked === '1' && set.checkedAt === 0 && cold === '0';
  const code = look === '0' && store.get(record) !== null ? 2 : isCold ? 3 : full ? 0 : 1;
  const answer = [code, set.checkedAt === 0 ? -1 : Math.max(0, now - set.checkedAt), set.count];
  for (const { counts, slots, used, limit: most } of states) {
    answer.push(used, counts === 'members' || most === null ? 0 : untilBelow(slots, counts, most, now));
  }
  if (look === '1' || code !== 1) return answer;
  store.set(record, String(now), DAY.ms + DAY.slotMs);
  const next = tracked === '1' ? addLive(set, sendingEntry(String(id), now)) : set;
  if (tracked === '1') saveLive(store, live, next);
  for (const { key, counts, slots } of states) {
    if (counts === 'members') saveMember(store, key, String(member), next);
    else store.set(key, writeSlots(addToSlot(slots, counts, now, 1)), counts.ms + counts.slotMs);
  }
  return answer;
}

const scriptFor = createScriptForKeys('quota_take', LUA, takeInMemory);

/** The script with its keys and arguments. */
export function takeCall(take: Take): readonly [Script, readonly string[], readonly ScriptValue[]] {
  const { id, record, live, member, tracked, cold, limit, counters, look } = take;
  const keys = [record, live, ...counters.map(({ key }) => key)];
  const flags = [look, tracked, cold].map((flag) => (flag ? '1' : '0'));
  return [scriptFor(keys.length), keys, [id, member, ...flags, limit ?? -1, ...counterTerms(counters)]];
}

/** Reads what the script answered. */
export function readTaken(answer: readonly ScriptValue[]): Taken {
  const [code, ago, live, ...rest] = answer.map(Number);
  const counters = Array.from({ length: rest.length / 2 }, (_, at) => ({
    used: rest[2 * at] ?? 0,
    wait: rest[2 * at + 1] ?? 0,
  }));
  return { what: WHAT[code ?? 0] ?? 'full', checkedAgo: ago === -1 ? null : (ago ?? null), live: live ?? 0, counters };
}
