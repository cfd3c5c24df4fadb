import type { ScriptStore, ScriptValue } from '../../platform/index.ts';
import { type LiveSet, readLive, readMembersOf, setMember, writeLive, writeMembers } from './live-set.ts';
import { DAY, MINUTE, type Span } from './window.ts';

/** Live jobs and the sums of groups are forgotten when nobody submitted for this long; milliseconds. */
export const LIVE_LIFE_MS = 7 * DAY.ms;

/** Something that is counted for a quota, beside the live jobs of the person. */
export interface Counter {
  readonly key: string;
  /** A span: submissions in it; `members`: live jobs of the members of a group. */
  readonly counts: Span | 'members';
  /** What must not be reached before one more is taken; null: it is only counted. */
  readonly limit: number | null;
}

/** As a script takes counters: kind, span, slot and limit of each, -1 for none. */
export const counterTerms = (counters: readonly Counter[]): ScriptValue[] =>
  counters.flatMap(({ counts, limit }) =>
    counts === 'members' ? ['m', 0, 0, limit ?? -1] : ['w', counts.ms, counts.slotMs, limit ?? -1],
  );

/** The same back from what a script was given. */
export function readTerms(keys: readonly string[], terms: readonly ScriptValue[]): Counter[] {
  return keys.map((key, at) => {
    const [kind, ms, , limit] = terms.slice(4 * at, 4 * at + 4);
    const counts = kind === 'm' ? 'members' : ms === MINUTE.ms ? MINUTE : DAY;
    return { key, counts, limit: limit === -1 ? null : Number(limit) };
  });
}

export function saveLive(store: ScriptStore, key: string, set: LiveSet): void {
  store.set(key, writeLive(set), LIVE_LIFE_MS);
}

/** How many live jobs a member has becomes part of the sums of its groups. */
export function saveMember(store: ScriptStore, key: string, member: string, { count }: LiveSet): void {
  store.set(key, writeMembers(setMember(readMembersOf(store.get(key)), member, count)), LIVE_LIFE_MS);
}

export const loadLive = (store: ScriptStore, key: string): LiveSet => readLive(store.get(key));
