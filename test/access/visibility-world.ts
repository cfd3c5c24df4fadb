import {
  createRowFilter,
  createVisibility,
  type Reader,
  type RowsPlan,
  type VisibleAnswer,
  withheld,
} from '../../src/access/index.ts';
import type { Profile } from '../../standin/vovserver/index.ts';
import { type Client, createPair, type QueryBody, submit } from '../standin/client.ts';
import { createManualClock } from '../world/manual-clock.ts';

/** Somebody who reads: the vovserver account, whether it is shared, and the jobs that the gateway's record gives them. */
export interface Seer {
  readonly account: string;
  readonly shared: boolean;
  readonly jobs: ReadonlySet<string>;
}

export const visibility = createVisibility({ visibility: 'own', openObjects: ['hosts'] });

/** Jobs of alice and bob, and of two people behind the account leader, taking turns; `secret` is in all but bob's own. */
export async function createFarm(secret: string, profile: Partial<Profile> = {}) {
  const client = await createPair({ clock: createManualClock(), profile });
  const jobs = { alice: new Set<string>(), bob: new Set<string>(), ann: new Set<string>(), ben: new Set<string>() };
  for (let round = 0; round < 4; round += 1) {
    for (const who of ['alice', 'bob', 'ann', 'ben'] as const) {
      const account = who === 'ann' || who === 'ben' ? 'leader' : who;
      const open = who === 'bob' || who === 'ben';
      const more = open
        ? { jobname: `open${round}`, 'priority,sched': 3 + round }
        : { jobname: `${secret}${round}`, 'priority,sched': secret.length + round, jobclass: secret };
      jobs[who].add(String(await submit(client, account, `${who}${round}`, more)));
    }
  }
  const seers: Readonly<Record<'bob' | 'ben', Seer>> = {
    bob: { account: 'bob', shared: false, jobs: jobs.bob },
    ben: { account: 'leader', shared: true, jobs: jobs.ben },
  };
  return { client, jobs, seers, [Symbol.asyncDispose]: () => client[Symbol.asyncDispose]() };
}

/** What is left of an answer that comes in pieces of so many bytes; `mine` are the jobs of the reader by the gateway's record. */
export function filtered(
  plan: RowsPlan,
  reader: Reader,
  body: Buffer | string,
  mine: ReadonlySet<string> = new Set(),
  pieces = 7,
): VisibleAnswer {
  const filter = createRowFilter(plan, reader);
  const bytes = Buffer.from(body);
  for (let at = 0; at < bytes.length; at += pieces) {
    filter.take(bytes.subarray(at, at + pieces));
    if (filter.pending >= 3) filter.decide(new Set(filter.asked().filter((id) => mine.has(id))));
  }
  filter.decide(new Set(filter.asked().filter((id) => mine.has(id))));
  return filter.finish();
}

const NOT_FOUND: VisibleAnswer = { status: 404, contentType: '', body: Buffer.alloc(0) };

/** What a seer gets for a query, as the server does it; throws GatewayError for a refused one. */
export async function see(client: Client, seer: Seer, query: string): Promise<VisibleAnswer> {
  const reader = { name: seer.account, shared: seer.shared };
  const plan = visibility.plan('GET', { path: '/api/v3/query', query }, reader);
  if (plan.kind === 'owner' || plan.kind === 'pass') throw new Error('a query is neither');
  if (plan.kind === 'rows' && plan.jobId !== null && !seer.jobs.has(plan.jobId)) return NOT_FOUND;
  const { status, text } = await client.as(seer.account, 'GET', plan.target);
  if (plan.kind === 'plain') return { status, contentType: 'application/json', body: Buffer.from(text) };
  return status >= 300 ? withheld(status, plan) : filtered(plan, reader, text, seer.jobs, 61);
}

export const bodyOf = ({ body }: VisibleAnswer): QueryBody => JSON.parse(body.toString()) as QueryBody;
