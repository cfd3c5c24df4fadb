import type { HeldTurn, Lane } from '../ports.ts';
import { FairQueue } from './fair-queue.ts';
import { Latencies } from './latencies.ts';
import type { Sample } from './ledger.ts';
import { begin, end, hasConnection, Parties, type Party } from './parties.ts';
import { type RouteCost, RouteCosts } from './route-costs.ts';

/** The lanes in the order in which they are served. */
export const LANES: readonly Lane[] = ['control', 'submit', 'read', 'list'];

/** Told when something ended, so that whoever waits can go. */
export type OnFree = (queue: QueuePools) => void;

/** The turns of one queue: a pool for each lane, and how many are out in all. */
export class QueuePools {
  readonly queue: string;
  readonly lanes: Readonly<Record<Lane, Pool>>;
  readonly onFree: OnFree;
  readonly parties = new Parties();
  /** Connections that one account may have. */
  connections = Number.POSITIVE_INFINITY;
  inFlight = 0;
  /** Sum of what the lanes may have out. */
  share = 0;
  waiting = 0;

  constructor(queue: string, onFree: OnFree) {
    this.queue = queue;
    this.onFree = onFree;
    this.lanes = {
      control: new Pool(this, 'control'),
      submit: new Pool(this, 'submit'),
      read: new Pool(this, 'read'),
      list: new Pool(this, 'list'),
    };
  }
}

/** The turns of one lane of one queue on this replica. */
export class Pool {
  readonly queue: QueuePools;
  readonly lane: Lane;
  /** Only bound by its own share; the others also by that of the whole queue, while it is overdrawn. */
  readonly reserved: boolean;
  readonly costs = new RouteCosts();
  readonly line = new FairQueue(this.costs);
  inFlight = 0;
  /** Most that this replica may have out. */
  share = 0;
  /** Most that all replicas together may have out. */
  limit = 0;
  /** Most that were out or waited since it was last asked for. */
  demand = 0;
  /** What this window showed. */
  #window = 0;
  #era = 0;
  #bad = 0;
  #peak = 0;
  readonly #times = new Latencies();

  constructor(queue: QueuePools, lane: Lane) {
    this.queue = queue;
    this.lane = lane;
    this.reserved = lane === 'control' || lane === 'submit';
  }

  hasRoom(): boolean {
    return this.inFlight < this.share && (this.reserved || this.queue.inFlight < this.queue.share);
  }

  /** The last free turn for a kill or a submission is for whoever has none: nobody waits for one who has many. */
  suits(party: Party): boolean {
    if (!hasConnection(party, this.lane, this.queue.connections)) return false;
    if (!this.reserved || party.lanes[this.lane] === 0 || this.inFlight + 1 < this.share) return true;
    // Kept free on purpose, it counts as used.
    this.#peak = Math.max(this.#peak, this.share);
    return false;
  }

  /** Takes over the hold on `party`. */
  begin(route: RouteCost, party: Party): HeldTurn {
    begin(party, this.lane);
    this.inFlight += 1;
    this.queue.inFlight += 1;
    if (this.inFlight > this.demand) this.demand = this.inFlight;
    if (this.inFlight > this.#peak) this.#peak = this.inFlight;
    return new PoolTurn(this, route, party, this.#era);
  }

  /** `era` is that in which the call began: what began under another limit tells nothing about this one. */
  end(route: RouteCost, party: Party, era: number, ok: boolean | null, seconds: number): void {
    end(party, this.lane);
    this.queue.parties.release(party);
    this.inFlight -= 1;
    this.queue.inFlight -= 1;
    // Who has vovserver work in vain pays for it; what fails at once does not become cheap by that.
    if (ok === true || seconds > route.cost) this.costs.learn(route, seconds);
    if (era === this.#era) {
      if (ok === true) this.#times.add(seconds);
      else if (ok === false) this.#bad += 1;
    }
    this.queue.onFree(this.queue);
  }

  sample(): Sample {
    return { window: this.#window, times: this.#times.sparse(), bad: this.#bad, peak: this.#peak };
  }

  /** What the replicas agreed on: the window that is observed now, and since which era. */
  observe(window: number, era: number): void {
    this.#era = era;
    if (window === this.#window) return;
    this.#window = window;
    this.#times.clear();
    this.#bad = 0;
    this.#peak = this.inFlight;
  }

  setShare(share: number): void {
    this.queue.share += share - this.share;
    this.share = share;
  }
}

class PoolTurn implements HeldTurn {
  readonly #pool: Pool;
  #route: RouteCost | null;
  readonly #party: Party;
  readonly #era: number;

  constructor(pool: Pool, route: RouteCost, party: Party, era: number) {
    this.#pool = pool;
    this.#route = route;
    this.#party = party;
    this.#era = era;
  }

  done(result: { readonly ok: boolean | null; readonly seconds: number }): void {
    const route = this.#route;
    if (route === null) return;
    this.#route = null;
    this.#pool.end(route, this.#party, this.#era, result.ok, result.seconds);
  }
}
