import { createVisibility, ownRowsOf, type SeenAnswer } from '../../src/access/index.ts';
import type { Profile } from '../../standin/vovserver/index.ts';
import { type Client, createPair, type QueryBody, submit } from '../standin/client.ts';
import { createManualClock } from '../world/manual-clock.ts';

/** Somebody who reads: the vovserver account, whether it is shared, and the jobs that the gateway's record gives them. */
export interface Seer {
  readonly account: string;
  readonly shared: boolean;
  readonly jobs: ReadonlySet<string>;
}

export const visibility = createVisibility({ visibility: 'own' });

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

/** What a seer gets for a read, as the server would do it; throws GatewayError for a refused one. */
export async function see(client: Client, seer: Seer, query: string): Promise<SeenAnswer> {
  const reader = { name: seer.account, shared: seer.shared };
  const plan = visibility.plan('GET', { path: '/api/v3/query', query }, reader);
  if (plan.kind === 'owner') throw new Error('a query is no read of one job');
  const target = plan.target ?? `/api/v3/query?${query}`;
  const { status, text } = await client.as(seer.account, 'GET', target);
  const answer: SeenAnswer = { status, headers: ['Content-Type', 'application/json'], body: Buffer.from(text) };
  if (plan.kind === 'pass') return answer;
  const first = visibility.filter(
    answer,
    plan,
    ownRowsOf(reader, () => undefined),
  );
  if (first.kind === 'answer') return first.answer;
  const second = visibility.filter(
    answer,
    plan,
    ownRowsOf(reader, (id) => seer.jobs.has(id)),
    true,
  );
  if (second.kind === 'ask') throw new Error('asked twice');
  return second.answer;
}

export const bodyOf = ({ body }: SeenAnswer): QueryBody => JSON.parse(body.toString()) as QueryBody;
