import type { KeyValue } from '../../platform/index.ts';
import { PUT_ON_SHELF, readShelf } from '../shelf-script.ts';

/** Sessions that one person (or one key of a provider) may have at once; the oldest ends for the next. */
const CAP = 100;
const TRIES = 3;

/** Lists of public session ids under a key; each id leaves by itself when its session ends for good. */
export interface Shelves {
  /** Gives the ids that had to leave. */
  put(shelf: string, id: string, expiresAt: number): Promise<string[]>;
  ids(shelf: string): Promise<string[]>;
  /** Best effort: an id that stays stands for nothing and leaves at its end. */
  drop(shelf: string, id: string): Promise<void>;
}

/** Creates the shelves over a key-value store. */
export function createShelves(kv: KeyValue, now: () => number): Shelves {
  const dropOnce = async (shelf: string, id: string): Promise<boolean> => {
    const before = await kv.get(shelf);
    const left = readShelf(before).filter((entry) => entry.id !== id);
    if (before === null) return true;
    const life = Math.max(1, ...left.map((entry) => entry.expiresAt - now()));
    const next = left.length === 0 ? null : left.map((entry) => `${entry.id}:${entry.expiresAt}`).join(',');
    return kv.compareAndSet(shelf, before, next, next === null ? null : life);
  };
  return {
    async put(shelf, id, expiresAt) {
      return (await kv.run(PUT_ON_SHELF, [shelf], [id, expiresAt, now(), CAP])).map(String);
    },
    async ids(shelf) {
      return readShelf(await kv.get(shelf)).map((entry) => entry.id);
    },
    async drop(shelf, id) {
      for (let left = TRIES; left > 0; left--) if (await dropOnce(shelf, id)) return;
    },
  };
}
