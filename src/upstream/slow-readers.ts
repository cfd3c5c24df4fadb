import type { ServerResponse } from 'node:http';
import type { Clock } from '../kernel/index.ts';
import type { Turn, UpstreamCall } from './ports.ts';
import { type Entry, Running } from './running.ts';

/** Milliseconds between two looks at who reads. */
const LOOK = 500;
/**
 * So many slow readers of a queue, and of an account of it, are served without a turn at most: each still has a connection to
 * vovserver, and those of an account are few.
 */
const MOST_OF_QUEUE = 16;
const MOST_OF_ACCOUNT = 2;

/** An answer that is streamed, with the turn that it holds. */
export class Reading implements Entry {
  place = -1;
  readonly call: Pick<UpstreamCall, 'queue' | 'account'>;
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
    call: Pick<UpstreamCall, 'queue' | 'account'>,
    response: Pick<ServerResponse, 'writableNeedDrain'>,
    begun: number,
  ) {
    this.#readers = readers;
    this.turn = turn;
    this.call = call;
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
  #looking = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  begin(turn: Turn, call: Reading['call'], response: Reading['response']): Reading {
    const reading = new Reading(this, turn, call, response, this.#clock.now());
    this.#running.add(reading);
    if (!this.#looking) {
      this.#looking = true;
      this.#clock.after(LOOK, this.#look);
    }
    return reading;
  }

  end(reading: Reading, ok: boolean | null, went: boolean): void {
    const { turn, begun } = reading;
    this.#running.delete(reading);
    turn?.done({ ok, seconds: went ? Math.max(0, this.#clock.now() - begun) / 1000 : Number.NaN });
  }

  readonly #look = (): void => {
    const now = this.#clock.now();
    const all = this.#running.all();
    /** Of each queue and account, how many are served without a turn. */
    const without = new Map<string, number>();
    for (const { turn, call } of all) if (turn === null) count(without, call);
    for (const reading of all) {
      if (!reading.response.writableNeedDrain) reading.heldUpAt = null;
      // Seen twice in a row, it is no chance.
      else if (reading.heldUpAt === null) reading.heldUpAt = now;
      else if (reading.turn !== null && mayGoOn(without, reading.call)) {
        count(without, reading.call);
        giveBack(reading, reading.turn, reading.heldUpAt);
      }
    }
    this.#looking = this.#running.size > 0;
    if (this.#looking) this.#clock.after(LOOK, this.#look);
  };
}

const accountKey = ({ queue, account }: Reading['call']): string => JSON.stringify([queue, account]);

function count(without: Map<string, number>, call: Reading['call']): void {
  for (const key of [call.queue, accountKey(call)]) without.set(key, (without.get(key) ?? 0) + 1);
}

const mayGoOn = (without: ReadonlyMap<string, number>, call: Reading['call']): boolean =>
  (without.get(call.queue) ?? 0) < MOST_OF_QUEUE && (without.get(accountKey(call)) ?? 0) < MOST_OF_ACCOUNT;

function giveBack(reading: Reading, turn: Turn, heldUpAt: number): void {
  reading.turn = null;
  turn.done({ ok: true, seconds: Math.max(0, heldUpAt - reading.begun) / 1000 });
}
