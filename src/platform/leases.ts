import { randomUUID } from 'node:crypto';
import type { Clock } from '../kernel/index.ts';
import { wholeTtl } from './call-checks.ts';
import { type HeldLease, type KeyValue, type Leases, StoreUnavailable } from './key-value.ts';
import { acquireLease, extendLease, releaseLease } from './lease-scripts.ts';

export interface LeasesOptions {
  readonly clock: Clock;
  /** Who holds, for people who look into the store; need not be unique. */
  readonly ownerId: string;
  /** Makes one acquisition different from every other. */
  readonly nonce?: () => string;
}

interface Holding {
  readonly name: string;
  readonly key: string;
  readonly owner: string;
  readonly fence: number;
  readonly ttlMs: number;
  /** Local end of the lease: counted from before the request was sent, so never later than the store's end. */
  readonly until: number;
}

/** Keeps the name readable, and makes one hash tag of it whatever it holds; an empty tag would be none. */
const tagOf = (name: string): string => `{${name.replace(/[{}%]/g, encodeURIComponent) || '%'}}`;

/** Keeps the holding alive until `stop`; calls `lose` once when it can no longer be believed. */
function startHeartbeat(kv: KeyValue, clock: Clock, holding: Holding, lose: (why: string) => void): () => void {
  const { key, owner, ttlMs } = holding;
  let beating = false;
  let stopped = false;
  const stop = (): void => {
    stopped = true;
    beats[Symbol.dispose]();
    end[Symbol.dispose]();
  };
  const fail = (why: string): void => {
    if (stopped) return;
    stop();
    lose(why);
  };
  const endAt = (until: number): Disposable =>
    clock.after(Math.min(ttlMs, Math.max(0, until - clock.now())), () =>
      fail('the store could not be reached before it ended'),
    );
  const beat = async (): Promise<void> => {
    if (beating) return;
    beating = true;
    const sentAt = clock.now();
    try {
      const [extended] = await kv.run(extendLease, [key], [owner, ttlMs]);
      if (extended !== 1) fail('another took it or the store lost it');
      else if (!stopped) {
        end[Symbol.dispose]();
        end = endAt(sentAt + ttlMs);
      }
    } catch {
      // The next beat tries again; `end` decides when it is too late.
    } finally {
      beating = false;
    }
  };
  let end = endAt(holding.until);
  const beats = clock.every(ttlMs / 3, () => void beat());
  return stop;
}

async function release(kv: KeyValue, { key, owner }: Holding): Promise<void> {
  try {
    await kv.run(releaseLease, [key], [owner]);
  } catch (error) {
    // It then ends by its time to live.
    if (!(error instanceof StoreUnavailable)) throw error;
  }
}

function hold(kv: KeyValue, clock: Clock, holding: Holding): HeldLease {
  const lost = new AbortController();
  const stop = startHeartbeat(kv, clock, holding, (why) =>
    lost.abort(new Error(`the lease ${holding.name} is lost: ${why}`)),
  );
  let disposed = false;
  return {
    fence: holding.fence,
    lost: lost.signal,
    async [Symbol.asyncDispose]() {
      if (disposed) return;
      disposed = true;
      stop();
      await release(kv, holding);
    },
  };
}

/**
 * Creates leases on `kv`. `tryAcquire` rejects with StoreUnavailable when the store is away; nothing is held then
 * longer than the time to live. Disposing releases only what is still owned, and does not fire `lost`.
 */
export function createLeases(kv: KeyValue, { clock, ownerId, nonce = randomUUID }: LeasesOptions): Leases {
  return {
    async tryAcquire(name, ttlMs) {
      const ttl = wholeTtl(ttlMs) ?? 0;
      const key = `lease:${tagOf(name)}`;
      const owner = `${ownerId}:${nonce()}`;
      const until = clock.now() + ttl;
      const [fence] = await kv.run(acquireLease, [key, `fence:${tagOf(name)}`], [owner, ttl]);
      if (typeof fence !== 'number' || fence === 0) return null;
      const holding: Holding = { name, key, owner, fence, ttlMs: ttl, until };
      if (clock.now() < until) return hold(kv, clock, holding);
      await release(kv, holding);
      return null;
    },
  };
}
