import type { Clock } from '../kernel/index.ts';

interface Entry {
  value: string | Set<string>;
  /** Milliseconds since the epoch; null for ever. */
  expiresAt: number | null;
}

/** The entries of the memory adapter with their ends of life; synchronous, so each method is atomic. */
export interface MemoryEntries {
  text(key: string): string | null;
  set(key: string): ReadonlySet<string>;
  putText(key: string, value: string, ttlMs: number | null): void;
  /** Replaces the value and keeps the end of life. */
  changeText(key: string, value: string): void;
  addMember(key: string, member: string): void;
  removeMember(key: string, member: string): void;
  has(key: string): boolean;
  delete(key: string): boolean;
  /** Drops what has ended, so that keys nobody asks for again do not stay. */
  sweep(): void;
  clear(): void;
  /** Number of entries held, ended ones included. */
  size(): number;
}

const NO_MEMBERS: ReadonlySet<string> = new Set();

function textOf(key: string, entry: Entry | undefined): string | null {
  if (entry === undefined) return null;
  if (typeof entry.value === 'string') return entry.value;
  throw new TypeError(`${key} holds a set, not a string`);
}

function setOf(key: string, entry: Entry | undefined): Set<string> | null {
  if (entry === undefined) return null;
  if (typeof entry.value !== 'string') return entry.value;
  throw new TypeError(`${key} holds a string, not a set`);
}

/** Creates empty entries whose lives end by `clock`. */
export function createMemoryEntries(clock: Clock): MemoryEntries {
  const entries = new Map<string, Entry>();
  const ended = (entry: Entry): boolean => entry.expiresAt !== null && entry.expiresAt <= clock.now();
  const live = (key: string): Entry | undefined => {
    const entry = entries.get(key);
    if (entry === undefined || !ended(entry)) return entry;
    entries.delete(key);
    return undefined;
  };
  return {
    text: (key) => textOf(key, live(key)),
    set: (key) => setOf(key, live(key)) ?? NO_MEMBERS,
    putText(key, value, ttlMs) {
      entries.set(key, { value, expiresAt: ttlMs === null ? null : clock.now() + ttlMs });
    },
    changeText(key, value) {
      entries.set(key, { value, expiresAt: live(key)?.expiresAt ?? null });
    },
    addMember(key, member) {
      const members = setOf(key, live(key));
      if (members === null) entries.set(key, { value: new Set([member]), expiresAt: null });
      else members.add(member);
    },
    removeMember(key, member) {
      const members = setOf(key, live(key));
      members?.delete(member);
      if (members?.size === 0) entries.delete(key);
    },
    has: (key) => live(key) !== undefined,
    delete: (key) => live(key) !== undefined && entries.delete(key),
    sweep() {
      for (const [key, entry] of entries) if (ended(entry)) entries.delete(key);
    },
    clear: () => entries.clear(),
    size: () => entries.size,
  };
}
