import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pause } from '../pace.ts';
import { freePort, type GatewayProcess, type Stage, type Standin, startStandin } from '../stage.ts';

/** A job as the control port of the stand-in gives it. */
export interface WitnessedJob {
  readonly id: number;
  readonly user: string;
  readonly logfile: string;
  readonly jobname: string;
  readonly submittedAt: number;
}

interface Jobs {
  readonly nextId: number;
  readonly jobs: readonly WitnessedJob[];
}

/** Two hosts of one vovserver, of which one serves, and three gateways before them. */
export interface Site extends AsyncDisposable {
  readonly urls: readonly string[];
  readonly tokens: readonly string[];
  /** All jobs in the memory of the server that serves. */
  jobs(): Promise<readonly WitnessedJob[]>;
  faults(change: object): Promise<void>;
  /** Kills one gateway and starts it again. */
  killGateway(at: number): Promise<void>;
  /** The other host goes on, without the jobs of the last `lostMs` milliseconds. Gives the ids of those. */
  failover(lostMs: number): Promise<readonly number[]>;
  /** A further gateway with other settings of `jobs`. */
  aside(jobs: object): Promise<string>;
}

export interface SiteOptions {
  readonly seed: number;
  readonly marker: string;
  readonly logfileRule: string;
  readonly users: readonly string[];
}

/** Times are scaled: limits of seconds instead of half a minute. */
const TIMEOUTS = { connect: '500ms', login: '5s', headers: '1500ms', body: '1s', total: '6s' };
export const SETTLE = { lost: '2s', dead: '4s', readAge: '0s' };

async function startHosts({ seed, logfileRule, users }: SiteOptions): Promise<readonly Standin[]> {
  const flags = [
    ...['--transport', 'https-ca', '--queue-name', 'proof', '--users', users.map((user) => `${user}:pw`).join(',')],
    ...['--profile', 'slots=1000000', '--profile', `duplicateLogfile=${logfileRule}`],
  ];
  return Promise.all([0, 1].map((at) => startStandin([...flags, '--seed', `${seed + at}`])));
}

async function startGateways(stage: Stage, section: object): Promise<{ url: string; kill(): Promise<void> }[]> {
  const start = async () => {
    const port = await freePort();
    const launch = (): Promise<GatewayProcess> => stage.gateway({ ...section, server: { port } });
    let process = await launch();
    return {
      url: `http://127.0.0.1:${port}`,
      async kill() {
        await process.kill();
        process = await launch();
      },
    };
  };
  return Promise.all([start(), start(), start()]);
}

function sectionFor(hosts: readonly Standin[], caFile: string, jobs: object): Record<string, unknown> {
  const far = { requests: 100_000_000, window: '60s' };
  return {
    replicas: 3,
    queues: [{ name: 'proof', urls: hosts.map(({ url }) => url), tls: { caFile }, timeouts: TIMEOUTS }],
    jobs: { settle: SETTLE, ...jobs },
    limits: { identity: { all: far }, address: far },
    log: { level: 'warn', requests: false },
  };
}

/** Sets up the site on a stage. */
export async function openSite(stage: Stage, options: SiteOptions): Promise<Site> {
  const hosts = await startHosts(options);
  const [first, second] = hosts;
  if (first === undefined || second === undefined) throw new Error('two hosts are needed');
  for (const user of options.users) await stage.setPassword(user, 'pw');
  const caFile = join(stage.folder, 'vovservers.pem');
  const authorities = await Promise.all(hosts.map(({ certDir }) => readFile(join(certDir, 'ca.pem'), 'utf8')));
  await writeFile(caFile, authorities.join('\n'));
  await second.control('POST', '/stop');
  const section = sectionFor(hosts, caFile, { marker: options.marker });
  const gateways = await startGateways(stage, section);
  const maker = await stage.gateway(section);
  const tokens = await Promise.all(options.users.map((user) => stage.token(maker, user)));
  await maker[Symbol.asyncDispose]();
  let [active, idle] = [first, second];
  let faults: object = {};
  return {
    urls: gateways.map(({ url }) => url),
    tokens,
    jobs: async () => ((await active.control('GET', '/jobs')) as Jobs).jobs,
    async faults(change) {
      faults = { ...faults, ...change };
      await active.control('PUT', '/faults', faults);
    },
    killGateway: async (at) => gateways[at]?.kill(),
    async failover(lostMs) {
      await active.control('POST', '/stop');
      const stopped = Date.now();
      const { nextId, jobs } = (await active.control('GET', '/jobs')) as Jobs;
      await pause(1000);
      const kept = jobs.filter(({ submittedAt }) => submittedAt < stopped - lostMs);
      await idle.control('PUT', '/jobs', { nextId, jobs: kept });
      await idle.control('PUT', '/faults', faults);
      await idle.control('POST', '/restart');
      [active, idle] = [idle, active];
      const left = new Set(kept.map(({ id }) => id));
      return jobs.map(({ id }) => id).filter((id) => !left.has(id));
    },
    aside: async (jobs) => (await stage.gateway(sectionFor(hosts, caFile, jobs))).url,
    async [Symbol.asyncDispose]() {
      for (const host of hosts) await host[Symbol.asyncDispose]();
    },
  };
}
