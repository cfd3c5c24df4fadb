import type { Clock } from '../kernel/index.ts';
import { firstInOrder } from './first-in-order.ts';

/** Looks for a candidate that can be used, for all callers of a queue. */
export interface Search {
  /** The first round of a search that runs; null when it is over. True: one was found. */
  readonly round: Promise<boolean> | null;
  /** Starts looking, in this order of preference, unless it does already. Gives the end of its first round. */
  begin(order: readonly number[]): Promise<boolean>;
  /** Puts off the next look at a candidate: for longer with each time, or for `ms` milliseconds. */
  putOff(candidate: number, ms?: number): void;
  /** A candidate works: it is looked at again at once when it fails. */
  works(candidate: number): void;
  /** Somebody says that this one works: it is looked at now, when one is searched for. */
  hint(candidate: number): void;
  /** Looks at these now, for somebody who must not wait; true when one was found. A short while after a look it does nothing. */
  hurry(candidates: readonly number[]): Promise<boolean>;
  /** Whether a candidate is not to be looked at yet. */
  isPutOff(candidate: number): boolean;
  /** Ends the search: another way was found, or nobody needs one. */
  end(): void;
}

export interface SearchOptions {
  readonly candidates: number;
  /** Milliseconds between two looks at a candidate, at first. */
  readonly probe: number;
  readonly clock: Clock;
  /** 0 ≤ x < 1. */
  readonly random: () => number;
  /** Looks at one: true when it can be used. Never rejects. */
  look(candidate: number): Promise<boolean>;
  found(candidate: number): void;
  /** The first round found none: it goes on. */
  missed(): void;
}

/** Milliseconds that a candidate of higher preference may take longer. */
const GRACE = 250;
/** Milliseconds after a look within which nobody hurries to the next. */
const CALM = 200;
/** Looks at a candidate get so many times rarer at most. */
const RAREST = 4;

/** Milliseconds until the next look after the n-th failure in a row: doubling, with a quarter of jitter both ways. */
export function pauseBefore(failures: number, probe: number, random: number): number {
  return probe * Math.min(RAREST, 2 ** Math.max(0, failures - 1)) * (0.75 + random / 2);
}

class CandidateSearch implements Search {
  round: Promise<boolean> | null = null;
  readonly #options: SearchOptions;
  readonly #failures: number[];
  readonly #dueAt: number[];
  #order: readonly number[] = [];
  #looking = false;
  #lookedAt = Number.NEGATIVE_INFINITY;
  #timer: Disposable | null = null;
  /** Counts the searches, so that a look of one that ended changes nothing. */
  #search = 0;

  constructor(options: SearchOptions) {
    this.#options = options;
    this.#failures = Array.from({ length: options.candidates }, () => 0);
    this.#dueAt = this.#failures.map(() => Number.NEGATIVE_INFINITY);
  }

  begin(order: readonly number[]): Promise<boolean> {
    if (this.round !== null) return this.round;
    this.#order = order;
    const search = this.#search;
    const round = this.#look().then((found) => {
      if (!found && search === this.#search) this.#options.missed();
      return found;
    });
    this.round = round;
    return round;
  }

  putOff(candidate: number, ms?: number): void {
    const { clock, probe, random } = this.#options;
    const failures = (this.#failures[candidate] ?? 0) + 1;
    this.#failures[candidate] = failures;
    this.#dueAt[candidate] = clock.elapsed() + (ms ?? pauseBefore(failures, probe, random()));
  }

  works(candidate: number): void {
    this.#failures[candidate] = 0;
    this.#dueAt[candidate] = Number.NEGATIVE_INFINITY;
  }

  hint(candidate: number): void {
    this.#dueAt[candidate] = Number.NEGATIVE_INFINITY;
    if (this.round === null || this.#looking) return;
    this.#timer?.[Symbol.dispose]();
    void this.#look();
  }

  async hurry(candidates: readonly number[]): Promise<boolean> {
    const now = this.#options.clock.elapsed();
    if (this.round === null || this.#looking || now - this.#lookedAt < CALM) return false;
    for (const candidate of candidates) this.#dueAt[candidate] = Number.NEGATIVE_INFINITY;
    this.#timer?.[Symbol.dispose]();
    return await this.#look();
  }

  isPutOff(candidate: number): boolean {
    return (this.#dueAt[candidate] ?? 0) > this.#options.clock.elapsed();
  }

  end(): void {
    this.#search += 1;
    this.#timer?.[Symbol.dispose]();
    this.#looking = false;
    this.round = null;
  }

  /** One round over those that are due. */
  async #look(): Promise<boolean> {
    const { clock, look, found } = this.#options;
    const search = this.#search;
    this.#looking = true;
    this.#lookedAt = clock.elapsed();
    const due = this.#order.filter((candidate) => !this.isPutOff(candidate));
    const looks = due.map(async (candidate) => {
      const good = await look(candidate);
      if (!good && !this.isPutOff(candidate)) this.putOff(candidate);
      return good;
    });
    const place = await firstInOrder(looks, GRACE, clock);
    if (search !== this.#search) return false;
    this.#looking = false;
    const candidate = place === null ? undefined : due[place];
    if (candidate === undefined) {
      this.#schedule();
      return false;
    }
    this.end();
    found(candidate);
    return true;
  }

  #schedule(): void {
    const { clock } = this.#options;
    const next = Math.min(...this.#order.map((candidate) => this.#dueAt[candidate] ?? 0));
    this.#timer = clock.after(Math.max(1, next - clock.elapsed()), () => void this.#look());
  }
}

/** Creates a search that does not run yet. */
export function createSearch(options: SearchOptions): Search {
  return new CandidateSearch(options);
}
