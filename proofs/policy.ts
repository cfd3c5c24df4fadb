// The submission policy: nothing that it denies ever reaches vovserver, whatever it is spelled like, nothing allowed is altered but
// for defaults, every reason is told at once, and observe decides as enforce does.

import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { Agent, request } from 'undici';
import type { Job } from '../standin/vovserver/job.ts';
import type { RequestEntry } from '../standin/vovserver/ledger.ts';
import { createFigures } from './figures.ts';
import { readFlags } from './flags.ts';
import { each } from './pace.ts';
import { createCorpus, type Item } from './policy/corpus.ts';
import { broken, GROUPS, type Person, pairsOf, policyOf } from './policy/rules.ts';
import { type GatewayProcess, readText, type Stage, type Standin, setStage, startStandin } from './stage.ts';

const { values, number } = readFlags(
  { submissions: '3000', changes: '600', seed: String(Date.now() % 1_000_000), clients: '12' },
  { least: { submissions: 2 } },
);
const PEOPLE: readonly Person[] = ['alice', 'bob', 'carol'];
const clients = number('clients');
const agent = new Agent({ connections: clients });

/** A gateway with a vovserver of its own. */
interface Side {
  readonly name: string;
  readonly standin: Standin;
  readonly gateway: GatewayProcess;
}

async function openSide(stage: Stage, name: string, policy: unknown[]): Promise<Side> {
  const users = PEOPLE.map((who) => `${who}:pw-${who}`).join(',');
  const standin = await startStandin(['--transport', 'http', '--queue-name', 'proof', '--users', users]);
  const gateway = await stage.gateway({
    queues: [
      { name: 'proof', urls: [standin.url], allowInsecure: true },
      { name: 'other', urls: [standin.url], allowInsecure: true, hosts: ['other.example'] },
    ],
    identity: { groups: GROUPS },
    access: {
      extraRoutes: [
        { method: 'POST', template: '/api/v3/jobs/{id}/copy', class: 'submit' },
        { method: 'POST', template: '/api/v3/jobs/{id}/again', class: 'control' },
      ],
    },
    jobs: { policy },
    limits: { mode: 'off', address: { requests: 1_000_000_000, window: '1s' } },
    log: { level: 'info', requests: false },
  });
  return { name, standin, gateway };
}

interface Answer {
  readonly status: number;
  readonly code: string;
  readonly detail: string;
  readonly requestId: string;
  readonly body: Record<string, unknown>;
}

async function send(side: Side, item: Item, token: string, dry = false): Promise<Answer> {
  const headers: Record<string, string> = { authorization: `Bearer ${token}`, ...item.headers };
  if (item.type !== null) headers['content-type'] = item.type;
  if (dry) headers['x-dry-run'] = 'true';
  const url = `${side.gateway.url}/api/v3${item.path}${item.query}`;
  const body = item.chunked ? Readable.from([item.body.subarray(0, 7), item.body.subarray(7)]) : item.body;
  const answer = await request(url, { dispatcher: agent, method: item.method, headers, body });
  const text = await answer.body.text();
  const read = ((): Record<string, unknown> => {
    try {
      return JSON.parse(text) as Record<string, unknown>;
    } catch {
      return {};
    }
  })();
  const requestId = String(answer.headers['x-request-id'] ?? '');
  const { statusCode: status } = answer;
  return { status, code: String(read.code ?? ''), detail: String(read.detail ?? ''), requestId, body: read };
}

interface Verdict {
  readonly item: Item;
  readonly enforced: Answer;
  readonly dry: Answer;
  readonly observedDry: Answer;
  readonly observed: Answer;
}

type Violation = { readonly rule: string; readonly field: string | null; readonly reason: string };
const reasonsOf = ({ body }: Answer): string[] =>
  ((body.violations ?? []) as Violation[]).map(({ rule, field, reason }) => `${rule}: ${field} ${reason}`).sort();
const isRefused = ({ status, code }: Answer): boolean => status === 422 && code === 'GW_POLICY';
/** Refused before or beside the policy: by any gateway in the same way. */
const isOddRefusal = ({ status, code }: Answer): boolean => [400, 413, 415].includes(status) && code.startsWith('GW_');

await using stage = await setStage();
for (const who of PEOPLE) await stage.setPassword(who, `pw-${who}`);
const enforce = await openSide(stage, 'enforce', policyOf('enforce'));
const observe = await openSide(stage, 'observe', policyOf('observe'));
const none = await openSide(stage, 'no policy', []);
const tokens = Object.fromEntries(
  await Promise.all(PEOPLE.map(async (who) => [who, await stage.token(enforce.gateway, who)] as const)),
);
const tokenOf = ({ who }: Item): string => tokens[who] ?? '';
const corpus = createCorpus(Number(values.seed));
const submissions = Array.from({ length: Number(values.submissions) }, (_, serial) => corpus.submission(serial));

