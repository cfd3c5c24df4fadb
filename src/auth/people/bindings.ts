import type { Binding } from '../sign-in.ts';
import type { PersonRecord } from './person-record.ts';

/** Whose each user name is, by name; former names of a subject are rows of their own. */
export function bindingsOf(records: readonly PersonRecord[]): Binding[] {
  const rows = records.flatMap(rowsOf);
  const subjects = new Map<string, Set<string>>();
  for (const row of rows) {
    for (const thing of thingsIn(row)) subjects.set(thing, (subjects.get(thing) ?? new Set()).add(row.subject));
  }
  return rows
    .map((row) => {
      const all = thingsIn(row).flatMap((thing) => [...(subjects.get(thing) ?? [])]);
      const others = [...new Set(all)].filter((subject) => subject !== row.subject).sort();
      return others.length === 0 ? row : { ...row, alsoOf: others };
    })
    .sort((a, b) => compare(a.user, b.user) || compare(a.subject, b.subject));
}

const compare = (a: string, b: string): number => (a < b ? -1 : Number(a > b));

function rowsOf({ user, subject, bound, former, since, lastSignInAt }: PersonRecord): Binding[] {
  const row = { user, subject, accounts: bound, since, lastSignInAt };
  return [row, ...former.map((one) => ({ ...row, user: one.user, accounts: one.bound, former: true as const }))];
}

/** What no two subjects may have. */
const thingsIn = ({ user, accounts }: Binding): string[] => [
  user,
  ...Object.entries(accounts).map(([queue, account]) => JSON.stringify([queue, account])),
];
