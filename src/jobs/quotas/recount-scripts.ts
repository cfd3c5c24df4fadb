import type { Script, ScriptStore, ScriptValue } from '../../platform/index.ts';
import { LIVE_LIFE_MS, loadLive, saveLive, saveMember } from './counters.ts';
import { addLive, type LiveSet, removeLive } from './live-set.ts';
import { SHARED_LUA } from './lua.ts';
import { createScriptForKeys } from './script-for-keys.ts';

const BEGIN_LUA = `${SHARED_LUA}
local set = readLive(redis.call('GET', KEYS[1]))
if set.checked > 0 and now >= set.checked and now - set.checked < tonumber(ARGV[1]) then return { 0 } end
local before = set.checked
set.checked = now
saveLive(KEYS[1], set, '${LIVE_LIFE_MS}')
return { 1, now, before, set.ids }
`;

function beginInMemory(store: ScriptStore, keys: readonly string[], args: readonly ScriptValue[]): ScriptValue[] {
  const [key = ''] = keys;
  const set = loadLive(store, key);
  const now = store.now();
  if (set.checkedAt > 0 && now >= set.checkedAt && now - set.checkedAt < Number(args[0])) return [0];
  saveLive(store, key, { ...set, checkedAt: now });
  return [1, now, set.checkedAt, set.ids];
}

/**
 * Begins to ask vovserver for the live jobs of a person. Argument: milliseconds within which one asking is enough for all
 * replicas. Answer: 0 when that is so, else 1, now, when it was asked before, and the ids that were known.
 */
export const beginScript: Script = { name: 'quota_begin', keys: 1, lua: BEGIN_LUA, memory: beginInMemory };

const CHANGE_LUA = `${SHARED_LUA}
local set = readLive(redis.call('GET', KEYS[1]))
for id in string.gmatch(ARGV[2], '[^:]+') do removeLive(set, id) end
for id in string.gmatch(ARGV[3], '[^:]+') do addLive(set, id) end
if ARGV[4] ~= '' then set.checked = tonumber(ARGV[4]) end
saveLive(KEYS[1], set, '${LIVE_LIFE_MS}')
for i = 2, #KEYS do saveMember(KEYS[i], ARGV[1], set.count, '${LIVE_LIFE_MS}') end
return { set.count }
`;

const each = (text: ScriptValue | undefined): string[] =>
  String(text ?? '')
    .split(':')
    .filter((id) => id !== '');

function changeInMemory(store: ScriptStore, keys: readonly string[], args: readonly ScriptValue[]): ScriptValue[] {
  const [live = '', ...groups] = keys;
  const [member = '', removed, added, checkedAt] = args;
  let set: LiveSet = loadLive(store, live);
  for (const id of each(removed)) set = removeLive(set, id);
  for (const id of each(added)) set = addLive(set, id);
  if (checkedAt !== '') set = { ...set, checkedAt: Number(checkedAt) };
  saveLive(store, live, set);
  for (const key of groups) saveMember(store, key, String(member), set);
  return [set.count];
}

const scriptFor = createScriptForKeys('quota_change', CHANGE_LUA, changeInMemory);

/** A change of the live jobs of a person, and of the sums of the groups whose keys follow. */
export interface Change {
  readonly live: string;
  readonly groups: readonly string[];
  readonly member: string;
  readonly removed: readonly string[];
  readonly added: readonly string[];
  /** Null: as it is. */
  readonly checkedAt: number | null;
}

/** The script with its keys and arguments; its answer is how many live jobs there are then. */
export function changeCall(change: Change): readonly [Script, readonly string[], readonly ScriptValue[]] {
  const { live, groups, member, removed, added, checkedAt } = change;
  const keys = [live, ...groups];
  return [scriptFor(keys.length), keys, [member, removed.join(':'), added.join(':'), checkedAt ?? '']];
}
