import type { KeyValue, Sealer } from '../../platform/index.ts';
import type { TokenHash } from '../token-record.ts';
import type { FormerName, PersonRecord } from './person-record.ts';
import type { PersonStore } from './person-store.ts';

/** Something that only one subject may have: a user name, or a personal vovserver account of a queue. */
export interface Claim {
  readonly key: string;
  /** Where the holder's id lies a second time: a lost key alone makes nothing free. */
  readonly copy: string;
  /** In words, for the person who asks for it. */
  readonly what: string;
}

/** A claim that carries our name. */
export interface Held {
  readonly claim: Claim;
  readonly text: string;
  /** True when it was taken just now, false when it carried our name before. */
  readonly isNew: boolean;
}

/** Whose a claim is; the subject is null when the holder's record cannot be opened or is not there yet. */
export interface Holder {
  readonly kind: 'holder';
  readonly subject: string | null;
}

/**
 * User names and accounts, each under a key of its own. A claim counts while its holder's record lists it, or while it is so
 * young that its holder may be about to write that record; any other is left over from a sign-in that did not end, and may
 * be taken. An absent one is not free while the copy of it names a person whose record lists it. Every call may throw
 * StoreUnavailable.
 */
export interface Claims {
  /** A user name and its accounts: the user name first, so that this is what a conflict names. */
  of(name: FormerName): readonly Claim[];
  /** What a person holds, former names last. */
  allOf(person: Pick<PersonRecord, 'user' | 'bound' | 'former'>): readonly Claim[];
  take(id: string, claim: Claim): Promise<Held | Holder>;
  /** Whether a claim is still ours after our record lists it: from then on nobody takes it. */
  confirm(id: string, held: Held): Promise<boolean>;
  /** The claim as it stands, if it carries our name. */
  mine(id: string, claim: Claim): Promise<Held | null>;
  /** Gives a claim up, unless it was confirmed or taken since it was read. */
  giveUp(held: Held): Promise<void>;
  /** Writes the copies of claims that our record lists, where they are missing. */
  keepCopies(id: string, claims: readonly Claim[]): Promise<void>;
  /** Id of the person whose name a claim carries. */
  holderOf(claim: Claim): Promise<string | null>;
}

export interface ClaimsOptions {
  readonly kv: KeyValue;
  readonly sealer: Sealer;
  readonly hash: Pick<TokenHash, 'of'>;
  readonly people: Pick<PersonStore, 'read'>;
  readonly now: () => number;
}

/** Far longer than a sign-in takes between its first claim and its record. */
const GRACE_MS = 60_000;
const TRIES = 5;

/** Names of claims: keyed hashes, so that a dump of the store shows nobody. */
function createNames(hash: ClaimsOptions['hash']): Pick<Claims, 'of' | 'allOf'> {
  const of: Claims['of'] = ({ user, bound }) => {
    const claim = (kind: string, name: string, what: string): Claim => {
      const tag = hash.of(`bound-${kind}`, name);
      return { key: `binding:${kind}:{${tag}}`, copy: `holder:${kind}:{${tag}}`, what };
    };
    const accounts = Object.entries(bound).map(([queue, account]) =>
      claim('account', JSON.stringify([queue, account]), `the vovserver account “${account}” of queue “${queue}”`),
    );
    const name = claim('user', user, `the user name “${user}”`);
    // One order for everybody, so that two who want the same things meet at the first of them.
    return [name, ...accounts.sort((a, b) => (a.key < b.key ? -1 : 1))];
  };
  const allOf: Claims['allOf'] = (person) => [of(person), ...person.former.map(of)].flat();
  return { of, allOf };
}

/** Creates the claims over a key-value store; a value is the holder's id and the sealed time of the claim. */
export function createClaims({ kv, sealer, hash, people, now }: ClaimsOptions): Claims {
  const sealOf = (key: string, id: string): string => `${key}:${id}`;
  const written = (key: string, id: string): string => `${id}.${sealer.seal(String(now()), sealOf(key, id))}`;
  const idIn = (text: string): string => text.slice(0, Math.max(0, text.indexOf('.')));
  const timeIn = (key: string, text: string): number | null => {
    const id = idIn(text);
    const at = sealer.open(text.slice(id.length + 1), sealOf(key, id));
    return at === null ? null : Number(at);
  };
  const { of, allOf } = createNames(hash);
  /** The person of an id if their record lists the claim, or cannot be read. */
  const lister = async ({ key }: Claim, id: string): Promise<Holder | null> => {
    const person = await people.read(id);
    if (person?.unreadable) return { kind: 'holder', subject: null };
    const record = person?.record ?? null;
    if (record === null || allOf(record).every((claim) => claim.key !== key)) return null;
    return { kind: 'holder', subject: record.subject };
  };
  /** The holder of a claim that counts; null for one that is left over. */
  const holder = async (claim: Claim, text: string): Promise<Holder | null> => {
    const { key } = claim;
    const listed = await lister(claim, idIn(text));
    if (listed !== null) return listed;
    const at = timeIn(key, text);
    return at !== null && Math.abs(now() - at) < GRACE_MS ? { kind: 'holder', subject: null } : null;
  };
  const tryTake = async (id: string, claim: Claim): Promise<Held | Holder | null> => {
    const { key } = claim;
    const there = await kv.get(key);
    if (there !== null && idIn(there) !== id) {
      const other = await holder(claim, there);
      if (other !== null) return other;
    }
    // Also of what is ours: somebody may be handing it over.
    const copied = await kv.get(claim.copy);
    const copyHolder = copied === null || copied === id ? null : await lister(claim, copied);
    if (copyHolder !== null) return copyHolder;
    if (there !== null && idIn(there) === id && timeIn(key, there) !== null)
      return { claim, text: there, isNew: false };
    const text = written(key, id);
    return (await kv.compareAndSet(key, there, text, null)) ? { claim, text, isNew: true } : null;
  };
  const keepCopy = async (id: string, copy: string): Promise<void> => {
    if ((await kv.get(copy)) !== id) await kv.set(copy, id, null);
  };
  return {
    of,
    allOf,
    async take(id, claim) {
      for (let tries = 0; tries < TRIES; tries++) {
        const taken = await tryTake(id, claim);
        if (taken !== null) return taken;
      }
      // Whoever was quicker each time has it.
      return { kind: 'holder', subject: null };
    },
    confirm: (id, { claim, text }) => kv.compareAndSet(claim.key, text, written(claim.key, id), null),
    async mine(id, claim) {
      const text = await kv.get(claim.key);
      return text !== null && idIn(text) === id ? { claim, text, isNew: false } : null;
    },
    async giveUp({ claim, text }) {
      if (await kv.compareAndSet(claim.key, text, null, null)) {
        await kv.compareAndSet(claim.copy, idIn(text), null, null);
      }
    },
    async keepCopies(id, some) {
      await Promise.all(some.map(({ copy }) => keepCopy(id, copy)));
    },
    async holderOf({ key }) {
      const text = await kv.get(key);
      return text === null ? null : idIn(text);
    },
  };
}
