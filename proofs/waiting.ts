// Waiting instead of polling: 1 000 waiting clients of an account cost vovserver what one costs, and each is told of every change.
//
// The ledger of the stand-in counts the calls, the clients (several processes) tell what they were told. Control: as many
// clients that poll plainly.

import { readFile } from 'node:fs/promises';
import { Agent, request } from 'undici';
import { createFigures, quantile } from './figures.ts';
import { readFlags } from './flags.ts';
import { each, pause } from './pace.ts';
import { poll } from './pollers.ts';
import { type GatewayProcess, setStage, startStandin } from './stage.ts';
import { judge, type SentJob, type Verdict } from './waiting/check.ts';
import type { ClientSpec } from './waiting/client.ts';
import { startCrowd } from './waiting/crowd.ts';

const { values } = readFlags(
  {
    clients: '1000',
    processes: '4',
    seconds: '15',
    interval: '1',
    accounts: '50',
    replicas: '3',
    'poll-seconds': '5',
  },
  { least: { replicas: 2 } },
);
const clients = Number(values.clients);
const processes = Number(values.processes);
const seconds = Number(values.seconds);
const interval = Number(values.interval);
const replicas = Number(values.replicas);
const others = Array.from({ length: Number(values.accounts) }, (_, at) => `user${at}`);
const users = ['alice', ...others];

await using standin = await startStandin([
  '--transport',
  'http',
  '--queue-name',
  'proof',
  '--users',
  users.map((user) => `${user}:pw`).join(','),
]);
await using stage = await setStage();
for (const user of users) await stage.setPassword(user, 'pw');

const startGateway = (count: number): Promise<GatewayProcess> =>
  stage.gateway({
    replicas: count,
    queues: [{ name: 'proof', urls: [standin.url], allowInsecure: true }],
    limits: { mode: 'off' },
    server: { limits: { connectionsPerAddress: 10_000, connections: 20_000 } },
    jobs: { watch: { interval: `${interval}s`, waitsPerIdentity: 5000, streamsPerIdentity: 5000 } },
    log: { level: 'error', requests: false },
  });

interface Entry {
  readonly seq: number;
  readonly at: number;
  readonly method: string;
  readonly target: string;
}
const entries = async (since: number): Promise<Entry[]> =>
  (await standin.control('GET', `/ledger/requests?since=${since}`)) as Entry[];
const newest = async (): Promise<number> => (await entries(0)).at(-1)?.seq ?? 0;
const reads = (list: readonly Entry[]): Entry[] =>
  list.filter(({ method, target }) => method === 'GET' && !target.startsWith('/api/v3/project/'));

const agent = new Agent({ connections: 8 });
let logfile = 0;
async function submit(gateway: GatewayProcess, account: string, token: string, runs: number): Promise<SentJob> {
  const at = Date.now();
  const answer = await request(`${gateway.url}/api/v3/jobs`, {
    ...{ method: 'POST', dispatcher: agent },
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify({ command: `sleep ${runs}`, logfile: `log${++logfile}`, rundir: '/tmp', env: 'BASE' }),
  });
  const { jobid } = (await answer.body.json()) as { jobid: number };
  // The stand-in lets a job be idle and queued for 100 ms each.
  return { jobId: String(jobid), account, endsAt: at + 200 + runs * 1000 };
}

const alone = await startGateway(1);
const tokens = new Map<string, string>();
await each(users, 4, async (user) => tokens.set(user, await stage.token(alone, user)));
const tokenOf = (user: string): string => tokens.get(user) ?? '';

const spec = (kind: ClientSpec['kind'], user: string, urls: readonly string[], cutEvery = 0): ClientSpec => ({
  kind,
  token: tokenOf(user),
  urls,
  cutEvery,
});
/** Half of them wait, half read; every tenth stream is cut now and then and comes again. */
const mixed = (count: number, gateways: readonly GatewayProcess[]): ClientSpec[] =>
  Array.from({ length: count }, (_, at) => {
    const urls = gateways.map((__, turn) => gateways[(at + turn) % gateways.length]?.url ?? '');
    return spec(at % 2 === 0 ? 'wait' : 'stream', 'alice', urls, at % 20 === 1 && count > 1 ? 5000 : 0);
  });

