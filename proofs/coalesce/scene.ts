import { spawn } from 'node:child_process';
import { join } from 'node:path';
import type { GatewayProcess, Standin } from '../stage.ts';
import type { Group, Met, Order } from './poller.ts';
import { startVersions, type Version } from './version.ts';

/** A call that reached the stand-in. */
export interface Reached {
  readonly at: number;
  readonly account: string | null;
  readonly method: string;
  readonly target: string;
  readonly status: number | null;
}

/** What a scene showed: what the clients met by group, what reached the stand-in, and what the gateway counted. */
export interface Shown {
  readonly groups: readonly Met[];
  readonly reached: readonly Reached[];
  readonly versions: readonly Version[];
  readonly own: number;
  readonly saved: number;
  readonly tooLarge: number;
}

export interface SceneOptions {
  readonly gateway: GatewayProcess;
  readonly standin: Standin;
  readonly job: number;
  readonly seconds: number;
  readonly everyMs: number;
  readonly processes: number;
  readonly groups: readonly Group[];
  /** What happens meanwhile. */
  readonly meanwhile?: () => Promise<void>;
}

const share = (connections: number, processes: number, nth: number): number =>
  Math.floor((connections * (nth + 1)) / processes) - Math.floor((connections * nth) / processes);

function runPollers(order: Order): Promise<Met[]> {
  const file = join(import.meta.dirname, 'poller.ts');
  const child = spawn(process.execPath, [file, JSON.stringify(order)], { stdio: ['ignore', 'pipe', 'inherit'] });
  return new Promise((resolve, reject) => {
    let text = '';
    child.stdout.setEncoding('utf8').on('data', (piece: string) => {
      text += piece;
    });
    child.on('error', reject);
    child.on('close', () => {
      try {
        resolve(JSON.parse(text) as Met[]);
      } catch (error) {
        reject(error);
      }
    });
  });
}

function merged(mets: readonly Met[]): Met {
  const all: Met = { answers: {}, replies: [], foreign: 0, bytes: 0, quits: 0 };
  for (const met of mets) {
    for (const [what, count] of Object.entries(met.answers)) all.answers[what] = (all.answers[what] ?? 0) + count;
    for (const reply of met.replies) all.replies.push(reply);
    all.foreign += met.foreign;
    all.bytes += met.bytes;
    all.quits += met.quits;
  }
  return all;
}

const LEDGER = '/ledger/requests';

/** Lets all groups poll from several processes while the version changes. */
export async function play(options: SceneOptions): Promise<Shown> {
  const { gateway, standin, job, seconds, everyMs, processes, groups } = options;
  const counted = (how: string): Promise<number> => gateway.metric('vovgw_coalesced_total', `how="${how}"`);
  const counts = async () => Promise.all(['own', 'shared', 'cached', 'too_large'].map(counted));
  const [own = 0, shared = 0, cached = 0, tooLarge = 0] = await counts();
  const { seq } = (await standin.control('GET', '/ledger?since=999999999')) as { seq: number };
  const versions = await startVersions(standin, job, everyMs);
  const { hostname, port } = new URL(gateway.url);
  const runs = Array.from({ length: processes }, (_, nth) =>
    runPollers({
      host: hostname,
      port: Number(port),
      seconds,
      groups: groups.map((group) => ({ ...group, connections: share(group.connections, processes, nth) })),
    }),
  );
  const [mets] = await Promise.all([Promise.all(runs), options.meanwhile?.()]);
  const all = await versions.stop();
  const reached = (await standin.control('GET', `${LEDGER}?since=${seq}`)) as Reached[];
  const [ownAfter = 0, sharedAfter = 0, cachedAfter = 0, tooLargeAfter = 0] = await counts();
  return {
    groups: groups.map((_, at) => merged(mets.map((met) => met[at]).filter((met) => met !== undefined))),
    reached,
    versions: all,
    own: ownAfter - own,
    saved: sharedAfter - shared + cachedAfter - cached,
    tooLarge: tooLargeAfter - tooLarge,
  };
}
