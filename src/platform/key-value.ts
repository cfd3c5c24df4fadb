/** How the store is, as far as this process knows. `down` answers at once instead of waiting for time-outs. */
export type StoreState = 'up' | 'down';

/** Thrown by every call of a {@link KeyValue} whose store did not answer in time. The outcome of a write is unknown. */
export class StoreUnavailable extends Error {
  constructor(reason: string, cause?: unknown) {
    super(`the shared store is away: ${reason}`, cause === undefined ? undefined : { cause });
    this.name = 'StoreUnavailable';
  }
}

/** The part of a store that a script's memory twin may touch; it runs without interruption. */
export interface ScriptStore {
  get(key: string): string | null;
  set(key: string, value: string, ttlMs: number | null): void;
  delete(key: string): void;
  /** Milliseconds since the epoch, as the store counts them. */
  now(): number;
}

/** What a script takes and gives: strings and whole numbers only, as Lua and RESP can carry them. */
export type ScriptValue = string | number;

/**
 * One atomic step in the store: Lua for Redis and the same decision in TypeScript for the memory adapter.
 * The conformance suite runs both on the same cases.
 */
export interface Script {
  readonly name: string;
  /** Number of keys; all must carry the same hash tag. */
  readonly keys: number;
  readonly lua: string;
  memory(store: ScriptStore, keys: readonly string[], args: readonly ScriptValue[]): ScriptValue[];
}

/** A store that all replicas share. Keys are given without the configured prefix; `{…}` in a key is its hash tag. */
export interface KeyValue extends AsyncDisposable {
  readonly kind: 'memory' | 'redis';
  state(): StoreState;
  get(key: string): Promise<string | null>;
  /** False when `onlyIfAbsent` met an existing key. `ttlMs` null keeps the value for ever. */
  set(key: string, value: string, ttlMs: number | null, options?: { onlyIfAbsent?: boolean }): Promise<boolean>;
  /** Replaces `expected` (null: absent) by `next` (null: delete); false when something else was there. */
  compareAndSet(key: string, expected: string | null, next: string | null, ttlMs: number | null): Promise<boolean>;
  /** True when there was something to delete. */
  delete(key: string): Promise<boolean>;
  /** Adds `by` and gives the sum; the time to live starts when the counter is created. */
  increment(key: string, by: number, ttlMs: number): Promise<number>;
  addToSet(key: string, member: string): Promise<void>;
  removeFromSet(key: string, member: string): Promise<void>;
  members(key: string): Promise<string[]>;
  run(script: Script, keys: readonly string[], args: readonly ScriptValue[]): Promise<ScriptValue[]>;
  publish(channel: string, message: string): Promise<void>;
  /**
   * Calls `onMessage` for each message while subscribed, and `onGap` whenever messages may have been missed
   * (after each reconnection), so that caches can be dropped.
   */
  subscribe(channel: string, onMessage: (message: string) => void, onGap?: () => void): Promise<AsyncDisposable>;
  /** Why it may lose what it acknowledged; empty when it keeps it. Throws when it may not be asked. */
  doubts?(): Promise<readonly string[]>;
  /** A round trip, for readiness; throws {@link StoreUnavailable}. */
  ping(): Promise<void>;
}

/** What the store adapters report; the server hands it to `observe`. */
export interface StoreEvents {
  command(name: string, seconds: number, ok: boolean): void;
  state(state: StoreState, reason: string): void;
}

/** A lease that this process holds. */
export interface HeldLease extends AsyncDisposable {
  /** Grows with every holder of the same name; a write under an older fence must be refused. */
  readonly fence: number;
  /** Aborts as soon as the lease can no longer be believed to be held. */
  readonly lost: AbortSignal;
}

/** Mutual exclusion between replicas, with fencing and heartbeat. */
export interface Leases {
  /** Null when another holds it. The heartbeat extends it at a third of `ttlMs` until disposed. */
  tryAcquire(name: string, ttlMs: number): Promise<HeldLease | null>;
}

/** Seals values with AES-256-GCM so that a dump of the store is useless. */
export interface Sealer {
  /** `aad` binds the value to its purpose and owner; opening it under another `aad` fails. */
  seal(plain: string, aad: string): string;
  /** Null when it cannot be opened: other key, other `aad`, damaged. */
  open(sealed: string, aad: string): string | null;
  /** False for what was sealed by another key than the one that seals now: whoever opens it should seal it anew. */
  isCurrent(sealed: string): boolean;
}
