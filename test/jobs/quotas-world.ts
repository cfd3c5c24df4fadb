import assert from 'node:assert/strict';
import type { Config } from '../../src/config/index.ts';
import {
  createOrigins,
  createQuotas,
  createSubmissions,
  type Origins,
  type QuotaCaller,
  type Quotas,
  type Submissions,
  type SubmissionWay,
} from '../../src/jobs/index.ts';
import { type Clock, GatewayError, type Identity } from '../../src/kernel/index.ts';
import { createSealer, type KeyValue } from '../../src/platform/index.ts';
import { createTold, HASH_KEY, jobsConfig, personOf, SEALING_KEY } from './jobs-world.ts';

export type Quota = Config['jobs']['quotas'][number];

export const quotaOf = (changes: Partial<Quota>): Quota => ({
  ...{ name: 'q', groups: [], exceptGroups: [], queues: [], per: 'user', mode: 'enforce' },
  ...changes,
});

export const memberOf = (user: string, ...groups: string[]): Identity => ({ ...personOf(user), groups });

export const callerOf = (user: string, ...groups: string[]): QuotaCaller => ({
  ...{ queue: 'test', account: user, identity: memberOf(user, ...groups) },
});

/** The live jobs of a vovserver, by id: whose, and their state. */
export interface LiveJobs {
  readonly jobs: Map<number, { readonly user: string; status: string }>;
  readonly reads: string[];
  answers: boolean;
  readonly way: Pick<SubmissionWay, 'read'>;
}

/** A vovserver that knows nothing but the question for live jobs. */
export function createLiveJobs(): LiveJobs {
  const jobs: LiveJobs['jobs'] = new Map();
  const live: LiveJobs = {
    jobs,
    reads: [],
    answers: true,
    way: {
      async read(target) {
        live.reads.push(target);
        const where = new URL(target, 'http://vov').searchParams.get('where') ?? '';
        const owner = /user==(\S+)/.exec(where)?.[1];
        if (!where.includes('statusnc!=Done statusnc!=Failed')) throw new Error(`an unexpected question: ${where}`);
        if (!live.answers) throw new GatewayError('GW_UPSTREAM_DOWN', 'away', { retryAfter: 1 });
        const rows = [...jobs]
          .filter(([, { user, status }]) => user === owner && !['Done', 'Failed'].includes(status))
          .map(([id, { user, status }]) => [id, user, status]);
        const columns = ['IDINT', 'USER', 'STATUSNC'].map((field, col) => ({ col, field }));
        const body = Buffer.from(JSON.stringify({ errmsg: '', columns, ...(rows.length > 0 && { rows }) }));
        return { status: 200, headers: ['Content-Type', 'application/json'], body };
      },
    },
  };
  return live;
}

export interface QuotaReplica {
  readonly quotas: Quotas;
  readonly origins: Origins;
  readonly submissions: Submissions;
  readonly decisions: string[];
  readonly log: string[];
}

/** A replica of quotas and submissions on a store. */
export function createQuotaReplica(
  kv: KeyValue,
  clock: Clock,
  quotaList: readonly Quota[],
  replicas = 1,
): QuotaReplica {
  const told = createTold();
  const decisions: string[] = [];
  const report = {
    ...told.report,
    limit: (policy: string, _cls: string, decision: string, source: string) =>
      void decisions.push(`${policy} ${decision} ${source}`),
  };
  const { jobs } = jobsConfig({ marker: 'none' });
  const config = () => ({ jobs: { ...jobs, quotas: [...quotaList] } });
  const sealer = createSealer({ current: SEALING_KEY });
  const common = { kv, sealer, hashKey: HASH_KEY, config, clock, report };
  const origins = createOrigins(common);
  const quotas = createQuotas({ ...common, origins, replicas: () => replicas, random: () => 0.5 });
  const submissions = createSubmissions({ ...common, origins, quotas });
  return { quotas, origins, submissions, decisions, log: told.log };
}

/** `'taken'`, or the refusal. */
export async function tryReserve(
  { quotas }: Pick<QuotaReplica, 'quotas'>,
  caller: QuotaCaller,
  id: string,
  way: Pick<SubmissionWay, 'read'>,
): Promise<'taken' | GatewayError> {
  try {
    await quotas.reserve(caller, id, way);
    return 'taken';
  } catch (error) {
    if (error instanceof GatewayError && error.code === 'GW_QUOTA') return error;
    throw error;
  }
}

export const refusalOf = (got: 'taken' | GatewayError): GatewayError => {
  assert.ok(got instanceof GatewayError, String(got));
  return got;
};

/** What people do with quotas, on the store and the vovserver of the test under way. */
export function createQuotaActs(world: () => { readonly clock: Clock; readonly kv: KeyValue; readonly vov: LiveJobs }) {
  let ids = 0;
  const nextId = (): string => `id${++ids}`;
  const join = (list: Partial<Quota>[], on = world().kv, replicas = 1): QuotaReplica =>
    createQuotaReplica(on, world().clock, list.map(quotaOf), replicas);
  const reserve = (replica: QuotaReplica, caller: QuotaCaller, id = nextId()) =>
    tryReserve(replica, caller, id, world().vov.way);
  return {
    nextId,
    join,
    take: (replica: QuotaReplica, user: string, ...groups: string[]) => reserve(replica, callerOf(user, ...groups)),
    /** Takes and makes a job of it. */
    async makeJob(replica: QuotaReplica, jobId: number, user = 'alice', ...groups: string[]) {
      const id = nextId();
      const got = await reserve(replica, callerOf(user, ...groups), id);
      if (got !== 'taken') return got;
      world().vov.jobs.set(jobId, { user, status: 'Queued' });
      await replica.quotas.commit(callerOf(user, ...groups), id, String(jobId));
      return got;
    },
  };
}
