import type { Script, ScriptValue } from './key-value.ts';

/** A time to live as the store takes it: whole milliseconds, rounded up, or null. Throws RangeError on nonsense. */
export function wholeTtl(ttlMs: number | null): number | null {
  if (ttlMs === null) return null;
  if (!Number.isFinite(ttlMs) || ttlMs <= 0) {
    throw new RangeError(`a time to live must be a positive number of milliseconds or null, not ${ttlMs}`);
  }
  return Math.ceil(ttlMs);
}

/** What a counter can be changed by; throws RangeError for anything but a whole number. */
export function wholeSummand(by: number): number {
  if (!Number.isSafeInteger(by)) throw new RangeError(`a counter changes by whole numbers, not by ${by}`);
  return by;
}

/** The part of a key that decides its Cluster slot (Redis Cluster specification, "hash tags"). */
export function hashTag(key: string): string {
  const start = key.indexOf('{');
  if (start < 0) return key;
  const end = key.indexOf('}', start + 1);
  return end > start + 1 ? key.slice(start + 1, end) : key;
}

/** Throws when keys or arguments break the contract of {@link Script}, so that a fault shows on every adapter alike. */
export function checkScriptCall(script: Script, keys: readonly string[], args: readonly ScriptValue[]): void {
  if (keys.length !== script.keys) {
    throw new RangeError(`script ${script.name} takes ${script.keys} keys, not ${keys.length}`);
  }
  if (new Set(keys.map(hashTag)).size > 1) {
    throw new RangeError(`script ${script.name}: its keys must share one hash tag, but they are ${keys.join(', ')}`);
  }
  checkWhole(script, args, 'argument');
}

/** Throws unless every value is a string or a whole number; gives the values back. */
export function checkWhole(script: Script, values: readonly unknown[], what: string): ScriptValue[] {
  return values.map((value, index) => {
    if (typeof value === 'string' || Number.isSafeInteger(value)) return value as ScriptValue;
    throw new RangeError(`script ${script.name}: ${what} ${index + 1} must be a string or a whole number`);
  });
}
