import type { Clock } from '../../kernel/index.ts';
import type { KeyValue, Sealer } from '../../platform/index.ts';
import type { QuotaKeys } from './account.ts';
import { LIVE_LIFE_MS } from './counters.ts';
import { changeCall } from './recount-scripts.ts';

/** What is kept of a person, sealed, so that their live jobs can be counted anew while others wait for it. */
export interface Person {
  readonly subject: string;
  readonly account: string;
  readonly shared: boolean;
  /** Whose sums hold this person's live jobs. */
  readonly groups: readonly string[];
}

/** The people whose live jobs are counted, by queue. Calls may throw StoreUnavailable. */
export interface People {
  /** Keeps who it is; a group that they have left loses their jobs from its sum. */
  note(queue: string, member: string, person: Person): Promise<void>;
  find(queue: string, member: string): Promise<Person | null>;
}

const REMEMBERED = 10_000;
const DAY_MS = 86_400_000;

/** Creates the store of people; what this process has written today is not written again. */
export function createPeople(kv: KeyValue, sealer: Sealer, keys: QuotaKeys, clock: Clock): People {
  const written = new Map<string, { readonly text: string; readonly at: number }>();
  const find: People['find'] = async (queue, member) => {
    const key = keys.person(queue, member);
    const raw = await kv.get(key);
    const text = raw === null ? null : sealer.open(raw, key);
    return text === null ? null : (JSON.parse(text) as Person);
  };
  return {
    find,
    async note(queue, member, person) {
      const key = keys.person(queue, member);
      const text = JSON.stringify(person);
      const last = written.get(key);
      if (last?.text === text && clock.elapsed() - last.at < DAY_MS) return;
      const before = await find(queue, member);
      const left = (before?.groups ?? []).filter((group) => !person.groups.includes(group));
      for (const group of left) {
        // The live jobs themselves stay; only the sum of the group loses them. An empty set stands for none.
        const nobody = `${keys.live(queue, member)}:left`;
        const change = { live: nobody, groups: [keys.members(queue, group)], member, removed: [], added: [] };
        await kv.run(...changeCall({ ...change, checkedAt: null }));
      }
      await kv.set(key, sealer.seal(text, key), 2 * LIVE_LIFE_MS);
      if (written.size >= REMEMBERED) written.clear();
      written.set(key, { text, at: clock.elapsed() });
    },
  };
}
