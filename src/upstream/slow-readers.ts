import type { ServerResponse } from 'node:http';
import type { Clock } from '../kernel/index.ts';
import type { Report } from '../observe/index.ts';
import type { Turn, UpstreamCall } from './ports.ts';
import { type Entry, Running } from './running.ts';

/** Milliseconds between two looks at who reads. Stalls are counted in looks: a pause of this process is none of theirs. */
const LOOK = 500;
/**
 * So many slow readers of a queue, and of an account of it, are served without a turn at most: each still has a connection to
 * vovserver, and those of an account are few.
 */
const MOST_OF_QUEUE = 16;
const MOST_OF_ACCOUNT = 2;
/** Looks: where there are as many already, one that took nothing for so long is broken off, … */
const STILL = 6;
/** … or one that takes something, so long after its reader began to hold it up. */
const SLOW = 20;
/** Looks: who took nothing for so long is broken off in any case. */
const DEAD = 60;

type ReadCall = Pick<UpstreamCall, 'queue' | 'account' | 'identity' | 'requestId'>;
type ReadResponse = Pick<ServerResponse, 'writableNeedDrain' | 'socket' | 'destroy'>;

/** An answer that is streamed, with the turn that it holds. */
export class Reading implements Entry {
  place = -1;
  readonly call: ReadCall;
  /** When the call began. */
  readonly begun: number;
  /** When it was first seen that only the reader holds it up; null while it keeps up. */
  heldUpAt: number | null = null;
  /** Looks in a row at which it was so, and of these the last ones at which the reader had taken nothing. */
  heldUp = 0;
  still = 0;
  /** Null once it was given back. */
  turn: Turn | null;
  broken = false;
  readonly #readers: SlowReaders;
  readonly #response: ReadResponse;
  #bytes = 0;

  constructor(readers: SlowReaders, turn: Turn, call: ReadCall, response: ReadResponse, begun: number) {
    this.#readers = readers;
    this.turn = turn;
    this.call = call;
    this.#response = response;
    this.begun = begun;
  }

  look(now: number): void {
    const { writableNeedDrain, socket } = this.#response;
    const bytes = socket?.bytesWritten ?? 0;
    const moved = bytes !== this.#bytes;
    this.#bytes = bytes;
    if (!writableNeedDrain) {
      this.heldUpAt = null;
      this.heldUp = 0;
      this.still = 0;
      return;
    }
    this.heldUpAt ??= now;
    this.heldUp += 1;
    this.still = moved ? 0 : this.still + 1;
  }

  /** It goes on without a turn. What it cost is the time until it was held up. */
  giveBack(): void {
    const { turn, begun, heldUpAt } = this;
    this.turn = null;
    turn?.done({ ok: true, seconds: Math.max(0, (heldUpAt ?? begun) - begun) / 1000 });
  }

  break(): void {
    this.broken = true;
    this.giveBack();
    this.#response.destroy();
  }

  /** The answer ended; see Turn.done. */
  end(ok: boolean | null, went: boolean): void {
    this.#readers.end(this, ok, went);
  }
}

/** Takes the turn from answers that only their reader holds up: a slow client never holds one for long. */
export class SlowReaders {
  readonly #clock: Clock;
  readonly #report: Pick<Report, 'log'>;
  readonly #running = new Running<Reading>();
  #looking = false;

  constructor(clock: Clock, report: Pick<Report, 'log'>) {
    this.#clock = clock;
    this.#report = report;
  }

  begin(turn: Turn, call: ReadCall, response: ReadResponse): Reading {
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
    for (const reading of all) reading.look(now);
    for (const reading of all) {
      if (reading.broken) continue;
      if (reading.still >= DEAD) this.#break(reading);
      // Seen twice in a row, it is no chance.
      else if (reading.turn !== null && reading.heldUp > 1) this.#relieve(reading, all);
    }
    this.#looking = this.#running.size > 0;
    if (this.#looking) this.#clock.after(LOOK, this.#look);
  };

  /** Takes the turn from an answer, as soon as it may go on without: when there are too many of these, one of them ends. */
  #relieve(reading: Reading, all: readonly Reading[]): void {
    const crowd = crowdOf(reading, all);
    if (crowd !== null) {
      const worst = worstOf([...crowd, reading]);
      if (worst.still < STILL && reading.heldUp < SLOW) return;
      this.#break(worst);
    }
    if (!reading.broken) reading.giveBack();
  }

  #break(reading: Reading): void {
    const { queue, account, identity: subject = '', requestId: request_id } = reading.call;
    const fields = { event: 'slow_reader_cut', queue, account, subject, request_id };
    this.#report.log.warn(fields, 'an answer was broken off: its reader took nothing of it, or too little');
    reading.break();
  }
}

/** Those without a turn that leave no room for one more beside them; null when there is room. */
function crowdOf({ call }: Reading, all: readonly Reading[]): readonly Reading[] | null {
  const ofQueue = all.filter(({ turn, broken, call: { queue } }) => turn === null && !broken && queue === call.queue);
  const ofAccount = ofQueue.filter(({ call: { account } }) => account === call.account);
  if (ofAccount.length >= MOST_OF_ACCOUNT) return ofAccount;
  return ofQueue.length >= MOST_OF_QUEUE ? ofQueue : null;
}

const personOf = ({ call: { account, identity } }: Reading): string => JSON.stringify([account, identity]);

/** Who has most of them loses one: that of which longest nothing was taken, else the newest. `crowd` is not empty. */
function worstOf(crowd: readonly Reading[]): Reading {
  const share = new Map<string, number>();
  for (const one of crowd) share.set(personOf(one), (share.get(personOf(one)) ?? 0) + 1);
  const dead = ({ still }: Reading): number => (still >= STILL ? still : 0);
  const compare = (one: Reading, other: Reading): number =>
    (share.get(personOf(one)) ?? 0) - (share.get(personOf(other)) ?? 0) ||
    dead(one) - dead(other) ||
    other.heldUp - one.heldUp;
  return crowd.reduce((worst, one) => (compare(one, worst) > 0 ? one : worst));
}
