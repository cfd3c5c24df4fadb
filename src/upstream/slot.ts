import type { ServerResponse } from 'node:http';
import type { Flight } from './flight.ts';
import type { FlightLine } from './flight-line.ts';
import type { AfterStream } from './plain-way.ts';

/** Who is told when a streamed answer of a slot ended. */
export interface SlotOwner {
  streamed(slot: Slot, bytes: number): void;
}

/** What is under way for one key. A slot in which nothing is under way is used again for another. */
export class Slot implements AfterStream {
  key: string;
  /** The next one of its place in the table. */
  after: Slot | null = null;
  readonly #owner: SlotOwner;
  busy = false;
  /** The reader of a running call that is streamed to it alone, and how long its answer may be to be shared. */
  reader: ServerResponse | null = null;
  maxBytes = 0;
  /** The running call when its answer is for several. */
  running: Flight | null = null;
  /** Who waits for the call after it, which did not begin yet. */
  next: Flight | null = null;
  /** Where they wait for its turn; null while the running call is in its way. */
  line: FlightLine | null = null;
  patience: Disposable | null = null;
  /** True when those who wait gave up on the running call; another slot has the key. */
  left = false;

  constructor(key: string, owner: SlotOwner) {
    this.key = key;
    this.#owner = owner;
  }

  streamed(bytes: number): void {
    this.#owner.streamed(this, bytes);
  }
}

/** Places of the table: a power of two. */
const PLACES = 1024;
/** So many last characters of a target decide its place. */
const LOOKED_AT = 12;

/** Where reads of a target stand: quick, not perfect; two in one place cost one comparison. */
function placeOf(target: string, account: string): number {
  let hash = account.length * 31 + target.length;
  for (let at = Math.max(0, target.length - LOOKED_AT); at < target.length; at += 1) {
    hash = (hash * 31 + target.charCodeAt(at)) | 0;
  }
  for (let at = Math.max(0, account.length - LOOKED_AT); at < account.length; at += 1) {
    hash = (hash * 31 + account.charCodeAt(at)) | 0;
  }
  return (hash ^ (hash >>> 15)) & (PLACES - 1);
}

/**
 * The slots by key. No Map: reads of ever other targets would fill and empty it thousands of times a second, and its old
 * tables keep every slot alive until the next full garbage collection.
 */
export class SlotTable {
  readonly #owner: SlotOwner;
  readonly #most: number;
  readonly #places: (Slot | null)[] = new Array<Slot | null>(PLACES).fill(null);
  #size = 0;

  /** At most `most` slots are kept. */
  constructor(owner: SlotOwner, most: number) {
    this.#owner = owner;
    this.#most = most;
  }

  /** The busy slot of a key, or a free one that is now the key's; null when all are busy. `call` is one of the key. */
  of(
    key: string,
    { target, account }: { readonly target: string; readonly account: string },
    common: boolean,
  ): Slot | null {
    const place = placeOf(target, common ? '' : account);
    let free: Slot | null = null;
    for (let slot = this.#places[place] ?? null; slot !== null; slot = slot.after) {
      if (!slot.busy) free = slot;
      else if (slot.key === key) return slot;
    }
    if (free !== null) {
      free.key = key;
      return free;
    }
    if (this.#size >= this.#most) this.#dropFree();
    return this.#size >= this.#most ? null : this.#add(place, key);
  }

  /** Puts another slot in the place of one that goes its own way from now on. */
  replace(old: Slot): Slot {
    for (const [place, first] of this.#places.entries()) {
      for (let slot = first, before: Slot | null = null; slot !== null; before = slot, slot = slot.after) {
        if (slot !== old) continue;
        if (before === null) this.#places[place] = slot.after;
        else before.after = slot.after;
        this.#size -= 1;
        return this.#add(place, old.key);
      }
    }
    return new Slot(old.key, this.#owner);
  }

  #add(place: number, key: string): Slot {
    const slot = new Slot(key, this.#owner);
    slot.after = this.#places[place] ?? null;
    this.#places[place] = slot;
    this.#size += 1;
    return slot;
  }

  #dropFree(): void {
    let size = 0;
    for (const [place, first] of this.#places.entries()) {
      let kept: Slot | null = null;
      for (let slot = first; slot !== null; ) {
        const { after } = slot;
        if (slot.busy) {
          slot.after = kept;
          kept = slot;
          size += 1;
        }
        slot = after;
      }
      this.#places[place] = kept;
    }
    this.#size = size;
  }
}
