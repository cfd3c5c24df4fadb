import type { ServerResponse } from 'node:http';
import type { Flight } from './flight.ts';

/** What is under way for one key. */
export interface Slot {
  readonly key: string;
  busy: boolean;
  /** The reader of a running call that is streamed to it alone. */
  reader: ServerResponse | null;
  /** The running call when its answer is for several. */
  running: Flight | null;
  /** Who waits for the call after it, which did not begin yet. */
  next: Flight | null;
  patience: Disposable | null;
  /** True when those who wait gave up on the running call; another slot has the key. */
  left: boolean;
}

/** A slot in which nothing is under way. */
export const slotOf = (key: string): Slot => ({
  key,
  busy: false,
  reader: null,
  running: null,
  next: null,
  patience: null,
  left: false,
});
