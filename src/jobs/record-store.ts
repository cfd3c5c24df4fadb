import { GatewayError } from '../kernel/index.ts';
import type { Report } from '../observe/index.ts';
import { type KeyValue, type Sealer, StoreUnavailable } from '../platform/index.ts';
import { decodeRecord, encodeRecord, type SubmissionRecord } from './record.ts';

/** A record as it stands in the store; `raw` is what a change must find there. */
export interface Stored {
  readonly raw: string;
  readonly record: SubmissionRecord;
}

/** Keeps records of submissions, sealed and changed by comparison only. Every call may throw StoreUnavailable. */
export interface RecordStore {
  /** Throws GW_STORE_UNAVAILABLE for a record that cannot be opened: it must not be taken for none. */
  read(id: string): Promise<Stored | null>;
  /** Puts `next` in the place of `from` (null: of nothing); null when something else was there. */
  put(id: string, from: Stored | null, next: SubmissionRecord, lifeMs: number): Promise<Stored | null>;
  /** False when something else was there. */
  drop(id: string, from: Stored): Promise<boolean>;
}

export interface RecordStoreOptions {
  readonly kv: KeyValue;
  readonly sealer: Sealer;
  readonly report: Pick<Report, 'log'>;
}

const keyOf = (id: string): string => `submission:{${id}}`;

/** Creates the store of submissions over a key-value store. */
export function createRecordStore({ kv, sealer, report }: RecordStoreOptions): RecordStore {
  return {
    async read(id) {
      const raw = await kv.get(keyOf(id));
      if (raw === null) return null;
      const text = sealer.open(raw, keyOf(id));
      const record = text === null ? null : decodeRecord(text);
      if (record !== null) return { raw, record };
      report.log.error({ event: 'submission_unreadable' }, 'the record of a submission cannot be opened');
      throw new GatewayError('GW_STORE_UNAVAILABLE', 'The record of this submission cannot be read.', {
        internal: 'sealed by another key, or damaged',
        retryAfter: 30,
      });
    },
    async put(id, from, next, lifeMs) {
      const raw = sealer.seal(encodeRecord(next), keyOf(id));
      const done = await kv.compareAndSet(keyOf(id), from?.raw ?? null, raw, lifeMs);
      return done ? { raw, record: next } : null;
    },
    drop: (id, from) => kv.compareAndSet(keyOf(id), from.raw, null, null),
  };
}

/** Runs a step before anything was sent: a store that is away is GW_STORE_UNAVAILABLE. */
export async function orRefuse<T>(step: () => Promise<T>): Promise<T> {
  try {
    return await step();
  } catch (error) {
    if (!(error instanceof StoreUnavailable)) throw error;
    const detail = 'The shared store is away, so this submission cannot be made at most once. Nothing was sent.';
    throw new GatewayError('GW_STORE_UNAVAILABLE', detail, { cause: error, retryAfter: 5 });
  }
}
