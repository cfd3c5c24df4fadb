import type { Report } from '../../observe/index.ts';
import type { KeyValue, Sealer } from '../../platform/index.ts';
import type { TokenHash } from '../token-record.ts';
import { decodePerson, encodePerson, type PersonRecord } from './person-record.ts';

/** A record as it lies in the store; null when it cannot be opened. */
export interface StoredPerson {
  readonly text: string;
  readonly record: PersonRecord | null;
}

/** Where people are kept: sealed, under keyed hashes of their subjects. Every call may throw StoreUnavailable. */
export interface PersonStore {
  /** Names a subject in keys of the store. */
  idOf(subject: string): string;
  read(id: string): Promise<StoredPerson | null>;
  /** Puts a record in place of what was read before; the new text, or null when another was quicker. */
  replace(id: string, before: string | null, record: PersonRecord): Promise<string | null>;
  /** Puts back what was there before a replacement, unless that was replaced meanwhile. */
  restore(id: string, text: string, before: string | null): Promise<void>;
  remove(id: string): Promise<void>;
  all(): Promise<{ readonly id: string; readonly record: PersonRecord }[]>;
}

export interface PersonStoreOptions {
  readonly kv: KeyValue;
  readonly sealer: Sealer;
  readonly hash: Pick<TokenHash, 'of'>;
  readonly report?: Pick<Report, 'log'> | undefined;
}

const INDEX = 'people';
const keyOf = (id: string): string => `person:{${id}}`;

/** Creates the store of people over a key-value store. */
export function createPersonStore({ kv, sealer, hash, report }: PersonStoreOptions): PersonStore {
  const idOf = (subject: string): string => hash.of('person', subject);
  const opened = (id: string, text: string): PersonRecord | null => {
    const plain = sealer.open(text, keyOf(id));
    const record = plain === null ? null : decodePerson(plain);
    if (record !== null) return record;
    report?.log.warn({ event: 'person_unreadable' }, 'a stored person cannot be opened');
    return null;
  };
  const read = async (id: string): Promise<StoredPerson | null> => {
    const text = await kv.get(keyOf(id));
    if (text === null) return null;
    const record = opened(id, text);
    return { text: record === null || sealer.isCurrent(text) ? text : await reseal(id, text, record), record };
  };
  /** Only one previous key opens: what is read follows the rotation. The text as it lies there when it could not be changed. */
  const reseal = async (id: string, text: string, record: PersonRecord): Promise<string> => {
    const next = sealer.seal(encodePerson(record), keyOf(id));
    return (await kv.compareAndSet(keyOf(id), text, next, null).catch(() => false)) ? next : text;
  };
  return {
    idOf,
    read,
    async replace(id, before, record) {
      const text = sealer.seal(encodePerson(record), keyOf(id));
      if (!(await kv.compareAndSet(keyOf(id), before, text, null))) return null;
      await kv.addToSet(INDEX, id);
      return text;
    },
    async restore(id, text, before) {
      await kv.compareAndSet(keyOf(id), text, before, null);
    },
    async remove(id) {
      // In this order, and a new record the other way round: so one that outlives this is listed.
      await kv.removeFromSet(INDEX, id);
      await kv.delete(keyOf(id));
    },
    async all() {
      const ids = await kv.members(INDEX);
      const found = await Promise.all(ids.map(async (id) => ({ id, record: (await read(id))?.record ?? null })));
      // Under an earlier tokenKey the same subject had another id, which nobody will ask for again.
      return found.flatMap(({ id, record }) => (record === null || idOf(record.subject) !== id ? [] : { id, record }));
    },
  };
}
