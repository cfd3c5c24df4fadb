import type { Clock, RouteClass } from '../kernel/index.ts';
import { type Allowance, addUnits, type Source } from './allowance.ts';
import { noteDemand, unitsAhead } from './demand.ts';
import { decideLocally } from './local-share.ts';
import type { Admission } from './ports.ts';
import type { Taker } from './taker.ts';

/** Units that are not used within this time go back to the store. */
const LEASE_MS = 500;
const SWEEP_MS = 250;

/** Turns a decision into an admission and reports it. */
export type Conclude = (
  allowance: Allowance,
  cls: RouteClass | 'any',
  allowed: boolean,
  source: Source,
  now: number,
) => Admission;

/** Decides calls against their allowance, mostly without asking the store. */
export interface Leases extends AsyncDisposable {
  /** Synchronous while units are leased, while the bucket is known to be empty, and while the store is away. */
  admit(allowance: Allowance, cls: RouteClass | 'any'): Admission | Promise<Admission>;
}

/** What {@link createLeases} needs. `sharing` is the number of replicas that lease, `known` the one that shares count by. */
export interface LeasesOptions {
  readonly taker: Taker;
  readonly clock: Clock;
  readonly replicas: { sharing(): number; known(): number };
  readonly conclude: Conclude;
}

class HotLeases implements Leases {
  readonly #taker: Taker;
  readonly #clock: Clock;
  readonly #replicas: LeasesOptions['replicas'];
  readonly #conclude: Conclude;
  readonly #sweeping: Disposable;
  /** Allowances that may have leased units. */
  readonly #holding = new Set<Allowance>();
  readonly #fetches = new Set<Promise<void>>();

  constructor({ taker, clock, replicas, conclude }: LeasesOptions) {
    this.#taker = taker;
    this.#clock = clock;
    this.#replicas = replicas;
    this.#conclude = conclude;
    this.#sweeping = clock.every(SWEEP_MS, () => this.#sweep());
  }

  admit(allowance: Allowance, cls: RouteClass | 'any'): Admission | Promise<Admission> {
    const now = this.#clock.elapsed();
    noteDemand(allowance, now);
    if (allowance.units > 0) {
      if (now < allowance.expiresAt) return this.#spendLease(allowance, cls, now);
      void this.#giveBack(allowance);
    }
    if (this.#taker.away(now)) return this.#admitLocally(allowance, cls, now);
    if (now < allowance.holdUntil) return this.#conclude(allowance, cls, false, 'lease', now);
    return new Promise((resolve) => {
      allowance.waiters.push({ cls, resolve });
      if (!allowance.asking) this.#ask(allowance);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#sweeping[Symbol.dispose]();
    await Promise.all(this.#fetches);
    const kept = [...this.#holding];
    this.#holding.clear();
    await Promise.all(kept.map((allowance) => this.#giveBack(allowance)));
  }

  #spend(allowance: Allowance, cls: RouteClass | 'any', source: Source, now: number): Admission {
    addUnits(allowance, -1);
    return this.#conclude(allowance, cls, true, source, now);
  }

  #spendLease(allowance: Allowance, cls: RouteClass | 'any', now: number): Admission {
    const admission = this.#spend(allowance, cls, 'lease', now);
    const low = allowance.units <= allowance.lowWater && !allowance.asking && now >= allowance.holdUntil;
    if (low && !this.#taker.away(now)) this.#ask(allowance);
    return admission;
  }

  #admitLocally(allowance: Allowance, cls: RouteClass | 'any', now: number): Admission {
    const allowed = decideLocally(allowance, now, this.#replicas.known());
    return this.#conclude(allowance, cls, allowed, 'local', now);
  }

  #ask(allowance: Allowance): void {
    allowance.asking = true;
    const fetching: Promise<void> = this.#fetch(allowance).finally(() => this.#fetches.delete(fetching));
    this.#fetches.add(fetching);
  }

  /** Fetches units for those who wait and some ahead; one call at a time for an allowance. */
  async #fetch(allowance: Allowance): Promise<void> {
    const ahead = (): number => unitsAhead(allowance, this.#replicas.sharing());
    let want = allowance.waiters.length + ahead();
    while (want > 0) {
      // Set beforehand as well: what is granted may be spent before this function goes on.
      allowance.expiresAt = this.#clock.elapsed() + LEASE_MS;
      const granted = await this.#taker.lease(allowance, want);
      if (granted !== null && granted > 0) allowance.expiresAt = this.#clock.elapsed() + LEASE_MS;
      this.#serveWaiters(allowance, granted, want);
      want = allowance.waiters.length === 0 ? 0 : allowance.waiters.length + ahead();
    }
    allowance.lowWater = Math.floor(allowance.units / 2);
    if (allowance.units > 0) this.#holding.add(allowance);
    allowance.asking = false;
  }

  /** Whoever came after the call was sent and finds nothing left waits for the next one. */
  #serveWaiters(allowance: Allowance, granted: number | null, want: number): void {
    const now = this.#clock.elapsed();
    const { waiters } = allowance;
    allowance.waiters = [];
    for (const waiter of waiters) {
      if (allowance.units > 0) waiter.resolve(this.#spend(allowance, waiter.cls, 'store', now));
      else if (granted === null) waiter.resolve(this.#admitLocally(allowance, waiter.cls, now));
      else if (granted < want) waiter.resolve(this.#conclude(allowance, waiter.cls, false, 'store', now));
      else allowance.waiters.push(waiter);
    }
  }

  async #giveBack(allowance: Allowance): Promise<void> {
    const { units } = allowance;
    if (units === 0) return;
    addUnits(allowance, -units);
    await this.#taker.take(allowance, -units);
  }

  #sweep(): void {
    const now = this.#clock.elapsed();
    for (const allowance of this.#holding) {
      if (allowance.units > 0 && now < allowance.expiresAt) continue;
      this.#holding.delete(allowance);
      void this.#giveBack(allowance);
    }
  }
}

/** Creates the {@link Leases} of a limiter; disposing gives unused units back. */
export function createLeases(options: LeasesOptions): Leases {
  return new HotLeases(options);
}
