import { isDeepStrictEqual } from 'node:util';
import type { RememberedPerson } from '../../identity/index.ts';
import type { Account } from '../../kernel/index.ts';
import type { Claim, Claims, Held } from './claims.ts';
import { formerNames } from './former-names.ts';
import type { FormerName, PersonRecord } from './person-record.ts';
import type { PersonStore, StoredPerson } from './person-store.ts';

/** Who wants to be admitted. */
export type Newcomer = Omit<RememberedPerson, 'bound'> & Pick<PersonRecord, 'bound'>;

/**
 * Whether somebody came with a token of a program: it may say less of a person (no groups, as a rule) than the sign-in that
 * is remembered, and comes far more often. So it replaces nothing that the remembered person has already.
 */
export type IsProgram = (provider: string) => boolean;

export type Admission =
  | { readonly kind: 'admitted'; readonly text: string; readonly record: PersonRecord; readonly isNew: boolean }
  /** A claim is another's; `by` is null when it is not known whose. */
  | { readonly kind: 'conflict'; readonly claim: Claim; readonly by: string | null }
  /** Why the person is not let in. */
  | { readonly kind: 'denied'; readonly reason: string };

export interface AdmissionOptions {
  readonly isProgram: IsProgram;
  readonly store: PersonStore;
  readonly claims: Claims;
  readonly now: () => number;
  /** Told before a person gets accounts: what others left at the gateway for them must go. */
  readonly onNewAccounts: (subject: string, accounts: readonly Account[]) => Promise<void>;
}

/** The time of the last sign-in is written at most this often, and the claims looked at. */
const SEEN_EVERY = 60_000;
const TRIES = 10;
/** Former names with their accounts that a person may have; more are the fault of the identity provider. */
const MOST_FORMER = 32;

/**
 * Gives a person their user name and accounts and remembers them: all of it or nothing. Null when others changed the same
 * person in each of the tries. May throw StoreUnavailable; what is left over then holds nobody up for longer than a minute.
 */
export async function admitPerson(options: AdmissionOptions, person: Newcomer): Promise<Admission | null> {
  const id = options.store.idOf(person.subject);
  for (let tries = 0; tries < TRIES; tries++) {
    const before = await options.store.read(id);
    const admission = left(options, before, person) ?? (await settle(options, id, before, person));
    if (admission !== null) return admission;
  }
  return null;
}

/** What is decided without a change of the record; null: it has to be settled. */
function left(
  { claims, isProgram, now }: AdmissionOptions,
  before: StoredPerson | null,
  person: Newcomer,
): Admission | null {
  const record = before?.record ?? null;
  if (before === null || record === null) return null;
  const isGuest = isProgram(person.provider) && !isProgram(record.provider) && record.lastSignInAt > 0;
  // A program may say less than the sign-in that was refused, so it does not outdo that.
  if (isGuest && record.denied) return { kind: 'denied', reason: 'the last sign-in of this person was refused' };
  const isTheirs = isGuest && without(claims.of(person), claims.allOf(record)).length === 0;
  if (!isTheirs && !isSame(record, person, now())) return null;
  return { kind: 'admitted', text: before.text, record, isNew: false };
}

const isSame = (record: PersonRecord, person: Newcomer, now: number): boolean => {
  const { since: _, lastSignInAt, former: __, denied, ...rest } = record;
  return !denied && Math.abs(now - lastSignInAt) < SEEN_EVERY && isDeepStrictEqual(rest, { ...person });
};

/** One try; null when the person was changed by another at the same time. */
async function settle(
  { store, claims, now, onNewAccounts }: AdmissionOptions,
  id: string,
  before: StoredPerson | null,
  person: Newcomer,
): Promise<Admission | null> {
  const old = before?.record ?? before?.outdated?.record ?? null;
  const former = formerNames(old, person);
  if (former.length > MOST_FORMER) {
    return { kind: 'denied', reason: `has had ${MOST_FORMER} names: free some with vovgw binding remove` };
  }
  const had = old === null ? [] : claims.allOf(old);
  const taken = await takeAll(claims, id, claims.of(person), had);
  if ('kind' in taken) return taken;
  const newAccounts = accountsOf(claims, person, old === null || old.lastSignInAt === 0 ? [] : had);
  if (newAccounts.length > 0) await onNewAccounts(person.subject, newAccounts);
  const since = old?.user === person.user ? old.since : now();
  const record: PersonRecord = { ...person, former, denied: false, since, lastSignInAt: now() };
  const written = await store.replace(id, before, record);
  if (written === null) return null;
  const sure = await Promise.all(taken.map((held) => claims.confirm(id, held)));
  if (sure.includes(false)) {
    if (!(await store.restore(id, written, before))) await disown({ store, claims }, id, taken, before);
    return null;
  }
  // A former name whose key was lost is taken anew; one that another has by now is no reason to keep its person out.
  for (const claim of former.flatMap(claims.of)) await claims.take(id, claim);
  await claims.keepCopies(id, claims.allOf(record));
  return { kind: 'admitted', text: written.text, record, isNew: old === null || old.lastSignInAt === 0 };
}