const verdicts: Verdict[] = [];
let bypassed = 0;
await each(submissions, clients, async (item) => {
  const token = tokenOf(item);
  const dry = await send(enforce, item, token, true);
  const enforced = await send(enforce, item, token);
  const observedDry = await send(observe, item, token, true);
  const observed = await send(observe, item, token);
  const open = await send(none, item, token);
  if (item.expect === 'deny' && open.status < 300) bypassed++;
  verdicts.push({ item, enforced, dry, observedDry, observed });
});

// Changes of the jobs that the enforcing side let in.
const jobsOf = async ({ standin }: Side): Promise<Job[]> =>
  ((await standin.control('GET', '/jobs')) as { jobs: Job[] }).jobs;
const own = await jobsOf(enforce);
const changes: { item: Item; answer: Answer; dry: Answer }[] = [];
const targets = Array.from({ length: Number(values.changes) }, (_, at) => own[at % Math.max(1, own.length)]).flatMap(
  (job, nth) => (job === undefined ? [] : [corpus.change(job.user as Person, job.id, nth)]),
);
// Numbers differ from side to side: without the policy the same change goes to any job of the same person.
const open = new Map((await jobsOf(none)).map((job) => [job.user, job.id]));
await each(targets, clients, async (item) => {
  const dry = await send(enforce, item, tokenOf(item), true);
  changes.push({ item, dry, answer: await send(enforce, item, tokenOf(item)) });
  await send(none, { ...item, path: item.path.replace(/\d+/, `${open.get(item.who)}`) }, tokenOf(item));
});

const figures = createFigures(`Submission policy over a corpus of ${submissions.length} (--seed ${values.seed})`);
const shown = <T>(list: readonly T[], name: (one: T) => string): string =>
  list.length === 0 ? '0' : `${list.length}, for example ${name(list[0] as T).slice(0, 160)}`;
const nothing = <T>(what: string, list: readonly T[], name: (one: T) => string): void =>
  figures.add(what, '0', shown(list, name), list.length === 0);
const nameOf = ({ item, enforced }: Verdict): string =>
  `${item.who}, ${item.what}: ${enforced.status} ${enforced.detail} ${item.body.toString().slice(0, 200)}`;

const denied = verdicts.filter(({ item }) => item.expect === 'deny');
const passed = verdicts.filter(({ item }) => item.expect === 'pass');
figures.add(
  'forbidden, good, either',
  'shown only',
  `${denied.length}, ${passed.length}, ${submissions.length - denied.length - passed.length}`,
  true,
);
nothing(
  'forbidden and not refused',
  denied.filter(({ enforced }) => !isRefused(enforced) && !isOddRefusal(enforced)),
  nameOf,
);
nothing(
  'good and not submitted',
  passed.filter(({ enforced }) => enforced.status >= 300),
  nameOf,
);

// What reached vovserver, by its own ledger.
const arrivals = ((await enforce.standin.control('GET', '/ledger/requests')) as RequestEntry[]).filter(
  ({ method, target }) => method !== 'GET' && target !== '/api/v3/token',
);
const accepted = verdicts.filter(({ enforced }) => enforced.status < 300);
const posts = arrivals.filter(({ method }) => method === 'POST');
figures.add(
  'submissions that reached vovserver',
  `${accepted.length}, as were answered well`,
  posts.length,
  posts.length === accepted.length,
);
const why = ({ account, body, method }: RequestEntry): string[] => {
  const pairs = pairsOf(body ?? '');
  if (pairs === null) return ['no plain JSON'];
  const fields = method === 'PUT' ? pairs.filter(([name]) => name !== 'action') : pairs;
  return broken(account as Person, fields, method === 'POST');
};
nothing(
  'arrivals that break a rule, by a check written apart',
  arrivals.filter((entry) => why(entry).length > 0),
  (entry) => `${entry.account} ${why(entry)} ${entry.body}`,
);
nothing(
  'arrivals at another place than /api/v3/jobs and /api/v3/jobs/{id}',
  arrivals.filter(({ target }) => !/^\/api\/v3\/jobs(?:\/\d+)?$/.test(target)),
  ({ method, target }) => `${method} ${target}`,
);
const sent = new Map(accepted.map(({ item }) => [/p\d+\.log/.exec(item.body.toString())?.[0], item]));
const altered = posts.filter(({ body, account }) => {
  const item = sent.get(/p\d+\.log/.exec(body ?? '')?.[0]);
  if (item === undefined) return true;
  const text = item.body.toString();
  if (body === text) return false;
  const more = { jobclass: 'small', ...(JSON.parse(text) as object) };
  return (
    account !== 'carol' ||
    JSON.stringify(Object.entries(JSON.parse(body ?? '{}')).sort()) !== JSON.stringify(Object.entries(more).sort())
  );
});
nothing('altered otherwise than by a default', altered, ({ body }) => String(body));
const stored = (job: Job): (readonly [string, unknown])[] => [
  ['command', job.command],
  ['rundir', job.rundir],
  ['env', job.env],
  ['logfile', job.logfile],
  ...(job.jobname === '' ? [] : [['jobname', job.jobname] as const]),
  ...(job.jobclass === '' ? [] : [['jobclass', job.jobclass] as const]),
  ...(job.resources === '' ? [] : [['resources', job.resources] as const]),
  ['priority,sched', job.priority],
];
const jobs = await jobsOf(enforce);
nothing(
  `of ${jobs.length} jobs in vovserver after ${changes.length} changes: that break a rule`,
  jobs.filter((job) => broken(job.user as Person, stored(job), true).length > 0),
  (job) => `${broken(job.user as Person, stored(job), true)} ${JSON.stringify(job)}`,
);
nothing(
  'forbidden changes that were not refused',
  changes.filter(({ item, answer }) => item.expect === 'deny' && !isRefused(answer) && !isOddRefusal(answer)),
  ({ item, answer }) => `${item.who} ${item.body}: ${answer.status} ${answer.detail}`,
);
nothing(
  'good changes that were refused',
  changes.filter(({ item, answer }) => item.expect === 'pass' && (isRefused(answer) || isOddRefusal(answer))),
  ({ item, answer }) => `${item.what} ${item.body}: ${answer.status} ${answer.detail}`,
);

