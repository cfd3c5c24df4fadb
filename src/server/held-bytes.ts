import type { ServerResponse } from 'node:http';
import { GatewayError } from '../kernel/index.ts';
import { ByteBudget } from '../upstream/index.ts';

/** Bytes of answers in memory: of all people together, and of each one a part. */
export class HeldBudget {
  readonly all: ByteBudget;
  readonly #part: number;
  readonly #people = new Map<string, ByteBudget>();

  /** `part` is the most that one person's answers hold together; one answer alone may be longer. */
  constructor(limit: number, part = limit) {
    this.all = new ByteBudget(limit);
    this.#part = part;
  }

  of(person: string): ByteBudget {
    const known = this.#people.get(person);
    if (known !== undefined) return known;
    const own = new ByteBudget(this.#part);
    this.#people.set(person, own);
    return own;
  }

  /** Forgets a person of whom nothing is held any more. */
  leave(person: string): void {
    if (this.#people.get(person)?.taken === 0) this.#people.delete(person);
  }
}

/** What one answer holds of a budget, until it is released. */
export class HeldBytes {
  readonly #budget: HeldBudget;
  readonly #person: string;
  #bytes = 0;
  #released = false;

  constructor(budget: HeldBudget, person: string) {
    this.#budget = budget;
    this.#person = person;
  }

  /** Holds so many bytes from now on. Throws GW_SATURATED when the budget, or the person's part of it, has no room for more. */
  hold(bytes: number): void {
    const more = bytes - this.#bytes;
    if (this.#released || more === 0) return;
    const own = this.#budget.of(this.#person);
    const { all } = this.#budget;
    // The person's other answers: whoever reads one at a time is never in its own way.
    const others = own.taken - this.#bytes;
    if (more > 0 && others > 0 && !own.hasRoom(more)) {
      const detail = 'Your other large answers were not read to their end; read them, or come again a little later.';
      throw new GatewayError('GW_SATURATED', detail, { retryAfter: 5 });
    }
    if (more > 0 && !all.hasRoom(more)) {
      const detail = 'Too many large answers wait to be read; narrow the answer, or come again a little later.';
      throw new GatewayError('GW_SATURATED', detail, { retryAfter: 5 });
    }
    this.#bytes = bytes;
    own.take(more);
    all.take(more);
  }

  /** Gives it back when the response was written or cut off. */
  releaseWith(response: ServerResponse): void {
    if (response.closed) this.release();
    else response.once('close', this.release);
  }

  readonly release = (): void => {
    if (this.#released) return;
    this.#released = true;
    this.#budget.of(this.#person).give(this.#bytes);
    this.#budget.all.give(this.#bytes);
    this.#budget.leave(this.#person);
  };
}