/** Takes claims that others got out of a record that was changed by others too, and so cannot be put back as it was. */
async function disown(
  { store, claims }: Pick<AdmissionOptions, 'store' | 'claims'>,
  id: string,
  taken: readonly Held[],
  before: StoredPerson | null,
): Promise<void> {
  const holders = await Promise.all(taken.map(({ claim }) => claims.holderOf(claim)));
  const lost = new Set(taken.filter((_, at) => holders[at] !== id).map(({ claim }) => claim.key));
  const isLost = (name: FormerName): boolean => claims.of(name).some(({ key }) => lost.has(key));
  for (let tries = 0; tries < TRIES; tries++) {
    const now = await store.read(id);
    const record = now?.record ?? null;
    if (now === null || record === null || [record, ...record.former].every((name) => !isLost(name))) return;
    const former = record.former.filter((name) => !isLost(name));
    const old = isLost(record) ? (before?.record ?? null) : record;
    const next = old === null || isLost(old) ? null : { ...record, user: old.user, bound: old.bound, former };
    if (next === null ? await store.remove(id, now) : (await store.replace(id, now, next)) !== null) return;
  }
}

/** The accounts of a person that are not among the claims they had. */
function accountsOf(claims: Claims, { user, bound }: Newcomer, had: readonly Claim[]): Account[] {
  return Object.entries(bound)
    .filter(([queue, account]) => {
      const [, ...own] = claims.of({ user, bound: { [queue]: account } });
      return without(own, had).length > 0;
    })
    .map(([queue, name]) => ({ queue, name, shared: false }));
}

/** All claims, one after the other; those that are new to us, or the first that is another's after giving the new ones back. */
async function takeAll(
  claims: Claims,
  id: string,
  wanted: readonly Claim[],
  had: readonly Claim[],
): Promise<Held[] | Extract<Admission, { kind: 'conflict' }>> {
  const fresh: Held[] = [];
  for (const claim of wanted) {
    const taken = await claims.take(id, claim);
    if ('kind' in taken) {
      // What carried our name before may be in a record that is newer than the one we read.
      await Promise.all(fresh.filter(({ isNew }) => isNew).map(claims.giveUp));
      return { kind: 'conflict', claim, by: taken.subject };
    }
    if (without([claim], had).length > 0) fresh.push(taken);
  }
  return fresh;
}

/**
 * Notes in the record of a known person what the identity provider says of them now, although they were not let in: what
 * they had before must not stay in force. `denied`: by the rules. False when others changed the person in each of the tries.
 */
export async function noteRefusal(
  { store, claims, isProgram }: AdmissionOptions,
  said: Pick<RememberedPerson, 'subject' | 'provider' | 'providerGroups' | 'attributes'>,
  denied: boolean,
): Promise<boolean> {
  const id = store.idOf(said.subject);
  for (let tries = 0; tries < TRIES; tries++) {
    const before = await store.read(id);
    const record = before?.record ?? null;
    if (record === null || record.lastSignInAt === 0) return true;
    if (isProgram(said.provider) && !isProgram(record.provider)) return true;
    const next = { ...record, ...said, denied: denied || record.denied };
    // A record whose name another took is about to be put back by the sign-in that wrote it; to change it would keep it.
    if (tries < TRIES / 2 && (await anyOfOthers(claims, id, claims.of(record)))) continue;
    if (isDeepStrictEqual(next, record) || (await store.replace(id, before, next)) !== null) return true;
  }
  return false;
}

async function anyOfOthers(claims: Claims, id: string, some: readonly Claim[]): Promise<boolean> {
  const holders = await Promise.all(some.map(claims.holderOf));
  return holders.some((holder) => holder !== null && holder !== id);
}

/** Those of some claims that carry our name, as they stand. */
export async function allMine(claims: Claims, id: string, some: readonly Claim[]): Promise<Held[]> {
  const found = await Promise.all(some.map((claim) => claims.mine(id, claim)));
  return found.filter((held) => held !== null);
}

/** Those claims that are not among the others. */
export const without = (claims: readonly Claim[], others: readonly Claim[]): Claim[] =>
  claims.filter(({ key }) => others.every((other) => other.key !== key));
