/**
 * The live jobs of a person on a queue, as text: how many, when vovserver was last asked (milliseconds; 0: never), and their
 * ids between colons, `2 1700000000000 :45080:r1f….lx2:`. What is being sent stands in it by a name of its own, `r…`.
 */
export interface LiveSet {
  readonly count: number;
  readonly checkedAt: number;
  /** Begins and ends with a colon. */
  readonly ids: string;
}

const STORED = /^(\d+) (\d+) (:[^ ]*)$/;

export const EMPTY: LiveSet = { count: 0, checkedAt: 0, ids: ':' };

export function readLive(text: string | null): LiveSet {
  const [, count, checkedAt, ids] = STORED.exec(text ?? '') ?? [];
  return ids === undefined ? EMPTY : { count: Number(count), checkedAt: Number(checkedAt), ids };
}

export const writeLive = ({ count, checkedAt, ids }: LiveSet): string => `${count} ${checkedAt} ${ids}`;

export function addLive(set: LiveSet, id: string): LiveSet {
  return set.ids.includes(`:${id}:`) ? set : { ...set, count: set.count + 1, ids: `${set.ids}${id}:` };
}

export function removeLive(set: LiveSet, id: string): LiveSet {
  const at = set.ids.indexOf(`:${id}:`);
  if (at < 0) return set;
  return { ...set, count: set.count - 1, ids: set.ids.slice(0, at) + set.ids.slice(at + id.length + 1) };
}

/** The entry of something that is being sent; `at` when it was taken. */
export const sendingEntry = (id: string, at: number): string => `r${id}.${at}`;

/** When an entry of something that is being sent was taken; null for a job. */
export function sendingSince(entry: string): number | null {
  const at = entry.startsWith('r') ? entry.indexOf('.') : -1;
  return at < 0 ? null : Number(entry.slice(at + 1));
}

export const entriesOf = ({ ids }: LiveSet): string[] => ids.split(':').filter((entry) => entry !== '');

/** Live jobs of the members of a group: the sum, then how many are whose, `7;<member>=5;<member>=2;`. */
export interface Members {
  readonly total: number;
  readonly rest: string;
}

export function readMembersOf(text: string | null): Members {
  const [, total, rest] = /^(\d+)(;.*)$/.exec(text ?? '') ?? [];
  return rest === undefined ? { total: 0, rest: ';' } : { total: Number(total), rest };
}

export const writeMembers = ({ total, rest }: Members): string => `${total}${rest}`;

/** With the count of one member set. */
export function setMember({ total, rest }: Members, member: string, count: number): Members {
  const start = rest.indexOf(`;${member}=`);
  const end = start < 0 ? -1 : rest.indexOf(';', start + 1);
  const before = start < 0 ? 0 : Number(rest.slice(start + member.length + 2, end));
  const others = start < 0 ? rest : rest.slice(0, start) + rest.slice(end);
  return { total: total - before + count, rest: count === 0 ? others : `${others}${member}=${count};` };
}

/** Members by how many jobs they have, the most first. */
export function membersOf({ rest }: Members): { readonly member: string; readonly count: number }[] {
  const found = rest.split(';').flatMap((entry) => {
    const at = entry.indexOf('=');
    return at < 0 ? [] : [{ member: entry.slice(0, at), count: Number(entry.slice(at + 1)) }];
  });
  return found.sort((a, b) => b.count - a.count);
}
