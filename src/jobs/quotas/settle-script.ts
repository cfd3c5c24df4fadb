import type { Script, ScriptStore, ScriptValue } from '../../platform/index.ts';
import { type Counter, counterTerms, LIVE_LIFE_MS, loadLive, readTerms, saveLive, saveMember } from './counters.ts';
import { addLive, type LiveSet, removeLive } from './live-set.ts';
import { SHARED_LUA } from './lua.ts';
import { createScriptForKeys } from './script-for-keys.ts';
import { addToSlot, readSlots, writeSlots } from './window.ts';

/** What becomes of a submission that was taken: a job, or nothing. */
export interface Settle {
  readonly id: string;
  readonly record: string;
  readonly live: string;
  readonly member: string;
  readonly tracked: boolean;
  readonly counters: readonly Counter[];
  /** Null: nothing was executed, so nothing stays counted. */
  readonly jobId: string | null;
}

const LUA = `${SHARED_LUA}
local id, member, job, tracked = ARGV[1], ARGV[2], ARGV[3], ARGV[4] == '1'
local at = redis.call('GET', KEYS[1])
redis.call('DEL', KEYS[1])
local set = readLive(tracked and redis.call('GET', KEYS[2]))
if tracked then
  local from = string.find(set.ids, ':r' .. id .. '.', 1, true)
  if from then
    local to = string.find(set.ids, ':', from + 1, true)
    removeLive(set, string.sub(set.ids, from + 1, to - 1))
  end
  if job ~= '' then addLive(set, job) end
  saveLive(KEYS[2], set, '${LIVE_LIFE_MS}')
end
for i = 3, #KEYS do
  local base = 4 * (i - 3) + 4
  local ms, slot = tonumber(ARGV[base + 2]), tonumber(ARGV[base + 3])
  if ARGV[base + 1] == 'm' then
    saveMember(KEYS[i], member, set.count, '${LIVE_LIFE_MS}')
  elseif job == '' and at then
    addToSlot(KEYS[i], readSlots(redis.call('GET', KEYS[i]), ms, slot), ms, slot, tonumber(at), -1)
  end
end
return { at and 1 or 0 }
`;

function withoutSending(set: LiveSet, id: string): LiveSet {
  const from = set.ids.indexOf(`:r${id}.`);
  return from < 0 ? set : removeLive(set, set.ids.slice(from + 1, set.ids.indexOf(':', from + 1)));
}

function settleInMemory(store: ScriptStore, keys: readonly string[], args: readonly ScriptValue[]): ScriptValue[] {
  const [record = '', live = '', ...rest] = keys;
  const [id = '', member = '', job = '', tracked] = args.slice(0, 4).map(String);
  const at = store.get(record);
  store.delete(record);
  const before = withoutSending(loadLive(store, tracked === '1' ? live : ''), id);
  const set = job === '' ? before : addLive(before, job);
  if (tracked === '1') saveLive(store, live, set);
  for (const { key, counts } of readTerms(rest, args.slice(4))) {
    if (counts === 'members') saveMember(store, key, member, set);
    else if (job === '' && at !== null) {
      const slots = addToSlot(readSlots(store.get(key), counts, store.now()), counts, Number(at), -1);
      if (slots.length === 0) store.delete(key);
      else store.set(key, writeSlots(slots), counts.ms + counts.slotMs);
    }
  }
  return [at === null ? 0 : 1];
}

const scriptFor = createScriptForKeys('quota_settle', LUA, settleInMemory);

/** The script with its keys and arguments. */
export function settleCall(settle: Settle): readonly [Script, readonly string[], readonly ScriptValue[]] {
  const { id, record, live, member, tracked, counters, jobId } = settle;
  const keys = [record, live, ...counters.map(({ key }) => key)];
  const args = [id, member, jobId ?? '', tracked ? '1' : '0', ...counterTerms(counters)];
  return [scriptFor(keys.length), keys, args];
}
