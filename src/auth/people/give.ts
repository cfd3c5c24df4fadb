import { isDeepStrictEqual } from 'node:util';
import type { Released } from '../sign-in.ts';
import { formerNames } from './former-names.ts';
import type { FormerName, PersonRecord } from './person-record.ts';
import { holdersOf, type ReleaseOptions, releaseUser } from './release.ts';

export interface GiveOptions extends ReleaseOptions {
  readonly now: () => number;
}

const TRIES = 10;

/**
 * Makes a user name, with the accounts that went with it, a subject's. Its record and the copies of the claims say so before
 * those who have them lose them: whoever asks for them in between is refused. May throw StoreUnavailable.
 */
export async function giveUser(options: GiveOptions, user: string, subject: string): Promise<readonly Released[]> {
  const { store, claims } = options;
  const id = store.idOf(subject);
  const released: Released[] = [];
  for (let tries = 0; tries < TRIES; tries++) {
    const holders = (await holdersOf(options, user)).filter((holder) => holder !== id);
    const records = await Promise.all(holders.map(async (holder) => (await store.read(holder))?.record ?? null));
    const names = [{ user, bound: {} }, ...records.flatMap((record) => (record === null ? [] : namesOf(record, user)))];
    await reserve(options, id, subject, names);
    await claims.keepCopies(id, names.flatMap(claims.of));
    released.push(...(await releaseUser(options, user, id)));
    const failed = await takeAll(options, id, names);
    if (failed.size > 0) await dropAccounts(options, id, failed);
    // Whoever got the name while this looked for its holders is one at the next look.
    if (holders.length === 0 && failed.size === 0) return released;
  }
  throw new Error('others sign in under this name all the time; try again');
}

/** Keys of the claims that others have nonetheless. */
async function takeAll(
  { claims }: GiveOptions,
  id: string,
  names: readonly FormerName[],
): Promise<ReadonlySet<string>> {
  const failed = new Set<string>();
  for (const claim of names.flatMap(claims.of)) {
    const taken = await claims.take(id, claim);
    // Confirmed, so that a sign-in of the subject that took it first does not give it up again.
    if ('kind' in taken || !(await claims.confirm(id, taken))) failed.add(claim.key);
  }
  return failed;
}

const namesOf = ({ user: current, bound, former }: PersonRecord, user: string): FormerName[] =>
  [{ user: current, bound }, ...former].filter((one) => one.user === user);

/** Has the record of a subject list names, before their next sign-in. */
async function reserve(
  { store, now }: GiveOptions,
  id: string,
  subject: string,
  names: readonly FormerName[],
): Promise<void> {
  for (let tries = 0; tries < TRIES; tries++) {
    const before = await store.read(id);
    const record = before?.record ?? before?.outdated?.record ?? null;
    const next = withNames(record ?? kept(subject, names, now()), names);
    if (record !== null && isDeepStrictEqual(next, record)) return;
    if ((await store.replace(id, before, next)) !== null) return;
  }
  throw new Error('the person signs in all the time; try again');
}

/** Accounts that another got meanwhile are not listed by two. The user name stays: it is asked for again. */
async function dropAccounts({ store, claims }: GiveOptions, id: string, failed: ReadonlySet<string>): Promise<void> {
  const kept = ({ user, bound }: FormerName): FormerName['bound'] =>
    Object.fromEntries(
      Object.entries(bound).filter(([queue, account]) =>
        claims.of({ user, bound: { [queue]: account } }).every(({ key }, at) => at === 0 || !failed.has(key)),
      ),
    );
  for (let tries = 0; tries < TRIES; tries++) {
    const before = await store.read(id);
    const record = before?.record ?? null;
    if (record === null) return;
    const former = record.former.map((one) => ({ user: one.user, bound: kept(one) }));
    // What somebody who signed in has is theirs by their sign-in.
    const bound = record.lastSignInAt === 0 ? kept(record) : record.bound;
    if ((await store.replace(id, before, { ...record, former, bound })) !== null) return;
  }
}

const withNames = (record: PersonRecord, names: readonly FormerName[]): PersonRecord => ({
  ...record,
  former: formerNames({ ...record, former: [...record.former, ...names] }, record),
});

/** Somebody who has a name and has not signed in yet: no provider vouches, so nobody can act as them. */
function kept(subject: string, names: readonly FormerName[], since: number): PersonRecord {
  const { user = '', bound = {} } = names.at(-1) ?? {};
  const unsigned = { provider: '', providerGroups: [], attributes: {}, denied: false, lastSignInAt: 0 };
  return { ...unsigned, subject, user, bound, former: [], since };
}
