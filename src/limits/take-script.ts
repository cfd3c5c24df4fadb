import type { Script, ScriptStore, ScriptValue } from '../platform/index.ts';
import { available, type Bucket, settle, untilNext, untilWhole } from './bucket.ts';

// A bucket is stored as `<debt> <milliseconds of the store's clock>` and vanishes when it is whole again. One that was
// stored at a time ahead of now (the clock was set back, or a replica with another clock took over) is stored anew even
// when nothing is granted; otherwise it would not refill until that time has come.
const LUA = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local want = tonumber(ARGV[1])
local granted = want
local debts, ahead = {}, {}
for i = 1, #KEYS do
  local requests, window = tonumber(ARGV[2 * i]), tonumber(ARGV[2 * i + 1])
  local debt, at = string.match(redis.call('GET', KEYS[i]) or '', '^(%d+) (%d+)$')
  debts[i] = debt and math.max(0, debt - math.max(0, now - at) * requests) or 0
  ahead[i] = debt and tonumber(at) > now
  if want > 0 then
    granted = math.min(granted, math.max(0, math.floor((requests * window - debts[i]) / window)))
  end
end
local answer = { granted }
for i = 1, #KEYS do
  local requests, window = tonumber(ARGV[2 * i]), tonumber(ARGV[2 * i + 1])
  local debt = math.max(0, debts[i] + granted * window)
  local whole = math.ceil(debt / requests)
  if granted ~= 0 or ahead[i] then
    if debt == 0 then
      redis.call('DEL', KEYS[i])
    else
      redis.call('SET', KEYS[i], string.format('%.0f %.0f', debt, now), 'PX', string.format('%.0f', whole))
    end
  end
  answer[#answer + 1] = math.max(0, math.floor((requests * window - debt) / window))
  answer[#answer + 1] = whole
  answer[#answer + 1] = math.max(0, math.ceil((debt + window - requests * window) / requests))
end
return answer
`;

const STORED = /^(\d+) (\d+)$/;

function load(store: ScriptStore, key: string, bucket: Bucket): { debt: number; ahead: boolean } {
  const stored = STORED.exec(store.get(key) ?? '');
  if (stored === null) return { debt: 0, ahead: false };
  const [now, at] = [store.now(), Number(stored[2])];
  return { debt: settle(bucket, Number(stored[1]), at, now), ahead: at > now };
}

function save(store: ScriptStore, key: string, bucket: Bucket, debt: number): void {
  if (debt === 0) store.delete(key);
  else store.set(key, `${debt} ${store.now()}`, untilWhole(bucket, debt));
}

function take(store: ScriptStore, keys: readonly string[], args: readonly ScriptValue[]): ScriptValue[] {
  const want = Number(args[0]);
  const rows = keys.map((key, i) => {
    const bucket = { requests: Number(args[2 * i + 1]), window: Number(args[2 * i + 2]) };
    return { key, bucket, ...load(store, key, bucket) };
  });
  const granted = want > 0 ? Math.min(want, ...rows.map((row) => available(row.bucket, row.debt))) : want;
  const answer: number[] = [granted];
  for (const { key, bucket, debt: before, ahead } of rows) {
    const debt = Math.max(0, before + granted * bucket.window);
    if (granted !== 0 || ahead) save(store, key, bucket, debt);
    answer.push(available(bucket, debt), untilWhole(bucket, debt), untilNext(bucket, debt));
  }
  return answer;
}

/**
 * Takes `want` units from each of `keys` buckets, or as many as all of them have; never from only some. A negative
 * `want` gives units back, never above full; 0 only looks. Arguments: want, then requests and window (ms) of each
 * bucket. Answer: granted, then for each bucket remaining, ms until whole, ms until the next unit.
 */
export function takeScript(keys: 1 | 2): Script {
  return { name: `limits_take_${keys}`, keys, lua: LUA, memory: take };
}
