import { Chain, Link } from './chain.ts';
import type { RouteCost, RouteCosts } from './route-costs.ts';

/** Most turns of one identity in one round, however cheap its asks are beside the dearest. */
const MOST_IN_ROUND = 32;
const always = (): boolean => true;

/** One ask that waits. */
export class Waiter extends Link<Waiter> {
  readonly identity: string;
  readonly token: string;
  readonly route: RouteCost;
  line: TokenLine | null = null;

  constructor(identity: string, token: string, route: RouteCost) {
    super();
    this.identity = identity;
    this.token = token;
    this.route = route;
  }
}

/** A member of a round: what it may still spend, and whether it was given its part since it came to the front. */
abstract class Member<T> extends Link<T> {
  deficit = 0;
  visited = false;
}

class TokenLine extends Member<TokenLine> {
  readonly id: string;
  readonly identity: IdentityLine;
  readonly waiters = new Chain<Waiter>();

  constructor(id: string, identity: IdentityLine) {
    super();
    this.id = id;
    this.identity = identity;
  }
}

class IdentityLine extends Member<IdentityLine> {
  readonly id: string;
  readonly tokens = new Map<string, TokenLine>();
  readonly ring = new Chain<TokenLine>();
  waiting = 0;

  constructor(id: string) {
    super();
    this.id = id;
  }
}

/** Gives a member its part when it comes to the front, and tells whether it can pay. */
function canPay(member: Member<unknown>, quantum: number, cost: number): boolean {
  if (!member.visited) {
    member.visited = true;
    member.deficit += quantum;
  }
  return member.deficit >= cost;
}

function sendBack<T extends Member<T>>(ring: Chain<T>, member: T): void {
  member.visited = false;
  ring.rotate();
}

/**
 * Who waits in one lane, served by deficit round robin (Shreedhar and Varghese 1995) over identities and, within each,
 * over its tokens. The quantum is the cost of the dearest ask that waits: so whoever waits gets a turn in every round,
 * and who asks for cheap things gets more of them.
 */
export class FairQueue {
  size = 0;
  readonly #costs: RouteCosts;
  readonly #identities = new Map<string, IdentityLine>();
  readonly #ring = new Chain<IdentityLine>();
  #quantum = 0;
  #leftInRound = 0;

  constructor(costs: RouteCosts) {
    this.#costs = costs;
  }

  waitingOf(identity: string): number {
    return this.#identities.get(identity)?.waiting ?? 0;
  }

  add(waiter: Waiter): void {
    const identity = this.#identityOf(waiter.identity);
    const line = this.#tokenOf(identity, waiter.token);
    waiter.line = line;
    line.waiters.push(waiter);
    waiter.route.waiting += 1;
    identity.waiting += 1;
    this.size += 1;
  }

  /** Takes a waiter out, wherever it stands; nothing when it does not wait here any more. */
  remove(waiter: Waiter): void {
    const { line } = waiter;
    if (line === null) return;
    const { identity } = line;
    waiter.line = null;
    line.waiters.remove(waiter);
    waiter.route.waiting -= 1;
    identity.waiting -= 1;
    this.size -= 1;
    if (line.waiters.size > 0) return;
    identity.ring.remove(line);
    identity.tokens.delete(line.id);
    if (identity.waiting > 0) return;
    if (identity.visited) this.#leftInRound -= 1;
    this.#ring.remove(identity);
    this.#identities.delete(identity.id);
  }

  /** Takes out whose turn it is among those who `may` go, asked by identity; null when nobody is. */
  next(may: (waiter: Waiter) => boolean = always): Waiter | null {
    let passed = 0;
    for (let identity = this.#ring.head; identity !== null; identity = this.#ring.head) {
      const first = identity.ring.head?.waiters.head ?? null;
      if (first === null || passed === this.#ring.size) return null;
      if (!may(first)) {
        // Neither spends nor gains, and goes on where it was.
        passed += 1;
        this.#ring.rotate();
        continue;
      }
      passed = 0;
      if (!identity.visited) this.#beginVisit();
      const [line, waiter] = this.#frontOf(identity);
      if (waiter === null || line === null) return null;
      const cost = this.#costOf(waiter);
      if (canPay(identity, this.#quantum, cost)) {
        identity.deficit -= cost;
        line.deficit -= cost;
        this.remove(waiter);
        return waiter;
      }
      this.#leftInRound -= 1;
      sendBack(this.#ring, identity);
    }
    return null;
  }

  /** The ask of this identity that is next among its tokens. */
  #frontOf(identity: IdentityLine): [TokenLine | null, Waiter | null] {
    for (let line = identity.ring.head; line !== null; line = identity.ring.head) {
      const waiter = line.waiters.head;
      if (waiter === null || canPay(line, this.#quantum, this.#costOf(waiter))) return [line, waiter];
      sendBack(identity.ring, line);
    }
    return [null, null];
  }

  #beginVisit(): void {
    if (this.#leftInRound > 0) return;
    this.#leftInRound = this.#ring.size;
    this.#quantum = this.#costs.dearestWaiting();
  }

  /** Never more than the quantum, which grows with an average that grew meanwhile. */
  #costOf(waiter: Waiter): number {
    this.#quantum = Math.max(this.#quantum, waiter.route.cost);
    return Math.max(waiter.route.cost, this.#quantum / MOST_IN_ROUND);
  }

  #identityOf(id: string): IdentityLine {
    const known = this.#identities.get(id);
    if (known !== undefined) return known;
    const added = new IdentityLine(id);
    this.#identities.set(id, added);
    this.#ring.push(added);
    return added;
  }

  #tokenOf(identity: IdentityLine, id: string): TokenLine {
    const known = identity.tokens.get(id);
    if (known !== undefined) return known;
    const added = new TokenLine(id, identity);
    identity.tokens.set(id, added);
    identity.ring.push(added);
    return added;
  }
}
