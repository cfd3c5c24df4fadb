import type { Clock } from '../kernel/index.ts';
import type { CoalesceConfig, WholeAnswer } from './ports.ts';
import type { HeldAnswer } from './share-bounds.ts';

/** Whose answers they are: an account of a queue, or `null` for what is the same for all accounts. */
export interface Owner {
  readonly queue: string;
  readonly account: string | null;
}

/** An answer that may be used again. */
export interface StoredAnswer {
  readonly answer: WholeAnswer;
  readonly etag: string;
  /** When its call began: what it says was true then or later. Milliseconds since the epoch. */
  readonly begun: number;
  /** Milliseconds after `begun` until which it may be used. */
  readonly life: number;
  /** The settings of its queue under which its call went: under any others it is not used. */
  readonly setting: CoalesceConfig['cache'];
  readonly held: HeldAnswer;
}

/** What may be stored of an answer. */
export type Storable = Omit<StoredAnswer, 'begun'>;

/** A call under way for a key whose answer may be stored. */
export interface Ticket {
  readonly key: string;
  readonly begun: number;
  /** How many writes were known when it began. */
  readonly mark: number;
  /** True when another answer for the key came meanwhile. */
  crossed: boolean;
}

/** A stored answer with its age and its rest of life, whole seconds, so rounded that it never seems younger than it is. */
export interface Found {
  readonly stored: StoredAnswer;
  readonly age: number;
  readonly ttl: number;
}

export interface MicroCacheOptions {
  readonly clock: Clock;
  /** Most bytes and answers that are stored; default 16 MiB and 1024. */
  readonly bytes?: number;
  readonly entries?: number;
}

/** Owners whose last write is known; of the others the newest forgotten one counts. */
const OWNERS = 4096;

const nameOf = ({ queue, account }: Owner): string => JSON.stringify([queue, account]);

/**
 * Answers in memory by key, for a short life. A write of an account drops what is stored for it, and nothing is stored
 * of a call that began before the write ended, so that who wrote reads what it wrote.
 */
export class MicroCache {
  readonly #clock: Clock;
  readonly #mostBytes: number;
  readonly #mostEntries: number;
  readonly #entries = new Map<string, StoredAnswer & { readonly owner: string }>();
  readonly #keys = new Map<string, Set<string>>();
  readonly #flying = new Map<string, Set<Ticket>>();
  readonly #writes = new Map<string, number>();
  #forgotten = 0;
  #count = 0;
  #bytes = 0;

  constructor({ clock, bytes = 16 * 1024 * 1024, entries = 1024 }: MicroCacheOptions) {
    this.#clock = clock;
    this.#mostBytes = bytes;
    this.#mostEntries = entries;
  }

  get size(): number {
    return this.#entries.size;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /**
   * What is stored under a key; `stale` when it is over, and then it is dropped. So is what came under other settings than
   * now: what was seen while there was no cache, or a shorter one, may be newer.
   */
  find(key: string, setting: CoalesceConfig['cache']): Found | 'stale' | null {
    const stored = this.#entries.get(key);
    if (stored === undefined) return null;
    if (stored.setting !== setting) {
      this.#drop(key);
      return null;
    }
    const past = this.#clock.now() - stored.begun;
    // A clock that was set back must not prolong a life.
    if (past >= 0 && past < stored.life) {
      return { stored, age: Math.ceil(past / 1000), ttl: Math.floor((stored.life - past) / 1000) };
    }
    this.#drop(key);
    return 'stale';
  }

  /** A call for the key goes; `land` or `lost` must follow. */
  begin(key: string): Ticket {
    const ticket = { key, begun: this.#clock.now(), mark: this.#count, crossed: false };
    const flying = this.#flying.get(key);
    if (flying === undefined) this.#flying.set(key, new Set([ticket]));
    else flying.add(ticket);
    return ticket;
  }

  /** The call had no answer. */
  lost(ticket: Ticket): void {
    const flying = this.#flying.get(ticket.key);
    flying?.delete(ticket);
    if (flying?.size === 0) this.#flying.delete(ticket.key);
  }

  /**
   * The call was answered; `answer` is null for one that must not be stored. What is older ends in any case: nobody sees time
   * go back. Of two calls that crossed it is not known which is older, so nothing is stored. False when it is not stored.
   */
  land(ticket: Ticket, owner: Owner, answer: Storable | null): boolean {
    this.lost(ticket);
    const { key, begun, mark, crossed } = ticket;
    this.supersede(key);
    const name = nameOf(owner);
    const written = (this.#writes.get(name) ?? this.#forgotten) > mark;
    const bytes = answer?.answer.body.length ?? 0;
    if (answer === null || crossed || written || bytes > this.#mostBytes) return false;
    for (const oldest of this.#entries.keys()) {
      if (this.#entries.size < this.#mostEntries && this.#bytes + bytes <= this.#mostBytes) break;
      this.#drop(oldest);
    }
    answer.held.keep();
    this.#entries.set(key, { ...answer, begun, owner: name });
    this.#bytes += bytes;
    const keys = this.#keys.get(name);
    if (keys === undefined) this.#keys.set(name, new Set([key]));
    else keys.add(key);
    return true;
  }

  /** Somebody got an answer for the key: what is stored ends, and calls that are under way may be older. */
  supersede(key: string): void {
    for (const other of this.#flying.get(key) ?? []) other.crossed = true;
    this.#drop(key);
  }

  /** A write of the owner begins or ended. */
  changed(owner: Owner): void {
    const name = nameOf(owner);
    this.#count += 1;
    this.#writes.delete(name);
    this.#writes.set(name, this.#count);
    if (this.#writes.size > OWNERS) {
      for (const [oldest, count] of this.#writes) {
        this.#writes.delete(oldest);
        this.#forgotten = count;
        break;
      }
    }
    for (const key of this.#keys.get(name) ?? []) this.#drop(key);
  }

  #drop(key: string): void {
    const entry = this.#entries.get(key);
    if (entry === undefined) return;
    this.#entries.delete(key);
    this.#bytes -= entry.answer.body.length;
    entry.held.written();
    const keys = this.#keys.get(entry.owner);
    keys?.delete(key);
    if (keys?.size === 0) this.#keys.delete(entry.owner);
  }
}
