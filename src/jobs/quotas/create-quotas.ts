import type { Config } from '../../config/index.ts';
import type { Clock, Secret } from '../../kernel/index.ts';
import type { Report } from '../../observe/index.ts';
import { type KeyValue, type Sealer, StoreUnavailable } from '../../platform/index.ts';
import { createKeyedHash } from '../keyed-hash.ts';
import { createLateWrites } from '../late-writes.ts';
import type { Origins } from '../ports.ts';
import { accountOf, createQuotaKeys, type QuotaAccount } from './account.ts';
import { createLocalShare } from './local.ts';
import { createPeople } from './person.ts';
import type { QuotaCaller, Quotas } from './ports.ts';
import { createRecount } from './recount.ts';
import { changeCall } from './recount-scripts.ts';
import { createVerdicts, violationsOf } from './refusal.ts';
import { type Settle, settleCall } from './settle-script.ts';
import { createStoreTake, runTake } from './store-take.ts';
import type { Take } from './take-script.ts';

export interface QuotasOptions {
  readonly kv: KeyValue;
  readonly sealer: Sealer;
  /** Key of the hashes that stand for queues, people and groups in the store. */
  readonly hashKey: Secret;
  readonly config: () => Pick<Config, 'jobs'>;
  /** Number of replicas that share the quotas while the store is away. */
  readonly replicas: () => number;
  readonly origins: Pick<Origins, 'findMany'>;
  readonly clock: Clock;
  /** 0 to 1. */
  readonly random: () => number;
  readonly report: Pick<Report, 'log' | 'limit'>;
}

/** Creates the quotas of `jobs.quotas` over a store that all replicas share. */
export function createQuotas(options: QuotasOptions): Quotas {
  const { kv, sealer, config, replicas, origins, clock, report } = options;
  const keys = createQuotaKeys(createKeyedHash(options.hashKey));
  const people = createPeople(kv, sealer, keys, clock);
  const readAge = (): number => config().jobs.settle.readAge;
  const recount = createRecount({ kv, keys, people, origins, clock, report, readAge });
  const local = createLocalShare(clock);
  const late = createLateWrites(clock, report);
  const verdicts = createVerdicts(options);
  const accountFor = (caller: QuotaCaller): QuotaAccount | null => {
    const { quotas } = config().jobs;
    return quotas.length === 0 ? null : accountOf(quotas, keys, caller);
  };

  const takeOf = ({ queue }: QuotaCaller, account: QuotaAccount, id: string): Take => {
    const { live, member, tracked, liveLimit: limit, counters } = account;
    const record = keys.record(queue, id);
    return { ...{ id, record, live, member, tracked, limit, counters }, cold: false, look: false };
  };
  const takeInStore = createStoreTake({ kv, people, recount });

  const settle = async (caller: QuotaCaller, id: string, jobId: string | null): Promise<void> => {
    const account = accountFor(caller);
    if (account === null) return;
    const { live, member, tracked, counters } = account;
    const what: Settle = { ...{ id, live, member, tracked, counters, jobId }, record: keys.record(caller.queue, id) };
    await local.settle(what);
    await late('what a submission counts for its quotas', () => kv.run(...settleCall(what)));
  };

  return {
    async reserve(caller, id, way) {
      const account = accountFor(caller);
      if (account === null) return;
      const take = takeOf(caller, account, id);
      try {
        const taken = await takeInStore(caller, account, take, way);
        local.heard(take, taken);
        verdicts.decide(caller, account, taken, 'store');
      } catch (error) {
        if (!(error instanceof StoreUnavailable)) throw error;
        const taken = await local.take(take, Math.max(1, replicas()));
        // The store may have taken it although its answer was lost.
        if (taken.what === 'full') void settle(caller, id, null);
        verdicts.decide(caller, account, taken, 'local');
      }
    },
    commit: (caller, id, jobId) => settle(caller, id, jobId),
    cancel: (caller, id) => settle(caller, id, null),
    async check(caller) {
      const account = accountFor(caller);
      if (account === null) return [];
      const take = { ...takeOf(caller, account, 'look'), look: true, cold: true };
      const taken = await runTake(kv, take).catch((error: unknown) => {
        if (!(error instanceof StoreUnavailable)) throw error;
        return local.take(take, Math.max(1, replicas()));
      });
      return violationsOf(account, taken).map(({ rule, reason }) => ({ quota: rule.quota, mode: rule.mode, reason }));
    },
    finished(queue, subject, jobId) {
      if (!config().jobs.quotas.some(({ liveJobs }) => liveJobs !== undefined)) return;
      const member = keys.member(subject);
      void late('that a job has ended', async () => {
        const person = await people.find(queue, member);
        if (person === null) return;
        const groups = person.groups.map((group) => keys.members(queue, group));
        const change = { live: keys.live(queue, member), groups, member, removed: [jobId], added: [], checkedAt: null };
        await kv.run(...changeCall(change));
      });
    },
  };
}
