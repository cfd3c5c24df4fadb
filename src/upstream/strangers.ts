import type { Clock } from '../kernel/index.ts';

/** What is done about a server that was given enough without telling its name: others are tried, or it rests. */
export type Enough = 'leave' | 'rest' | null;

/**
 * What a server that has not told its name yet was given of accounts, and refused. Several candidates make it possible that
 * it is another queue, which must not collect the passwords of everybody. One that people chose for the queue is kept when it
 * turns accounts away as a vovserver does: then it rests for a while, and the next accounts may be known to it.
 */
export interface Strangers {
  /** People chose this server for the queue. */
  readonly chosen: boolean;
  /** A password of the account was rejected there. */
  rejected(account: string): Enough;
  /** Whether a password of the account was rejected there lately: it is not tried again before the server is known. */
  hasRejected(account: string): boolean;
  /** The JWT of a caller was refused and not replaced, or one that the server just gave told no name. */
  unproven(): Enough;
  /** A password went there, and what came is nothing that vovserver answers. */
  strange(): Enough;
  /** Milliseconds that the server rests now: longer with each time. */
  rest(): number;
  /** The server is known. */
  known(): void;
}

/** So many accounts may be turned away before the server is left alone … */
const ENOUGH = 2;
/** … and so many by one that people chose. */
const ENOUGH_CHOSEN = 5;
/** Milliseconds after which a rejected password is tried again, so that the only account of a queue is not locked out. */
const AGAIN = 300_000;
/** Shortest and longest rest of a chosen server, milliseconds. */
const REST = 20_000;
const LONGEST_REST = 300_000;

export interface StrangersOptions {
  readonly clock: Pick<Clock, 'elapsed'>;
  isChosen(): boolean;
}

/** Creates the memory of one candidate; accounts stay in it until the server is known. */
export function createStrangers({ clock, isChosen }: StrangersOptions): Strangers {
  const accounts = new Map<string, number>();
  const counts = { leave: 0, rest: 0 };
  let rests = 0;
  const count = (why: 'leave' | 'rest', enough: number): Enough => {
    counts[why] += 1;
    if (counts[why] < enough) return null;
    counts[why] = 0;
    return why;
  };
  const turnedAway = (): Enough => (isChosen() ? count('rest', ENOUGH_CHOSEN) : count('leave', ENOUGH));
  return {
    get chosen() {
      return isChosen();
    },
    rejected(account) {
      const isNew = !accounts.has(account);
      accounts.set(account, clock.elapsed());
      // Whose password it has already spreads nothing.
      return isNew || !isChosen() ? turnedAway() : null;
    },
    hasRejected(account) {
      const at = accounts.get(account);
      return at !== undefined && clock.elapsed() - at < AGAIN;
    },
    unproven: turnedAway,
    strange: () => count('leave', ENOUGH),
    rest() {
      rests += 1;
      return Math.min(LONGEST_REST, REST * 2 ** (rests - 1));
    },
    known() {
      accounts.clear();
      Object.assign(counts, { leave: 0, rest: 0 });
      rests = 0;
    },
  };
}
