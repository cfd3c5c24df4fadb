import type { Report } from '../../observe/index.ts';
import type { KeyValue, Sealer } from '../../platform/index.ts';
import { putBounded } from '../bounded-put.ts';
import type { TokenHash } from '../token-record.ts';
import { decodePerson, encodePerson, type PersonRecord, type PersonText } from './person-record.ts';

/** What lies in the store under an id. */
export interface StoredPerson {
  readonly text: string;
  /** Of an unreadable text: the newest that was seen under the id. */
  readonly version: number;
  /** Null when the person was removed, and when the text is unreadable. */
  readonly record: PersonRecord | null;
  /** True when the text cannot be opened, or is older than one that this replica has seen. */
  readonly unreadable: boolean;
  /** What a text says that is too old; nobody may act by it. */
  readonly outdated: PersonText | null;
}

/** Where people are kept: sealed, under keyed hashes of their subjects. Every call may throw StoreUnavailable. */
export interface PersonStore {
  /** Names a subject in keys of the store. */
  idOf(subject: string): string;
  read(id: string): Promise<StoredPerson | null>;
  /** Puts a record in place of what was read before; null when another was quicker. */
  replace(id: string, before: StoredPerson | null, record: PersonRecord): Promise<Written | null>;
  /** Puts back what was there before a replacement; false when that was replaced meanwhile. */
  restore(id: string, after: Written, before: StoredPerson | null): Promise<boolean>;
  /** False when another was quicker. */
  remove(id: string, before: StoredPerson): Promise<boolean>;
  all(): Promise<{ readonly id: string; readonly record: PersonRecord }[]>;
}

/** A record that was written. */
export interface Written {
  readonly text: string;
  readonly version: number;
  readonly record: PersonRecord;
}

export interface PersonStoreOptions {
  readonly kv: KeyValue;
  readonly sealer: Sealer;
  readonly hash: Pick<TokenHash, 'of'>;
  readonly report?: Pick<Report, 'log'> | undefined;
  readonly now: () => number;
}

const INDEX = 'people';
/** The mark of a removal outlives every difference between the clocks of two replicas. */
const REMEMBER_REMOVED = 86_400_000;
const REREADS = 3;
/** People whose newest version is remembered. */
const CAPACITY = 100_000;
const keyOf = (id: string): string => `person:{${id}}`;

/** Creates the store of people over a key-value store. */
export function createPersonStore(options: PersonStoreOptions): PersonStore {
  const { kv, hash, now } = options;
  const versions = createVersions();
  const { sealed, opened } = createSeal(options, versions);
  const idOf = (subject: string): string => hash.of('person', subject);
  const put = async (id: string, before: string | null, next: PersonText): Promise<string | null> => {
    const text = sealed(id, next);
    const ttl = next.record === null ? REMEMBER_REMOVED : null;
    if (!(await kv.compareAndSet(keyOf(id), before, text, ttl))) return null;
    versions.see(id, next.version);
    return text;
  };
  const after = (id: string, before: Pick<StoredPerson, 'version'> | null): number =>
    Math.max(now(), (before?.version ?? 0) + 1, versions.newest(id) + 1);
  const read = async (id: string): Promise<StoredPerson | null> => {
    let text = await kv.get(keyOf(id));
    let stored = text === null ? null : await opened(id, text);
    // Read while a newer one was written here: only what still lies there is too old.
    for (let again = 0; again < REREADS && stored?.outdated; again++) {
      text = await kv.get(keyOf(id));
      if (text === stored.text) return told(stored);
      stored = text === null ? null : await opened(id, text);
    }
    return stored;
  };
  const told = (stored: StoredPerson): StoredPerson => {
    const what = 'a stored person is older than it was: somebody put it back, or the store lost a write';
    options.report?.log.warn({ event: 'person_outdated' }, what);
    return stored;
  };
  return {
    idOf,
    read,
    async replace(id, before, record) {
      const version = after(id, before);
      const text = await put(id, before?.text ?? null, { version, record });
      if (text === null) return null;
      await kv.addToSet(INDEX, id);
      return { text, version, record };
    },
    async restore(id, written, before) {
      if (before?.unreadable) return await kv.compareAndSet(keyOf(id), written.text, before.text, null);
      // Under a version of its own: others may have seen what is taken back.
      const next = { version: after(id, written), record: before?.record ?? null };
      return (await put(id, written.text, next)) !== null;
    },
    async remove(id, before) {
      // In this order, and a new record the other way round: so one that outlives this is listed.
      await kv.removeFromSet(INDEX, id);
      if ((await put(id, before.text, { version: after(id, before), record: null })) !== null) return true;
      await kv.addToSet(INDEX, id);
      return false;
    },
    async all() {
      const ids = await kv.members(INDEX);
      const found = await Promise.all(ids.map(async (id) => ({ id, record: (await read(id))?.record ?? null })));
      // Under an earlier tokenKey the same subject had another id, which nobody will ask for again.
      return found.flatMap(({ id, record }) => (record === null || idOf(record.subject) !== id ? [] : { id, record }));
    },
  };
}

interface Versions {
  newest(id: string): number;
  see(id: string, version: number): void;
}

/** The newest version of each person that this replica has seen. */
function createVersions(): Versions {
  const seen = new Map<string, number>();
  const newest = (id: string): number => seen.get(id) ?? -1;
  return {
    newest,
    see(id, version) {
      if (version > newest(id)) putBounded(seen, id, version, CAPACITY);
    },
  };
}

function createSeal({ kv, sealer, report }: PersonStoreOptions, versions: Versions) {
  const sealed = (id: string, text: PersonText): string => sealer.seal(encodePerson(text), keyOf(id));
  /** Only one previous key opens: what is read follows the rotation. The text as it lies there when it could not be changed. */
  const reseal = async (id: string, text: string, content: PersonText): Promise<string> => {
    const next = sealed(id, content);
    return (await kv.compareAndSet(keyOf(id), text, next, null).catch(() => false)) ? next : text;
  };
  const unreadable = (id: string, text: string, outdated: PersonText | null): StoredPerson => ({
    text,
    version: versions.newest(id),
    record: null,
    unreadable: true,
    outdated,
  });
  return {
    sealed,
    async opened(id: string, text: string): Promise<StoredPerson> {
      const plain = sealer.open(text, keyOf(id));
      const content = plain === null ? null : decodePerson(plain);
      if (content === null) {
        report?.log.warn({ event: 'person_unreadable' }, 'a stored person cannot be opened');
        return unreadable(id, text, null);
      }
      const { version, record } = content;
      if (version < versions.newest(id)) return unreadable(id, text, content);
      versions.see(id, version);
      const kept = record === null || sealer.isCurrent(text) ? text : await reseal(id, text, content);
      return { text: kept, version, record, unreadable: false, outdated: null };
    },
  };
}
