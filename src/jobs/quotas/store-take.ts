import type { KeyValue } from '../../platform/index.ts';
import type { QuotaAccount } from './account.ts';
import type { People, Person } from './person.ts';
import type { QuotaCaller, Quotas } from './ports.ts';
import type { Recount } from './recount.ts';
import { violationsOf } from './refusal.ts';
import { readTaken, type Take, type Taken, takeCall } from './take-script.ts';

type Way = Parameters<Quotas['reserve']>[2];

/** vovserver is asked for the live jobs of whoever submits this often; milliseconds. */
const RECOUNT_EVERY_MS = 5 * 60_000;

export interface StoreTakeParts {
  readonly kv: KeyValue;
  readonly people: People;
  readonly recount: Recount;
}

const personOf = ({ identity, account, shared = false }: QuotaCaller, { groups }: QuotaAccount): Person => ({
  ...{ subject: identity.subject, account, shared, groups },
});

/** Runs the script. Throws StoreUnavailable. */
export const runTake = async (kv: KeyValue, take: Take): Promise<Taken> => readTaken(await kv.run(...takeCall(take)));

/** Takes in the store; nobody is refused for live jobs that vovserver was not asked about. Throws StoreUnavailable. */
export function createStoreTake({ kv, people, recount }: StoreTakeParts) {
  const recountFull = async (caller: QuotaCaller, account: QuotaAccount, taken: Taken, way: Way): Promise<boolean> => {
    const full = violationsOf(account, taken).filter(({ rule }) => rule.what === 'live' && rule.mode === 'enforce');
    const groups = full.flatMap(({ rule }) => (rule.group === null ? [] : [rule.group]));
    if (full.length === 0) return false;
    const changed = await Promise.all([
      recount.person(caller.queue, account.member, personOf(caller, account), way),
      ...groups.map((group) => recount.group(caller.queue, group, way)),
    ]);
    return changed.includes(true);
  };
  return async (caller: QuotaCaller, account: QuotaAccount, take: Take, way: Way): Promise<Taken> => {
    const person = personOf(caller, account);
    if (account.tracked) await people.note(caller.queue, account.member, person);
    let taken = await runTake(kv, take);
    if (taken.what === 'cold') {
      await recount.person(caller.queue, account.member, person, way);
      taken = await runTake(kv, { ...take, cold: true });
    }
    if (taken.what === 'full' && (await recountFull(caller, account, taken, way))) {
      taken = await runTake(kv, { ...take, cold: true });
    }
    if (account.tracked && (taken.checkedAgo ?? 0) > RECOUNT_EVERY_MS) {
      void recount.person(caller.queue, account.member, person, way);
    }
    return taken;
  };
}
