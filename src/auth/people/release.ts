import type { Account } from '../../kernel/index.ts';
import type { Report } from '../../observe/index.ts';
import type { Released } from '../sign-in.ts';
import { allMine, without } from './admission.ts';
import type { Claims, Held } from './claims.ts';
import type { FormerName, PersonRecord } from './person-record.ts';
import type { PersonStore, StoredPerson } from './person-store.ts';

export interface ReleaseOptions {
  readonly store: PersonStore;
  readonly claims: Claims;
  readonly report?: Pick<Report, 'log'> | undefined;
}

const TRIES = 10;

/** Whether a person has or had a user name. */
export const hasName = ({ user, former }: PersonRecord, name: string): boolean =>
  user === name || former.some((one) => one.user === name);

/**
 * Frees a user name with the accounts of its holder, who is forgotten when it is their present one. A record that cannot be
 * opened is removed too: what it holds is free a minute later. May throw StoreUnavailable.
 */
export async function releaseUser(
  options: ReleaseOptions,
  user: string,
  keep: string | null = null,
): Promise<readonly Released[]> {
  const ids = (await holdersOf(options, user)).filter((id) => id !== keep);
  const released: Released[] = [];
  for (const id of ids) released.push(await forget(options, id, user));
  return released;
}

/** Ids of those who have a user name: whose record lists it, or whose name the claim carries. */
export async function holdersOf({ store, claims }: ReleaseOptions, user: string): Promise<string[]> {
  const holders = await Promise.all(claims.of({ user, bound: {} }).map(claims.holderOf));
  const listed = (await store.all()).filter(({ record }) => hasName(record, user)).map(({ id }) => id);
  return [...new Set([...listed, ...holders.filter((id) => id !== null)])];
}

async function forget(options: ReleaseOptions, id: string, user: string): Promise<Released> {
  const { store, report } = options;
  for (let tries = 0; tries < TRIES; tries++) {
    // Before the record: a claim that is confirmed after this is in a record that is read after it.
    const carried = await allMine(options.claims, id, options.claims.of({ user, bound: {} }));
    const before = await store.read(id);
    const released = await tryForget(options, id, before, user, carried);
    if (released === null) continue;
    const { subject } = released;
    report?.log.info(
      { event: 'identity_released', user, ...(subject === null ? {} : { subject }) },
      'a user name was freed',
    );
    return released;
  }
  throw new Error('the person signs in all the time; try again');
}

/** Null when the person was changed by another at the same time. */
async function tryForget(
  { store, claims }: ReleaseOptions,
  id: string,
  before: StoredPerson | null,
  user: string,
  carried: readonly Held[],
): Promise<Released | null> {
  const record = before?.record ?? before?.outdated?.record ?? null;
  const isPerson = before?.unreadable === true || record?.user === user;
  if (!isPerson && (record === null || !hasName(record, user))) return await freeLeftOver(claims, id, user, carried);
  const names = record === null ? [{ user, bound: {} }] : namesFreed(record, user);
  const rest =
    record === null || isPerson ? null : { ...record, former: record.former.filter((one) => one.user !== user) };
  const freed = names.flatMap(claims.of);
  const held = await allMine(claims, id, rest === null ? freed : without(freed, claims.allOf(rest)));
  if (before !== null && isPerson) {
    if (!(await store.remove(id, before))) return null;
  } else if (rest !== null) {
    if ((await store.replace(id, before, rest)) === null) return null;
  }
  await Promise.all(held.map(claims.giveUp));
  const users = [...new Set(names.map((name) => name.user))];
  return { subject: record?.subject ?? null, users, accounts: accountsIn(names), forgotten: isPerson };
}

/** A name left over from a sign-in that did not end costs its holder nothing else. Null when that sign-in ended now. */
async function freeLeftOver(
  claims: Claims,
  id: string,
  user: string,
  carried: readonly Held[],
): Promise<Released | null> {
  await Promise.all(carried.map(claims.giveUp));
  const still = await allMine(
    claims,
    id,
    carried.map(({ claim }) => claim),
  );
  return still.length > 0 ? null : { subject: null, users: [user], accounts: [], forgotten: false };
}

const namesFreed = ({ user: current, bound, former }: PersonRecord, user: string): readonly FormerName[] =>
  current === user ? [{ user: current, bound }, ...former] : former.filter((one) => one.user === user);

const accountsIn = (names: readonly FormerName[]): Account[] => {
  const all = names.flatMap(({ bound }) => Object.entries(bound));
  const known = new Map(all.map(([queue, name]) => [`${queue} ${name}`, { queue, name, shared: false }]));
  return [...known.values()];
};
