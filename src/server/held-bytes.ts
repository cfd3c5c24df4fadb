import type { ServerResponse } from 'node:http';
import { GatewayError } from '../kernel/index.ts';
import type { ByteBudget } from '../upstream/index.ts';

/** What one answer holds of a budget, until it is released. */
export class HeldBytes {
  readonly #budget: ByteBudget;
  #bytes = 0;
  #released = false;

  constructor(budget: ByteBudget) {
    this.#budget = budget;
  }

  /** Holds so many bytes from now on. Throws GW_SATURATED when the budget has no room for more. */
  hold(bytes: number): void {
    const more = bytes - this.#bytes;
    if (this.#released || more === 0) return;
    if (more > 0 && !this.#budget.hasRoom(more)) {
      const detail = 'Too many large answers wait to be read; narrow the answer, or come again a little later.';
      throw new GatewayError('GW_SATURATED', detail, { retryAfter: 5 });
    }
    this.#bytes = bytes;
    this.#budget.take(more);
  }

  /** Gives it back when the response was written or cut off. */
  releaseWith(response: ServerResponse): void {
    if (response.closed) this.release();
    else response.once('close', this.release);
  }

  readonly release = (): void => {
    if (this.#released) return;
    this.#released = true;
    this.#budget.give(this.#bytes);
  };
}
