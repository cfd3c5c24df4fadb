import type { ServerResponse } from 'node:http';
import type { Clock } from '../kernel/index.ts';
import { type Entry, Running } from './running.ts';

/** Bytes of answers that are in memory or may come to be, up to a limit. */
export class ByteBudget {
  readonly #limit: number;
  #taken = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Bytes that are set aside now. */
  get taken(): number {
    return this.#taken;
  }

  hasRoom(bytes: number): boolean {
    return this.#taken + bytes <= this.#limit;
  }

  take(bytes: number): void {
    this.#taken += bytes;
  }

  give(bytes: number): void {
    this.#taken -= bytes;
  }
}

/** Answers up to so many bytes fit into the buffers of a connection: nobody holds them for long. */
const SHORT = 65_536;
/** Milliseconds that the reader of an answer has to take it, once there is no room for those of others. */
const PATIENCE = 30_000;

/** A response that an answer is held for. */
interface Hold extends Entry {
  readonly response: ServerResponse;
  /** Milliseconds, by the counted clock. */
  readonly since: number;
}

/** The bytes of answers that are written to several. When there is no room, whoever was slow to read makes some. */
export class AnswerBudget extends ByteBudget {
  readonly #clock: Clock;
  readonly #holds = new Running<Hold>();

  constructor(limit: number, clock: Clock) {
    super(limit);
    this.#clock = clock;
  }

  /** False also for the call that makes the slow ones end: their bytes are there for the next. */
  override hasRoom(bytes: number): boolean {
    if (super.hasRoom(bytes)) return true;
    const now = this.#clock.elapsed();
    for (const { response, since } of this.#holds.all()) if (now - since >= PATIENCE) response.destroy();
    return false;
  }

  /** A long answer is written to a response; calls `closed` when that was closed. */
  hold(response: ServerResponse, closed: () => void): void {
    const hold: Hold = { place: -1, response, since: this.#clock.elapsed() };
    this.#holds.add(hold);
    response.once('close', () => {
      this.#holds.delete(hold);
      closed();
    });
  }
}

/** The bytes of one answer, given back when the last response that it was written to is closed. */
export class HeldAnswer {
  readonly #budget: AnswerBudget;
  readonly #bytes: number;
  /** The writer's own hold, until `written`, and one for each response. */
  #holds = 1;

  /** `bytes` are set aside in `budget` already. */
  constructor(budget: AnswerBudget, bytes: number) {
    this.#budget = budget;
    this.#bytes = bytes;
  }

  hold(response: ServerResponse): void {
    if (response.closed) return;
    this.#holds += 1;
    if (this.#bytes > SHORT) this.#budget.hold(response, this.written);
    else response.once('close', this.written);
  }

  /** One more hold, until `written` is called once more. */
  keep(): void {
    this.#holds += 1;
  }

  readonly written = (): void => {
    this.#holds -= 1;
    if (this.#holds === 0) this.#budget.give(this.#bytes);
  };
}

/** Keys of which something is known for a while; the oldest is forgotten first. */
export class RecentKeys {
  readonly #clock: Clock;
  readonly #life: number;
  readonly #most: number;
  readonly #until = new Map<string, number>();

  /** `life` in milliseconds. */
  constructor(clock: Clock, life: number, most: number) {
    this.#clock = clock;
    this.#life = life;
    this.#most = most;
  }

  add(key: string): void {
    this.#until.delete(key);
    this.#until.set(key, this.#clock.now() + this.#life);
    if (this.#until.size <= this.#most) return;
    for (const oldest of this.#until.keys()) {
      this.#until.delete(oldest);
      return;
    }
  }

  has(key: string): boolean {
    if (this.#until.size === 0) return false;
    const until = this.#until.get(key);
    if (until === undefined) return false;
    // A clock that was set back must not prolong it.
    const left = until - this.#clock.now();
    if (left > 0 && left <= this.#life) return true;
    this.#until.delete(key);
    return false;
  }
}
