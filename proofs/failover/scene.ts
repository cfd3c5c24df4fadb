import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Authority, createAuthority } from '../../standin/certificates.ts';
import { runClient } from '../client-process.ts';
import { pause } from '../pace.ts';
import { freePort, type GatewayProcess, type Stage, type Standin, startStandin } from '../stage.ts';
import type { Answered, Order } from './client.ts';

export const QUEUE = 'main';

/** A server of the scene: its stand-in, and the address at which it is when it is up. */
export interface Server {
  readonly standin: Standin;
  readonly url: string;
  /** Comes up at its address. */
  up(): Promise<void>;
}

export interface Site extends AsyncDisposable {
  readonly a: Server;
  readonly other: Server;
  readonly b: Server;
  /** The first server’s successor at its very address, with another key and other JWTs. */
  readonly a2: Server;
  readonly caFile: string;
}

async function createServer(
  authority: Authority,
  host: string,
  port: number,
  flags: readonly string[],
  loginMs: number,
): Promise<Server> {
  // It begins somewhere else, gets its certificate and stops: nobody meets it before its time.
  const standin = await startStandin(['--host', host, '--control-host', '127.0.0.1', ...flags]);
  await standin.control('POST', '/certificate', { leaf: await authority.leaf({ hosts: [host] }) });
  await standin.control('PUT', '/faults', { loginMs, rules: [] });
  await standin.control('POST', '/stop');
  return {
    standin,
    url: `https://${host}:${port}`,
    up: async () => void (await standin.control('POST', '/restart', { port })),
  };
}

/** Prepares four servers as processes, all of one authority: two of the queue, the first one’s successor, and another queue. */
export async function openSite(
  folder: string,
  users: readonly string[],
  options: { loginMs: number; otherKnows: boolean; otherProfile: readonly string[] },
): Promise<Site> {
  const authority = await createAuthority('Failover');
  const caFile = join(folder, 'failover-ca.pem');
  await writeFile(caFile, authority.certPem);
  const port = await freePort();
  const known = ['--users', users.map((user) => `${user}:pw-${user}`).join(',')];
  const main = ['--queue-name', QUEUE, '--transport', 'https-ca', ...known];
  const another = ['--queue-name', 'another', '--transport', 'https-ca', ...options.otherProfile];
  const { loginMs } = options;
  const a = await createServer(authority, '127.0.0.1', port, main, 0);
  const b = await createServer(authority, '127.0.0.2', await freePort(), main, loginMs);
  const a2 = await createServer(authority, '127.0.0.1', port, main, loginMs);
  const flags = options.otherKnows ? [...another, ...known] : another;
  const other = await createServer(authority, '127.0.0.3', await freePort(), flags, 0);
  return {
    a,
    b,
    a2,
    other,
    caFile,
    async [Symbol.asyncDispose]() {
      for (const { standin } of [a, b, a2, other]) await standin[Symbol.asyncDispose]();
    },
  };
}

/** Starts the gateways on one Redis; a first server, another queue, and a second server are their candidates, in this order. */
export async function startGateways(
  stage: Stage,
  site: Site,
  options: { replicas: number; logins: number; expected: string },
): Promise<GatewayProcess[]> {
  const gateways: GatewayProcess[] = [];
  const { replicas, logins, expected } = options;
  for (let nth = 0; nth < replicas; nth += 1) {
    gateways.push(
      await stage.gateway({
        replicas,
        queues: [
          {
            name: QUEUE,
            urls: [site.a.url, site.other.url, site.b.url],
            tls: { caFile: site.caFile },
            failover: { expected },
          },
        ],
        broker: { loginConcurrency: logins },
        limits: { mode: 'off' },
        log: { level: 'info', requests: false },
      }),
    );
  }
  return gateways;
}

/** Client processes; `answers` grows while they run. */
export interface Clients {
  readonly answers: Answered[];
  readonly done: Promise<unknown>;
}

/** Starts client processes and deals the accounts out to them. */
export async function startClients(folder: string, processes: number, order: Order): Promise<Clients> {
  const answers: Answered[] = [];
  const script = join(import.meta.dirname, 'client.ts');
  const one = async (nth: number): Promise<void> => {
    const accounts = order.accounts.filter((_account, at) => at % processes === nth);
    await runClient<Answered>(script, folder, { ...order, accounts }, (answered) => void answers.push(answered));
  };
  return { answers, done: Promise.all(Array.from({ length: processes }, (_, nth) => one(nth))) };
}

/** When a server was killed and when the next one was up, milliseconds since the epoch. */
export interface Outage {
  readonly killed: number;
  readonly up: number;
}

/** Kills a server, leaves its clients alone for a while, and brings the next one up. */
export async function failOver(from: Server, to: Server, outageMs: number): Promise<Outage> {
  const killed = Date.now();
  await from.standin.kill();
  await pause(outageMs);
  await to.up();
  return { killed, up: Date.now() };
}