interface Scene extends Verdict {
  readonly calls: number;
  /** Longest pause between two calls, milliseconds. */
  readonly longestPause: number;
}

/** Lets clients wait for `forSeconds` while a job is submitted each half interval; `during` happens in the middle. */
async function play(
  specs: readonly ClientSpec[],
  gateway: GatewayProcess,
  forSeconds: number,
  accounts: readonly string[],
  during: () => Promise<void> = async () => undefined,
): Promise<Scene> {
  const crowd = await startCrowd(specs, specs.length === 1 ? 1 : processes);
  await pause(interval * 2000);
  const mark = await newest();
  const began = Date.now();
  const sent: SentJob[] = [];
  let middle: Promise<void> | null = null;
  for (let turn = 0; Date.now() - began < forSeconds * 1000; turn++) {
    if (Date.now() - began > forSeconds * 400) middle ??= during();
    const account = accounts[turn % accounts.length] ?? '';
    const job = await submit(gateway, account, tokenOf(account), 2 + (turn % 3));
    sent.push(job);
    if (account === 'alice') crowd.job(job.jobId);
    await pause((interval * 500) / Math.min(accounts.length, 10));
  }
  const calls = reads(await entries(mark));
  await middle;
  await pause((4 + interval * 3) * 1000);
  const times = [...reads(await entries(mark)).map(({ at }) => at), Date.now()];
  const gaps = times.slice(1).map((at, index) => at - (times[index] ?? at));
  const reports = await crowd.stop();
  console.log(
    `${specs.length} clients over ${specs[0]?.urls.length} replicas: ${calls.length} calls, ${sent.length} jobs`,
  );
  const verdict = judge(reports, sent, { until: Date.now() - (interval + 1) * 1000, accounts });
  await pause(interval * 2000);
  return { ...verdict, calls: calls.length, longestPause: Math.max(0, ...gaps) };
}

/** Below it the memory of the process itself comes and goes by more than its clients need. */
const MANY = 500;
const memoryOf = async ({ child }: GatewayProcess): Promise<number> =>
  Number(/VmRSS:\s+(\d+)/.exec(await readFile(`/proc/${child.pid}/status`, 'utf8'))?.[1]) / 1024;

const figures = createFigures(`${clients} clients wait, ${interval} s between two looks, ${seconds} s each`);
const short = (list: readonly string[]): string => (list.length === 0 ? '0' : `${list.length}, first: ${list[0]}`);
const late = (scene: Scene): number => Math.round(Math.max(...scene.latencies));
const isTold = (name: string, scene: Scene): void => {
  figures.add(
    `${name}: changes told`,
    'lost 0, twice 0',
    `lost ${scene.lost}, twice ${scene.twice} of ${scene.told}`,
    scene.lost === 0 && scene.twice === 0 && scene.told > 0,
  );
};
const isQuick = (name: string, scene: Scene): void => {
  const most = (interval + 1) * 1000;
  const [p50, p99] = [0.5, 0.99].map((share) => Math.round(quantile(scene.latencies, share)));
  figures.add(
    `${name}: end of a job told after`,
    `≤ ${most} ms`,
    `p50 ${p50}, p99 ${p99}, max ${late(scene)} ms`,
    late(scene) <= most,
  );
};
const costs = (name: string, scene: Scene, one: Scene): void => {
  // Where the seconds begin between two looks decides over one more or less.
  const slack = Math.max(1, one.calls * 0.1);
  const [less, more] = [one.calls - slack, one.calls + slack].map((calls) => Number(calls.toFixed(1)));
  const holds = Math.abs(scene.calls - one.calls) <= slack;
  figures.add(`${name}: calls to vovserver`, `${one.calls} ± 10 %: ${less} to ${more}`, scene.calls, holds);
};

const one = await play(mixed(1, [alone]), alone, seconds, ['alice']);
figures.add('one client: calls to vovserver', '> 0', one.calls, one.calls > 0);

