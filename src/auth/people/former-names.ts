import { isDeepStrictEqual } from 'node:util';
import type { FormerName, PersonRecord } from './person-record.ts';

/** What a person had and has no longer: it stays theirs until the administrator frees it. */
export function formerNames(
  old: Pick<PersonRecord, 'user' | 'bound' | 'former'> | null,
  now: FormerName,
): readonly FormerName[] {
  if (old === null) return [];
  const left = [...old.former, { user: old.user, bound: old.bound }]
    .map(({ user, bound }) => ({ user, bound: withoutAccounts(bound, now.bound) }))
    .filter(({ user, bound }) => user !== now.user || Object.keys(bound).length > 0);
  return left.filter((one, at) => {
    const isCovered = (other: FormerName, position: number): boolean =>
      other.user === one.user && (isDeepStrictEqual(one, other) ? position < at : Object.keys(one.bound).length === 0);
    return !left.some(isCovered);
  });
}

const withoutAccounts = (
  bound: Readonly<Record<string, string>>,
  others: Readonly<Record<string, string>>,
): Readonly<Record<string, string>> =>
  Object.fromEntries(Object.entries(bound).filter(([queue, account]) => others[queue] !== account));
