import type { Report } from '../../observe/index.ts';
import { allMine } from './admission.ts';
import type { Claims } from './claims.ts';
import type { PersonStore } from './person-store.ts';

export interface ReleaseOptions {
  readonly store: PersonStore;
  readonly claims: Claims;
  readonly report?: Pick<Report, 'log'> | undefined;
}

/**
 * Frees a user name with the accounts of its holder, who is forgotten; false when nobody has it. A record that cannot be
 * opened is removed too: what it holds is free a minute later. May throw StoreUnavailable.
 */
export async function releaseUser(options: ReleaseOptions, user: string): Promise<boolean> {
  const { store, claims } = options;
  const names = claims.of({ user, bound: {} });
  const holders = await Promise.all(names.map(claims.holderOf));
  const listed = (await store.all()).filter(({ record }) => record.user === user).map(({ id }) => id);
  const ids = new Set([...listed, ...holders.filter((id) => id !== null)]);
  for (const id of ids) await forget(options, id, user);
  return ids.size > 0;
}

async function forget({ store, claims, report }: ReleaseOptions, id: string, user: string): Promise<void> {
  const person = await store.read(id);
  const record = person?.record ?? null;
  const isTheirs = record === null || record.user === user;
  // A name left over from a sign-in that did not end costs its holder nothing else.
  const theirs = claims.of(record !== null && isTheirs ? record : { user, bound: {} });
  const held = await allMine(claims, id, theirs);
  if (isTheirs) await store.remove(id);
  await Promise.all(held.map(claims.giveUp));
  const subject = record === null ? {} : { subject: record.subject };
  report?.log.info({ event: 'identity_released', user, ...subject }, 'a user name was freed');
}