const before = await memoryOf(alone);
let during = before;
const many = await play(mixed(clients, [alone]), alone, seconds, ['alice'], async () => {
  during = await memoryOf(alone);
});
costs(`${clients} clients, 1 replica`, many, one);
isTold(`${clients} clients, 1 replica`, many);
isQuick(`${clients} clients, 1 replica`, many);
figures.add(
  'failures of clients; resets; comings again',
  '0; 0; > 0',
  `${short(many.failures)}; ${many.resets}; ${many.reconnects}`,
  many.failures.length === 0 && many.resets === 0 && many.reconnects > 0,
);
const perClient = ((during - before) * 1024) / clients;
figures.add(
  'memory of the gateway per waiting client',
  clients < MANY ? 'shown only' : '≤ 100 KiB',
  `${perClient.toFixed(1)} KiB (${before.toFixed(0)} → ${during.toFixed(0)} MiB)`,
  clients < MANY || perClient <= 100,
);

// The control: as many clients that poll each their job, one call an interval.
const polled = await Promise.all(Array.from({ length: 100 }, () => submit(alone, 'alice', tokenOf('alice'), 120)));
const mark = await newest();
const pollSeconds = Number(values['poll-seconds']);
const pollers = (job: SentJob, count: number) =>
  poll(
    Array.from({ length: count }, () => ({ user: 'alice', token: tokenOf('alice') })),
    [alone.url],
    `/api/v3/jobs/${job.jobId}`,
    { seconds: pollSeconds, intervalMs: interval * 1000 },
  );
await Promise.all(polled.map((job) => pollers(job, Math.ceil(clients / polled.length))));
const perSecond = reads(await entries(mark)).length / pollSeconds;
const waited = many.calls / seconds;
figures.add(
  'control: as many who poll 100 jobs cost',
  '≥ 10 × as much',
  `${perSecond.toFixed(1)}/s instead of ${waited.toFixed(1)}/s`,
  perSecond >= 10 * waited,
);

await alone[Symbol.asyncDispose]();
const gateways = await Promise.all(Array.from({ length: replicas }, () => startGateway(replicas)));
// A replica that knows no token yet counts many who come with one at once as attempts to guess.
const headers = { authorization: `Bearer ${tokenOf('alice')}` };
for (const { url } of gateways)
  await (await request(`${url}/gateway/v1/me`, { dispatcher: agent, headers })).body.dump();
const [first, second] = gateways;
if (first === undefined || second === undefined) throw new Error('--replicas must be at least 2');
const spread = await play(mixed(clients, gateways), first, seconds, ['alice']);
costs(`${clients} clients, ${replicas} replicas`, spread, one);
isTold(`${clients} clients, ${replicas} replicas`, spread);
isQuick(`${clients} clients, ${replicas} replicas`, spread);
figures.add(
  'failures of clients; resets',
  '0; 0',
  `${short(spread.failures)}; ${spread.resets}`,
  spread.failures.length === 0 && spread.resets === 0,
);

const specs = others.map((user, at) => spec('stream', user, [gateways[at % replicas]?.url ?? '']));
const apart = await play(specs, first, seconds, others);
figures.add(`${others.length} accounts: events of another account`, '0', apart.foreign, apart.foreign === 0);
isTold(`${others.length} accounts`, apart);

// The replica that looks is killed; its streams go to another one.
const looks = (gateway: GatewayProcess): Promise<number> => gateway.metric('vovgw_job_watch_calls_total', 'what="all"');
let killed = 'none';
const streams = Array.from({ length: Math.min(clients, 100) }, (_, at) => {
  const urls = gateways.map((__, turn) => gateways[(at + turn) % replicas]?.url ?? '');
  return spec('stream', 'alice', urls);
});
const submitter = await startGateway(replicas);
const taken = await play(streams, submitter, seconds, ['alice'], async () => {
  const counted = await Promise.all(gateways.map(looks));
  await pause(interval * 2500);
  const now = await Promise.all(gateways.map(looks));
  const at = now.findIndex((count, index) => count > (counted[index] ?? 0));
  killed = `replica ${at}`;
  await gateways[at]?.kill();
});
isTold(`${killed}, which looked, was killed`, taken);
figures.add(
  'another one looks after',
  '≤ 10 s',
  `${(taken.longestPause / 1000).toFixed(1)} s; ${taken.resets} resets, ${taken.reconnects} came again`,
  killed !== 'replica -1' &&
    killed !== 'none' &&
    taken.longestPause <= 10_000 &&
    taken.reconnects > 0 &&
    taken.resets === 0,
);
figures.print();
await agent.close();
