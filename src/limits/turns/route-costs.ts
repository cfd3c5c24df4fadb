/** Weight of the newest measurement in a moving average. */
const NEWEST = 0.1;
/** Routes with an average of their own; further ones share one. */
const ROUTES = 500;
/** Seconds, as long as nothing was measured. */
const FIRST_GUESS = 0.05;
const SMALLEST = 1e-4;

/** What a turn for a route costs: the moving average of vovserver's time for it, in seconds. */
export interface RouteCost {
  cost: number;
  measured: boolean;
  /** How many asks for this route wait. */
  waiting: number;
}

/** The costs of the routes of one lane. */
export class RouteCosts {
  readonly #routes = new Map<string, RouteCost>();
  readonly #others: RouteCost = { cost: FIRST_GUESS, measured: false, waiting: 0 };
  /** Over all routes: what a route costs that was never measured. */
  readonly #all: RouteCost = { cost: FIRST_GUESS, measured: false, waiting: 0 };

  of(route: string): RouteCost {
    const known = this.#routes.get(route);
    if (known !== undefined) return known;
    if (this.#routes.size >= ROUTES) return this.#others;
    const added = { cost: this.#all.cost, measured: false, waiting: 0 };
    this.#routes.set(route, added);
    return added;
  }

  /** Learns from one call. */
  learn(route: RouteCost, seconds: number): void {
    if (!Number.isFinite(seconds)) return;
    average(this.#all, seconds);
    average(route, seconds);
  }

  /** The dearest route that somebody waits for; 0 when nobody waits. */
  dearestWaiting(): number {
    let dearest = this.#others.waiting > 0 ? this.#others.cost : 0;
    for (const { cost, waiting } of this.#routes.values()) if (waiting > 0 && cost > dearest) dearest = cost;
    return dearest;
  }
}

function average(of: RouteCost, seconds: number): void {
  const next = of.measured ? of.cost + NEWEST * (seconds - of.cost) : seconds;
  of.cost = Math.max(SMALLEST, next);
  of.measured = true;
}
