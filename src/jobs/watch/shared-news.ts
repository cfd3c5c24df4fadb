import type { Clock } from '../../kernel/index.ts';
import type { JobChange } from './ports.ts';
import { createSerial } from './serial.ts';
import type { Submitters } from './submitters.ts';

/** Changes that may wait until it is known whose they are. */
const MOST_KEPT = 5000;
/** Milliseconds after which a job without a record was submitted past the gateway, and is nobody's. */
const UNRECORDED = 180_000;
/** Milliseconds that it may hold up the names of later changes: longer than any answer to a submission that was lost. */
const HOLDS_UP = 15_000;

/** A change whose owner is known. */
export interface OwnedChange {
  /** As it is told: without its name while an earlier one has yet to be told, so that a reader who comes again gets that, too. */
  readonly change: JobChange;
  /** As it came. */
  readonly source: JobChange;
  /** The look at which it came; 0 for one that only a reader who came again waits for. */
  readonly tick: number;
}

/** The changes of one person that are told together. */
export interface OwnedNews {
  readonly changes: readonly JobChange[];
  readonly owned: readonly OwnedChange[];
}

export interface SharedListener {
  told(bySubject: ReadonlyMap<string, OwnedNews>, head: string): void;
  /** Changes were dropped since there are too many of which it cannot be known whose they are. */
  lost(head: string): void;
}

interface Kept {
  readonly change: JobChange;
  readonly since: number;
  tick: number;
  /** Not asked for before; the same clock. */
  nextAt: number;
  holdsUp: boolean;
}

export interface SharedNewsOptions {
  readonly submitters: Submitters;
  readonly clock: Clock;
  /** Milliseconds between two looks. */
  readonly interval: () => number;
}

/**
 * The changes of a shared account's jobs by who submitted them, decided once for all who read. What cannot be decided yet is
 * kept, with all later changes of the same job, and decided with a later look.
 */
export class SharedNews {
  readonly #options: SharedNewsOptions;
  readonly #listeners = new Set<SharedListener>();
  readonly #inTurn = createSerial();
  #kept: Kept[] = [];
  #tick = 0;

  constructor(options: SharedNewsOptions) {
    this.#options = options;
  }

  /** The number of looks so far. */
  get tick(): number {
    return this.#tick;
  }

  listen(listener: SharedListener): Disposable {
    this.#listeners.add(listener);
    return {
      [Symbol.dispose]: () => {
        this.#listeners.delete(listener);
        // Who comes again asks for what was missed.
        if (this.#listeners.size === 0) this.#kept = [];
      },
    };
  }

  /** Takes the changes of a look, and decides what was kept of others. */
  take(changes: readonly JobChange[], head: string): void {
    this.#tick += 1;
    if (this.#listeners.size === 0) return;
    const kept = new Map(this.#kept.map((one) => [one.change, one]));
    for (const change of changes) {
      const known = kept.get(change);
      if (known === undefined) this.#kept.push(this.#new(change, this.#tick));
      else known.tick = this.#tick;
    }
    this.#go(head);
  }

  /** Takes changes that a reader missed; they come before all others. */
  missed(changes: readonly JobChange[], head: string): void {
    const kept = new Set(this.#kept.map(({ change }) => change));
    const more = changes.filter((change) => !kept.has(change));
    this.#kept = [...more.map((change) => this.#new(change, 0)), ...this.#kept];
    this.#go(head);
  }

  #new(change: JobChange, tick: number): Kept {
    const now = this.#options.clock.elapsed();
    return { change, since: now, tick, nextAt: now, holdsUp: true };
  }

  #go(head: string): void {
    if (this.#kept.length > MOST_KEPT) {
      this.#kept = [];
      for (const listener of this.#listeners) listener.lost(head);
    } else if (this.#kept.length > 0) void this.#inTurn(() => this.#decide(head));
  }

  async #decide(head: string): Promise<void> {
    const decided = new Map<Kept, string | null>();
    for (;;) {
      const asked = this.#due(decided);
      if (asked.length === 0) break;
      const subjects = await this.#options.submitters.ofAll(asked.map(({ change }) => change.job));
      for (const one of asked) this.#settle(one, subjects.get(one.change.job.jobId), decided);
    }
    this.#tell(decided, head);
  }

  /** The first change of each job that is not decided, and not put off: later ones may be of another job of that number. */
  #due(decided: ReadonlyMap<Kept, unknown>): Kept[] {
    const now = this.#options.clock.elapsed();
    const first = new Map<string, Kept>();
    for (const one of this.#kept) {
      const { jobId } = one.change.job;
      if (!decided.has(one) && !first.has(jobId)) first.set(jobId, one);
    }
    return [...first.values()].filter(({ nextAt }) => nextAt <= now);
  }

  /** Null: there is no record; undefined: the record could not be read. */
  #settle(one: Kept, subject: string | null | undefined, decided: Map<Kept, string | null>): void {
    const { clock, interval } = this.#options;
    const age = clock.elapsed() - one.since;
    if (typeof subject === 'string' || (subject === null && age >= UNRECORDED)) {
      decided.set(one, subject);
      return;
    }
    one.holdsUp = subject === undefined || age < HOLDS_UP;
    // The next look; a record that is not there is asked for ever more seldom.
    const pause = subject === undefined ? 1 : Math.min(Math.max(1, age, interval() / 2), UNRECORDED - age);
    one.nextAt = clock.elapsed() + pause;
  }

  #tell(decided: ReadonlyMap<Kept, string | null>, head: string): void {
    const bySubject = new Map<string, { changes: JobChange[]; owned: OwnedChange[] }>();
    let heldUp = false;
    for (const one of this.#kept) {
      const subject = decided.get(one);
      if (subject === undefined && one.holdsUp) heldUp = true;
      if (typeof subject !== 'string') continue;
      const { change: source, tick } = one;
      const change = heldUp ? { ...source, id: null } : source;
      const news = bySubject.get(subject) ?? { changes: [], owned: [] };
      bySubject.set(subject, news);
      news.changes.push(change);
      news.owned.push({ change, source, tick });
    }
    this.#kept = this.#kept.filter((one) => !decided.has(one));
    if (bySubject.size > 0) for (const listener of this.#listeners) listener.told(bySubject, head);
  }
}
