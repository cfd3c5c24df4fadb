import type { ServerResponse } from 'node:http';
import type { Clock } from '../kernel/index.ts';
import type { Turn } from './ports.ts';
import { type Entry, Running } from './running.ts';

/** Milliseconds between two looks at who reads. */
const LOOK = 500;
/** So many slow readers of a queue at most are served without a turn; each still has a connection to vovserver. */
const MOST_WITHOUT_TURN = 16;

/** An answer that is streamed, with the turn that it holds. */
export class Reading implements Entry {
  place = -1;
  readonly queue: string;
  readonly response: Pick<ServerResponse, 'writableNeedDrain'>;
  /** When the call began. */
  readonly begun: number;
  /** When it was first seen that only the reader holds it up; null while it keeps up. */
  heldUpAt: number | null = null;
  /** Null once it was given back. */
  turn: Turn | null;
  readonly #readers: SlowReaders;

  constructor(
    readers: SlowReaders,
    turn: Turn,
    queue: string,
    response: Pick<ServerResponse, 'writableNeedDrain'>,
    begun: number,
  ) {
    this.#readers = readers;
    this.turn = turn;
    this.queue = queue;
    this.response = response;
    this.begun = begun;
  }

  /** The answer ended; see Turn.done. */
  end(ok: boolean | null, went: boolean): void {
    this.#readers.end(this, ok, went);
  }
}

/** Takes the turn from answers that only their reader holds up: a slow client never holds one. */
export class SlowReaders {
  readonly #clock: Clock;
  readonly #running = new Running<Reading>();
  /** By queue, how many are served without a turn. */
  readonly #without = new Map<string, number>();
  #looking = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  begin(turn: Turn, queue: string, response: Pick<ServerResponse, 'writableNeedDrain'>): Reading {
    const reading = new Reading(this, turn, queue, response, this.#clock.now());
    this.#running.add(reading);
    if (!this.#looking) {
      this.#looking = true;
      this.#clock.after(LOOK, this.#look);
    }
    return reading;
  }

  end(reading: Reading, ok: boolean | null, went: boolean): void {
    const { turn, queue, begun } = reading;
    this.#running.delete(reading);
    if (turn === null) this.#without.set(queue, (this.#without.get(queue) ?? 1) - 1);
    else turn.done({ ok, seconds: went ? Math.max(0, this.#clock.now() - begun) / 1000 : Number.NaN });
  }

  readonly #look = (): void => {
    const now = this.#clock.now();
    for (const reading of this.#running.all()) {
      if (!reading.response.writableNeedDrain) reading.heldUpAt = null;
      // Seen twice in a row, it is no chance.
      else if (reading.heldUpAt === null) reading.heldUpAt = now;
      else this.#giveBack(reading, reading.heldUpAt);
    }
    this.#looking = this.#running.size > 0;
    if (this.#looking) this.#clock.after(LOOK, this.#look);
  };

  #giveBack(reading: Reading, heldUpAt: number): void {
    const { turn, queue, begun } = reading;
    const without = this.#without.get(queue) ?? 0;
    if (turn === null || without >= MOST_WITHOUT_TURN) return;
    this.#without.set(queue, without + 1);
    reading.turn = null;
    turn.done({ ok: true, seconds: Math.max(0, heldUpAt - begun) / 1000 });
  }
}
