import { join } from 'node:path';
import { Agent } from 'undici';
import { runClient } from '../client-process.ts';
import { freePort, type GatewayProcess, type Stage, type Standin, startStandin } from '../stage.ts';
import type { Order } from './client.ts';
import { type Ask, post, type Told } from './post.ts';

/** A job as the control port of the stand-in gives it. */
export interface WitnessedJob {
  readonly id: number;
  readonly user: string;
  readonly logfile: string;
  readonly submittedAt: number;
  readonly endedAt: number | null;
}

/** The numbers of the quotas. */
export interface Sizes {
  readonly perMinute: number;
  readonly teamPerMinute: number;
  readonly live: number;
  readonly teamLive: number;
}

/** The quota of the scene in which everything is used up at once. */
export const SMALL = 5;
export const ALL_NAMES = ['all-minute', 'all-day', 'all-live', 'all-team'];

const quotasOf = ({ perMinute, teamPerMinute, live, teamLive }: Sizes): object[] => [
  { name: 'person', groups: ['red', 'blue', 'minute'], submissionsPerMinute: perMinute },
  { name: 'red-team', groups: ['red'], per: 'group', submissionsPerMinute: teamPerMinute },
  { name: 'looked-at', groups: ['blue'], submissionsPerMinute: 1, mode: 'observe' },
  { name: 'farm-person', groups: ['farm', 'one'], liveJobs: live },
  { name: 'farm-team', groups: ['farm'], per: 'group', liveJobs: teamLive },
  { name: 'all-minute', groups: ['all'], submissionsPerMinute: SMALL },
  { name: 'all-day', groups: ['all'], submissionsPerDay: SMALL },
  { name: 'all-live', groups: ['all'], liveJobs: SMALL },
  { name: 'all-team', groups: ['all'], per: 'group', submissionsPerMinute: SMALL, liveJobs: SMALL },
];

/** One vovserver and three gateways that share a Redis. */
export interface Site extends AsyncDisposable {
  readonly stage: Stage;
  readonly standin: Standin;
  readonly sizes: Sizes;
  readonly groups: Readonly<Record<string, readonly string[]>>;
  /** Submits once, at a gateway of this number. */
  ask(at: number, ask: Ask): Promise<Told>;
  get(at: number, who: string, path: string): Promise<{ status: number; text: string }>;
  /** Deals the list out to client processes, and gives what they were told. */
  flood(asks: readonly Ask[], change?: Partial<Order>): Promise<Told[]>;
  jobs(): Promise<readonly WitnessedJob[]>;
  /** Kills all gateways, and with them Redis, and starts everything again. */
  killAll(): Promise<void>;
  /** From now on `flood` and `ask` speak to a gateway without quotas. */
  withoutQuotas(): Promise<void>;
}

/** Size of the clients, and whose names there are. */
export interface SiteOptions {
  readonly sizes: Sizes;
  readonly groups: Readonly<Record<string, readonly string[]>>;
  readonly seed: number;
  readonly processes: number;
  readonly atOnce: number;
}

const CLIENT = join(import.meta.dirname, 'client.ts');
const FAR = { requests: 100_000_000, window: '60s' };

const sectionOf = (standin: Standin, { groups, sizes }: SiteOptions, quotas: boolean): Record<string, unknown> => ({
  replicas: 3,
  queues: [{ name: 'proof', urls: [standin.url], allowInsecure: true }],
  identity: { groups },
  jobs: {
    marker: 'jobname',
    settle: { lost: '1s', dead: '2s', readAge: '1s' },
    quotas: quotas ? quotasOf(sizes) : [],
  },
  limits: { identity: { all: FAR }, address: FAR, lanes: { mode: 'off' } },
  log: { level: 'warn', requests: false },
});

async function startGateways(stage: Stage, section: Record<string, unknown>) {
  const ports = await Promise.all([0, 1, 2].map(() => freePort()));
  let running: GatewayProcess[] = [];
  const start = async (): Promise<void> => {
    running = await Promise.all(ports.map((port) => stage.gateway({ ...section, server: { port } })));
  };
  await start();
  return {
    urls: ports.map((port) => `http://127.0.0.1:${port}`),
    first: (): GatewayProcess => running[0] as GatewayProcess,
    start,
    kill: (): Promise<unknown> => Promise.all(running.map((one) => one.kill())),
  };
}

/** Sets up the site on a stage. */
export async function openSite(stage: Stage, options: SiteOptions): Promise<Site> {
  const people = [...new Set(Object.values(options.groups).flat())];
  const users = people.map((who) => `${who}:pw`).join(',');
  const profile = ['tokensSurviveRestart=true', 'slots=1000000'].flatMap((one) => ['--profile', one]);
  const flags = ['--transport', 'http', '--queue-name', 'proof', '--seed', `${options.seed}`, ...profile];
  const standin = await startStandin([...flags, '--users', users]);
  for (const who of people) await stage.setPassword(who, 'pw');
  const gateways = await startGateways(stage, sectionOf(standin, options, true));
  const tokens: Record<string, string> = {};
  for (const who of people) tokens[who] = await stage.token(gateways.first(), who);
  const agent = new Agent({ connections: 16 });
  let { urls } = gateways;
  const urlOf = (at: number): string => urls[at % urls.length] ?? '';
  return {
    stage,
    standin,
    sizes: options.sizes,
    groups: options.groups,
    ask: (at, ask) => post(agent, urlOf(at), tokens[ask.who] ?? '', ask),
    async get(at, who, path) {
      const answer = await fetch(urlOf(at) + path, { headers: { authorization: `Bearer ${tokens[who]}` } });
      return { status: answer.status, text: await answer.text() };
    },
    async flood(asks, change = {}) {
      const told: Told[] = [];
      const { processes, atOnce } = options;
      const usual = { urls, tokens, atOnce, lastsMs: 0, restsMs: 0, patienceMs: 0 };
      const orders = Array.from({ length: processes }, (_, at) => asks.filter((_ask, i) => i % processes === at));
      const run = (part: readonly Ask[]) =>
        runClient<Told>(CLIENT, stage.folder, { ...usual, ...change, asks: part }, (one) => void told.push(one));
      await Promise.all(orders.map(run));
      return told;
    },
    jobs: async () => ((await standin.control('GET', '/jobs')) as { jobs: WitnessedJob[] }).jobs,
    async killAll() {
      await Promise.all([gateways.kill(), stage.redis.kill()]);
      await stage.redis.start();
      await gateways.start();
    },
    async withoutQuotas() {
      await gateways.kill();
      urls = [(await stage.gateway(sectionOf(standin, options, false))).url];
    },
    async [Symbol.asyncDispose]() {
      await agent.close();
      await standin[Symbol.asyncDispose]();
    },
  };
}
