import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Peaks } from '../../standin/vovserver/under-way.ts';
import { type GatewayProcess, type Stage, type Standin, setStage, startStandin } from '../stage.ts';
import type { Met, Order } from './client.ts';

const run = promisify(execFile);
const USERS = ['ann', 'ben', 'cat', 'dan', 'eve', 'fay'];
const ROWS = 50;

/** The server of an arm, all the same: helpers for lists that hinder each other when more wait. */
export interface Server {
  readonly helpers: number;
  readonly contention: number;
  readonly spread: number;
}

/** Gateways of one kind in front of a server of their own. */
export interface Arm extends AsyncDisposable {
  readonly name: string;
  readonly stage: Stage;
  readonly standin: Standin;
  readonly gateways: GatewayProcess[];
  /** Milliseconds of one list. */
  service(ms: number): Promise<void>;
  add(): Promise<GatewayProcess>;
  callers(order: Pick<Order, 'callers' | 'seconds' | 'inTimeMs'>): Promise<Met>;
  peaks(since: number): Promise<Peaks[]>;
}

/** Starts an arm with jobs to list; `lanes` is limits.lanes of its gateways. */
export async function startArm(name: string, replicas: number, lanes: object, server: Server): Promise<Arm> {
  const users = USERS.map((user) => `${user}:pw-${user}`).join(',');
  // What was started ends also when the rest does not start.
  await using started = new AsyncDisposableStack();
  const standin = started.use(
    await startStandin([...['--transport', 'http', '--queue-name', 'proof', '--users', users, '--no-ledger']]),
  );
  const stage = started.use(await setStage());
  for (const user of USERS) await stage.setPassword(user, `pw-${user}`);
  const far = { requests: 100_000_000, window: '60s' };
  const connections = { perAccount: 64, total: 400 };
  const coalesce = { join: 'off' };
  const section = {
    replicas,
    queues: [{ name: 'proof', urls: [standin.url], allowInsecure: true, connections, coalesce }],
    limits: { lanes, identity: { all: far }, address: far },
    server: { limits: { connectionsPerAddress: 5000 } },
    log: { level: 'error', requests: false },
  };
  const gateways: GatewayProcess[] = [];
  const add = async (): Promise<GatewayProcess> => {
    const gateway = await stage.gateway(section);
    gateways.push(gateway);
    return gateway;
  };
  for (let i = 0; i < replicas; i += 1) await add();
  const [first] = gateways;
  if (first === undefined) throw new RangeError('an arm needs a replica');
  const tokens: string[] = [];
  for (const user of USERS) tokens.push(await stage.token(first, user));
  for (let i = 0; i < ROWS; i += 1) {
    const body = JSON.stringify({ command: 'sleep 9999', logfile: `list-${i}`, rundir: '/made', env: 'BASE' });
    const headers = { authorization: `Bearer ${tokens[0]}`, 'content-type': 'application/json' };
    const answer = await fetch(`${first.url}/api/v3/jobs`, { method: 'POST', headers, body });
    if (!answer.ok) throw new Error(`a job was not accepted: ${answer.status} ${await answer.text()}`);
  }
  const path = `/api/v3/query?select=idint&from=jobs&limit=${ROWS}`;
  const list = await fetch(first.url + path, { headers: { authorization: `Bearer ${tokens[0]}` } });
  const { rows } = (await list.json()) as { rows?: unknown[] };
  if (rows?.length !== ROWS) throw new Error(`the list has ${rows?.length} rows, not ${ROWS}`);
  const all = started.move();
  return {
    name,
    stage,
    standin,
    gateways,
    add,
    async service(ms) {
      const { helpers: heavyReads, contention, spread } = server;
      await standin.control('PUT', '/faults', { rowMs: ms / ROWS, heavyReads, contention, spread });
    },
    async callers(order) {
      const urls = gateways.map(({ url }) => url);
      const args = [join(import.meta.dirname, 'client.ts'), JSON.stringify({ ...order, urls, tokens, path })];
      const { stdout } = await run(process.execPath, args, { maxBuffer: 1 << 26 });
      return JSON.parse(stdout) as Met;
    },
    peaks: (since) => standin.control('GET', `/under-way?since=${since}`) as Promise<Peaks[]>,
    [Symbol.asyncDispose]: () => all.disposeAsync(),
  };
}
