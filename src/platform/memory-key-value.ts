import type { Clock } from '../kernel/index.ts';
import { checkScriptCall, checkWhole, wholeSummand, wholeTtl } from './call-checks.ts';
import { type KeyValue, type ScriptStore, StoreUnavailable } from './key-value.ts';
import { createLocalChannels } from './local-channels.ts';
import { createMemoryEntries, type MemoryEntries } from './memory-entries.ts';

const SWEEP_EVERY_MS = 30_000;

function scriptStoreOf(entries: MemoryEntries, clock: Clock): ScriptStore {
  return {
    get: entries.text,
    set: (key, value, ttlMs) => entries.putText(key, value, wholeTtl(ttlMs)),
    delete: (key) => void entries.delete(key),
    now: () => clock.now(),
  };
}

function add(entries: MemoryEntries, key: string, by: number, ttlMs: number): number {
  const ttl = wholeTtl(ttlMs);
  const before = entries.text(key);
  const sum = Number(before ?? '0') + wholeSummand(by);
  if (!Number.isSafeInteger(sum)) throw new RangeError(`${key} is no whole number`);
  if (before === null) entries.putText(key, String(sum), ttl);
  else entries.changeText(key, String(sum));
  return sum;
}

function replace(
  entries: MemoryEntries,
  key: string,
  expected: string | null,
  next: string | null,
  ttlMs: number | null,
): boolean {
  const ttl = wholeTtl(ttlMs);
  if (entries.text(key) !== expected) return false;
  if (next === null) entries.delete(key);
  else entries.putText(key, next, ttl);
  return true;
}

/** Creates the in-memory store of one process: always up, everything lost at its end. */
export function createMemoryKeyValue({ clock }: { clock: Clock }): KeyValue {
  const entries = createMemoryEntries(clock);
  const channels = createLocalChannels();
  const scriptStore = scriptStoreOf(entries, clock);
  const sweeping = clock.every(SWEEP_EVERY_MS, entries.sweep);
  let closed = false;
  const act = async <T>(step: () => T): Promise<T> => {
    if (closed) throw new StoreUnavailable('it has been closed');
    return step();
  };
  return {
    kind: 'memory',
    state: () => (closed ? 'down' : 'up'),
    get: (key) => act(() => entries.text(key)),
    set: (key, value, ttlMs, options) =>
      act(() => {
        const ttl = wholeTtl(ttlMs);
        if (options?.onlyIfAbsent && entries.has(key)) return false;
        entries.putText(key, value, ttl);
        return true;
      }),
    compareAndSet: (key, expected, next, ttlMs) => act(() => replace(entries, key, expected, next, ttlMs)),
    delete: (key) => act(() => entries.delete(key)),
    increment: (key, by, ttlMs) => act(() => add(entries, key, by, ttlMs)),
    addToSet: (key, member) => act(() => entries.addMember(key, member)),
    removeFromSet: (key, member) => act(() => entries.removeMember(key, member)),
    members: (key) => act(() => [...entries.set(key)]),
    run: (script, keys, args) =>
      act(() => {
        checkScriptCall(script, keys, args);
        return checkWhole(script, script.memory(scriptStore, keys, args), 'result');
      }),
    publish: (channel, message) => act(() => channels.publish(channel, message)),
    subscribe: (channel, onMessage) => act(() => channels.subscribe(channel, onMessage)),
    ping: () => act(() => undefined),
    async [Symbol.asyncDispose]() {
      closed = true;
      sweeping[Symbol.dispose]();
      channels.clear();
      entries.clear();
    },
  };
}