// Every reason at once: the refusal, the dry run, and the fields that the check written apart finds wrong.
const refused = verdicts.filter(({ enforced }) => isRefused(enforced));
nothing(
  `of ${refused.length} refusals: that do not name every broken rule of the dry run`,
  refused.filter(({ enforced, dry }) => {
    const all = (dry.body.violations ?? []) as Violation[];
    return all.length === 0 || all.slice(0, 50).some(({ rule }) => !enforced.detail.includes(`(rule ${rule})`));
  }),
  nameOf,
);
const fieldsMissed = refused.filter(({ item, dry }) => {
  const pairs = pairsOf(item.body.toString());
  if (pairs === null || item.type !== 'application/json') return false;
  const told = ((dry.body.violations ?? []) as Violation[]).map(({ field }) => field);
  if (told.includes(null)) return false;
  return broken(item.who, pairs, true).some(
    (name) => name !== 'jobclass' && !told.some((field) => field?.toLowerCase().includes(name.slice(0, 3))),
  );
});
nothing('refusals that leave out a field that is wrong', fieldsMissed, nameOf);
nothing(
  'dry runs that say otherwise than what happened',
  verdicts.filter(({ dry, enforced }) => dry.status === 200 && dry.body.allowed === isRefused(enforced)),
  nameOf,
);

// Observe: the same decisions, told instead of enforced.
const decided = verdicts.filter(({ dry }) => dry.status === 200);
nothing(
  `of ${decided.length} decided: observe and enforce find different faults`,
  decided.filter(({ dry, observedDry }) => reasonsOf(dry).join() !== reasonsOf(observedDry).join()),
  (one) => `${nameOf(one)} ${reasonsOf(one.dry)} / ${reasonsOf(one.observedDry)}`,
);
// A gateway hands its last lines to the file when it ends, if not before.
await observe.gateway[Symbol.asyncDispose]();
const logs = (await readdir(stage.folder)).filter(
  (file) => file.endsWith('.log') && file.includes(new URL(observe.gateway.url).port),
);
const lines = (await readText(join(stage.folder, logs[0] ?? '')))
  .split('\n')
  .filter((line) => line.includes('policy_observed'));
const logged = new Set(
  lines.map((line) => String((JSON.parse(line) as Record<string, unknown>)['http.request.id'] ?? '')),
);
nothing(
  'refused by enforce and not in the log of observe, or the other way round',
  decided.filter(({ enforced, observed }) => isRefused(enforced) !== logged.has(observed.requestId)),
  (one) => `${nameOf(one)}; in the log: ${logged.has(one.observed.requestId)}`,
);
nothing(
  'refused by observe for the policy',
  verdicts.filter(({ observed }) => isRefused(observed)),
  nameOf,
);
figures.add('control: forbidden ones that vovserver took without the policy', '> 0', bypassed, bypassed > 0);
const unruled = ((await none.standin.control('GET', '/ledger/requests')) as RequestEntry[]).filter(
  (entry) => entry.method === 'PUT' && why(entry).length > 0,
).length;
figures.add('control: forbidden orders (PUT) that vovserver got without the policy', '> 0', unruled, unruled > 0);
const outside = (await jobsOf(none)).filter((job) => broken(job.user as Person, stored(job), true).length > 0).length;
figures.add('control: jobs in vovserver that break a rule, without the policy', '> 0', outside, outside > 0);
figures.print();
for (const side of [enforce, observe, none]) {
  await side.gateway[Symbol.asyncDispose]();
  await side.standin[Symbol.asyncDispose]();
}
await agent.close();
