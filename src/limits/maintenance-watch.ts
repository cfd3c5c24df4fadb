import type { Clock } from '../kernel/index.ts';
import type { KeyValue } from '../platform/index.ts';

const POLL = 1000;

/** Records of the store as this replica last read them. */
export interface RecordWatch extends AsyncDisposable {
  /** The record as last read; null: there was none, or nothing was read yet. */
  text(key: string): string | null;
  /** Reads all records now. Never throws: what cannot be read stays as it was. */
  refresh(): Promise<void>;
}

export interface RecordWatchOptions {
  readonly kv: Pick<KeyValue, 'get' | 'subscribe'>;
  readonly clock: Clock;
  /** Where changes are told, so that they are known before the next poll. */
  readonly channel: string;
  readonly keys: () => readonly string[];
  /** After each reading and each second, whether something changed or not: records also end by the clock. */
  readonly onRead: () => void;
}

/**
 * Reads some records of the store each second, and at once when they are said to have changed. With the store away the last
 * known ones stay.
 */
export function createRecordWatch({ kv, clock, channel, keys, onRead }: RecordWatchOptions): RecordWatch {
  const texts = new Map<string, string | null>();
  let subscription: AsyncDisposable | null = null;
  let subscribing: Promise<void> | null = null;
  let reading: Promise<void> | null = null;
  let again = false;
  let closed = false;

  const read = async (key: string): Promise<void> => {
    try {
      const text = await kv.get(key);
      texts.set(key, text);
    } catch {
      // The last known record stays; the store's adapter tells that it is away.
    }
  };
  const readAll = async (): Promise<void> => {
    do {
      again = false;
      await Promise.all(keys().map(read));
    } while (again && !closed);
    reading = null;
    if (!closed) onRead();
  };
  const refresh = (): Promise<void> => {
    // What is asked for while a reading runs may have changed behind it.
    if (reading !== null) again = true;
    reading ??= readAll();
    return reading;
  };
  const subscribe = async (): Promise<void> => {
    try {
      subscription = await kv.subscribe(
        channel,
        () => void refresh(),
        () => void refresh(),
      );
    } catch {
      // Tried again with the next poll, which itself is enough.
    }
    subscribing = null;
  };
  const tick = (): void => {
    if (subscription === null) subscribing ??= subscribe();
    onRead();
    void refresh();
  };
  const timer = clock.every(POLL, tick);
  subscribing = subscribe();
  return {
    text: (key) => texts.get(key) ?? null,
    refresh,
    async [Symbol.asyncDispose]() {
      closed = true;
      timer[Symbol.dispose]();
      await subscribing;
      await reading;
      await subscription?.[Symbol.asyncDispose]();
    },
  };
}
