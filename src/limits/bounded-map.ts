/** A map that forgets what was not used for longest. */
export interface BoundedMap<V> {
  get(key: string): V | undefined;
  set(key: string, value: V): void;
  readonly size: number;
}

/**
 * Holds at most `capacity` entries (at least 2). Two generations stand in for an exact order of use: an entry lives
 * while it is used at least once in `capacity / 2` new ones, and a lookup of a warm entry costs one map read.
 */
export function createBoundedMap<V>(capacity: number): BoundedMap<V> {
  const half = Math.max(1, Math.floor(capacity / 2));
  let young = new Map<string, V>();
  let old = new Map<string, V>();
  const set = (key: string, value: V): void => {
    if (young.size >= half && !young.has(key)) {
      old = young;
      young = new Map();
    }
    old.delete(key);
    young.set(key, value);
  };
  return {
    get(key) {
      const warm = young.get(key);
      if (warm !== undefined) return warm;
      const value = old.get(key);
      if (value !== undefined) set(key, value);
      return value;
    },
    set,
    get size() {
      return young.size + old.size;
    },
  };
}
