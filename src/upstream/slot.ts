import type { ServerResponse } from 'node:http';
import type { Flight } from './flight.ts';
import type { AfterStream } from './plain-way.ts';

/** Who is told when a streamed answer of a slot ended. */
export interface SlotOwner {
  streamed(slot: Slot, bytes: number): void;
}

/** What is under way for one key. */
export class Slot implements AfterStream {
  readonly key: string;
  readonly #owner: SlotOwner;
  busy = false;
  /** The reader of a running call that is streamed to it alone, and how long its answer may be to be shared. */
  reader: ServerResponse | null = null;
  maxBytes = 0;
  /** The running call when its answer is for several. */
  running: Flight | null = null;
  /** Who waits for the call after it, which did not begin yet. */
  next: Flight | null = null;
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
