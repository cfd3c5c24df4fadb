import type { KeyValue, Sealer } from '../../platform/index.ts';
import type { TokenHash } from '../token-record.ts';
import type { PersonRecord } from './person-record.ts';
import type { PersonStore } from './person-store.ts';

/** Something that only one subject may have: a user name, or a personal vovserver account of a queue. */
export interface Claim {
  readonly key: string;
  /** In words, for the person who asks for it. */
  readonly what: string;
}

/** A claim that carries our name. */
export interface Held {
  readonly claim: Claim;
  readonly text: string;
}

/** Whose a claim is; the subject is null when the holder's record cannot be opened or is not there yet. */
export interface Holder {
  readonly kind: 'holder';
  readonly subject: string | null;
}

/**
 * User names and accounts, each under a key of its own. A claim counts while its holder's record lists it, or while it is so
 * young that its holder may be about to write that record; any other is left over from a sign-in that did not end, and may
 * be taken. Every call may throw StoreUnavailable.
 */
export interface Claims {
  /** What a person holds: the user name first, so that this is what a conflict names. */
  of(person: Pick<PersonRecord, 'user' | 'bound'>): readonly Claim[];
  take(id: string, claim: Claim): Promise<Held | Holder>;
  /** Whether a claim is still ours after our record lists it: from then on nobody takes it. */
  confirm(id: string, held: Held): Promise<boolean>;
  /** The claim as it stands, if it carries our name. */
  mine(id: string, claim: Claim): Promise<Held | null>;
  /** Gives a claim up, unless it was confirmed or taken since it was read. */
  giveUp(held: Held): Promise<void>;
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
  const of: Claims['of'] = ({ user, bound }) => {
    const accounts = Object.entries(bound).map(([queue, account]) => ({
      key: `binding:account:{${hash.of('bound-account', JSON.stringify([queue, account]))}}`,
      what: `the vovserver account “${account}” of queue “${queue}”`,
    }));
    const name = { key: `binding:user:{${hash.of('bound-user', user)}}`, what: `the user name “${user}”` };
    // One order for everybody, so that two who want the same things meet at the first of them.
    return [name, ...accounts.sort((a, b) => (a.key < b.key ? -1 : 1))];
  };
  /** The holder of a claim that counts; null for one that is left over. */
  const holder = async ({ key }: Claim, text: string): Promise<Holder | null> => {
    const person = await people.read(idIn(text));
    const record = person?.record ?? null;
    if (person !== null && record === null) return { kind: 'holder', subject: null };
    if (record !== null && of(record).some((claim) => claim.key === key)) {
      return { kind: 'holder', subject: record.subject };
    }
    const at = timeIn(key, text);
    return at !== null && Math.abs(now() - at) < GRACE_MS ? { kind: 'holder', subject: null } : null;
  };
  const tryTake = async (id: string, claim: Claim): Promise<Held | Holder | null> => {
    const { key } = claim;
    const there = await kv.get(key);
    if (there !== null && idIn(there) === id && timeIn(key, there) !== null) return { claim, text: there };
    const other = there === null || idIn(there) === id ? null : await holder(claim, there);
    if (other !== null) return other;
    const text = written(key, id);
    return (await kv.compareAndSet(key, there, text, null)) ? { claim, text } : null;
  };
  return {
    of,
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
      return text !== null && idIn(text) === id ? { claim, text } : null;
    },
    async giveUp({ claim, text }) {
      await kv.compareAndSet(claim.key, text, null, null);
    },
    async holderOf({ key }) {
      const text = await kv.get(key);
      return text === null ? null : idIn(text);
    },
  };
}
