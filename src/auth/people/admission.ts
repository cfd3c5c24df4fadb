import { isDeepStrictEqual } from 'node:util';
import type { RememberedPerson } from '../../identity/index.ts';
import type { Claim, Claims, Held } from './claims.ts';
import type { PersonRecord } from './person-record.ts';
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
  | { readonly kind: 'conflict'; readonly claim: Claim; readonly by: string | null };

export interface AdmissionOptions {
  readonly isProgram: IsProgram;
  readonly store: PersonStore;
  readonly claims: Claims;
  readonly now: () => number;
}

/** The time of the last sign-in is written at most this often, and the claims looked at. */
const SEEN_EVERY = 60_000;
const TRIES = 10;

/**
 * Gives a person their user name and accounts and remembers them: all of it or nothing. Null when others changed the same
 * person in each of the tries. May throw StoreUnavailable; what is left over then holds nobody up for longer than a minute.
 */
export async function admitPerson(options: AdmissionOptions, person: Newcomer): Promise<Admission | null> {
  const id = options.store.idOf(person.subject);
  for (let tries = 0; tries < TRIES; tries++) {
    const before = await options.store.read(id);
    const leave = isSame(before?.record, person, options.now()) || isGuest(options, before?.record, person);
    const admission = leave ? kept(before) : null;
    const settled = admission ?? (await settle(options, id, before, person));
    if (settled !== null) return settled;
  }
  return null;
}

const isSame = (record: PersonRecord | null | undefined, person: Newcomer, now: number): boolean => {
  if (!record || Math.abs(now - record.lastSignInAt) >= SEEN_EVERY) return false;
  const { since: _, lastSignInAt: __, ...rest } = record;
  return isDeepStrictEqual(rest, { ...person });
};

const isGuest = (
  { claims, isProgram }: AdmissionOptions,
  record: PersonRecord | null | undefined,
  person: Newcomer,
) => {
  if (!record || !isProgram(person.provider) || isProgram(record.provider)) return false;
  return without(claims.of(person), claims.of(record)).length === 0;
};

const kept = (before: StoredPerson | null): Admission | null =>
  before === null || before.record === null
    ? null
    : { kind: 'admitted', text: before.text, record: before.record, isNew: false };

/** One try; null when the person was changed by another at the same time. */
async function settle(
  { store, claims, now }: AdmissionOptions,
  id: string,
  before: StoredPerson | null,
  person: Newcomer,
): Promise<Admission | null> {
  const old = before?.record ?? null;
  const had = old === null ? [] : claims.of(old);
  const wanted = claims.of(person);
  const taken = await takeAll(claims, id, wanted, had);
  if ('kind' in taken) return taken;
  // Read before the record is replaced: a claim that another sign-in of this person confirms after that stays theirs.
  const leaving = await allMine(claims, id, without(had, wanted));
  const since = old?.user === person.user ? old.since : now();
  const record: PersonRecord = { ...person, since, lastSignInAt: now() };
  const text = await store.replace(id, before?.text ?? null, record);
  if (text === null) return null;
  const sure = await Promise.all(taken.map((held) => claims.confirm(id, held)));
  if (sure.includes(false)) {
    await store.restore(id, text, before?.text ?? null);
    return null;
  }
  await Promise.all(leaving.map(claims.giveUp));
  return { kind: 'admitted', text, record, isNew: old === null };
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
      await Promise.all(fresh.map(claims.giveUp));
      return { kind: 'conflict', claim, by: taken.subject };
    }
    if (without([claim], had).length > 0) fresh.push(taken);
  }
  return fresh;
}

/** Those of some claims that carry our name, as they stand. */
export async function allMine(claims: Claims, id: string, some: readonly Claim[]): Promise<Held[]> {
  const found = await Promise.all(some.map((claim) => claims.mine(id, claim)));
  return found.filter((held) => held !== null);
}

const without = (claims: readonly Claim[], others: readonly Claim[]): Claim[] =>
  claims.filter(({ key }) => others.every((other) => other.key !== key));
