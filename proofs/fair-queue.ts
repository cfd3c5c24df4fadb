// One identity floods with 500 connections: another's submissions stay as fast as they were, and a kill passes the flood.
//
// The stand-in has a loop like vovserver's: other phases (`--loop-ms`, by chance), then one http phase for whoever is there,
// `--read-ms` and `--submit-ms` each, and two helpers for lists. Rate limits are set out of reach, so that turns alone
// protect. A floods with reads, lists and submissions from two processes, with one token and with many; B submits at a
// steady pace, without and with the flood in turn; A and B kill jobs in the flood. Control: without turns, and without the
// bound of connections per account, which protects by itself when accounts are not shared, it falls far short.

import type { Met } from './fair-queue/client.ts';
import { client, together, told } from './fair-queue/clients.ts';
import { createFigures, quantile } from './figures.ts';
import { readFlags } from './flags.ts';
import { pause } from './pace.ts';
import { type GatewayProcess, setStage, startStandin } from './stage.ts';

const { values, number } = readFlags(
  {
    replicas: '1',
    connections: '500',
    pairs: '4',
    seconds: '10',
    'interval-ms': '50',
    kills: '50',
    'loop-ms': '40',
    'read-ms': '1',
    'submit-ms': '2',
    'row-ms': '1',
    spread: '0.5',
    /** `own`: a vovserver account each. `shared`: one for both. */
    account: 'own',
    /** limits.lanes.mode; `off` is the control. */
    mode: 'adaptive',
    ratio: '1.5',
    control: 'yes',
  },
  {
    least: {
      connections: 100,
      pairs: 2,
      seconds: 5,
      'loop-ms': 0,
      'read-ms': 0,
      'submit-ms': 0,
      'row-ms': 0,
      spread: 0,
    },
    oneOf: { account: ['own', 'shared'], mode: ['off', 'fixed', 'adaptive'], control: ['yes', 'no'] },
  },
);
const replicas = number('replicas');
const seconds = number('seconds');
const shared = values.account === 'shared';

await using standin = await startStandin([
  ...['--transport', 'http', '--queue-name', 'proof', '--users', 'ann:pw-ann,bob:pw-bob,team:pw-team'],
  ...['--profile', 'slots=100000', '--no-ledger'],
]);
await using stage = await setStage();
for (const account of ['ann', 'bob', 'team']) await stage.setPassword(account, `pw-${account}`);

async function start(mode: string): Promise<GatewayProcess[]> {
  // Without turns nothing is to protect: neither does the bound of connections per account.
  const connections = mode === 'off' ? { connections: { perAccount: 600, total: 2000 } } : {};
  const far = { requests: 100_000_000, window: '60s' };
  const section = {
    replicas,
    queues: [{ name: 'proof', urls: [standin.url], allowInsecure: true, ...connections }],
    limits: { lanes: { mode }, identity: { all: far }, address: far },
    server: { limits: { connectionsPerAddress: 5000 } },
    log: { level: 'error', requests: false },
    ...(shared
      ? {
          credentials: [{ type: 'shared', account: 'team', passwordFile: `${stage.folder}/passwords/team` }],
          identity: { rules: [{ match: { userPattern: '[a-z]+' }, shared: 'team' }] },
        }
      : {}),
  };
  return Promise.all(Array.from({ length: replicas }, () => stage.gateway(section)));
}

async function load(on: boolean): Promise<void> {
  await standin.control('PUT', '/faults', {
    loopMs: on ? number('loop-ms') : 0,
    serviceMs: on ? number('read-ms') : 0,
    submitMs: on ? Math.max(0, number('submit-ms') - number('read-ms')) : 0,
    rowMs: on ? number('row-ms') : 0,
    spread: on ? number('spread') : 0,
  });
}

/** Jobs of an identity, made through the gateway. */
async function makeJobs(urls: readonly string[], token: string, count: number, name: string): Promise<number[]> {
  const ids: number[] = [];
  for (let i = 0; i < count; i += 1) {
    const body = JSON.stringify({
      command: 'sleep 9999',
      logfile: `${name}-${i}`,
      rundir: '/made',
      env: 'BASE',
      xdur: 9999,
    });
    const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
    const answer = await fetch(`${urls[i % urls.length]}/api/v3/jobs`, { method: 'POST', headers, body });
    if (!answer.ok) throw new Error(`a job was not accepted: ${answer.status} ${await answer.text()}`);
    ids.push(Number(((await answer.json()) as { jobid: unknown }).jobid));
  }
  return ids;
}

interface Seen {
  readonly alone: Met;
  readonly flooded: Met;
  readonly flood: Met;
  readonly killsOfA: Met;
  readonly killsOfB: Met;
}

/** Pairs of phases without and with the flood, in turn. */
async function scene(gateways: readonly GatewayProcess[], name: string, pairs: number): Promise<Seen> {
  const urls = gateways.map(({ url }) => url);
  const [first] = gateways;
  if (first === undefined) throw new Error('--replicas must be at least 1');
  await load(false);
  const ann: string[] = [];
  for (let i = 0; i < 4; i += 1) ann.push(await stage.token(first, 'ann'));
  const bob = [await stage.token(first, 'bob')];
  const perPair = Math.ceil(number('kills') / pairs);
  const jobsOfA = await makeJobs(urls, ann[0] ?? '', perPair * pairs + 100, `${name}-a`);
  const jobsOfB = await makeJobs(urls, bob[0] ?? '', perPair * pairs, `${name}-b`);
  await load(true);
  const steady = {
    kind: 'submit',
    urls,
    tokens: bob,
    seconds,
    intervalMs: number('interval-ms'),
    name: `${name}-bob`,
  } as const;
  const parts: Record<keyof Seen, Met[]> = { alone: [], flooded: [], flood: [], killsOfA: [], killsOfB: [] };
  for (let pair = 0; pair < pairs; pair += 1) {
    parts.alone.push(await client(steady));
    // One half from one token, one from many.
    const floods = [ann.slice(0, 1), ann].map((tokens, half) => {
      const connections = Math.ceil(number('connections') / 2);
      return client({
        kind: 'flood',
        urls,
        tokens,
        connections,
        seconds: seconds + 3,
        jobs: jobsOfA.slice(-100),
        name: `${name}-flood-${pair}-${half}`,
      });
    });
    await pause(2000);
    const kill = { kind: 'kill', urls, seconds, intervalMs: (seconds * 750) / perPair } as const;
    const [flooded, killsOfA, killsOfB] = await Promise.all([
      client(steady),
      client({ ...kill, tokens: ann.slice(0, 1), jobs: jobsOfA.slice(pair * perPair, (pair + 1) * perPair) }),
      client({ ...kill, tokens: bob, jobs: jobsOfB.slice(pair * perPair, (pair + 1) * perPair) }),
    ]);
    parts.flooded.push(flooded);
    parts.killsOfA.push(killsOfA);
    parts.killsOfB.push(killsOfB);
    parts.flood.push(...(await Promise.all(floods)));
    // What A left waiting ends before B is measured alone again.
    await pause(1500);
  }
  const { alone, flooded, flood, killsOfA, killsOfB } = parts;
  return {
    alone: together(alone),
    flooded: together(flooded),
    flood: together(flood),
    killsOfA: together(killsOfA),
    killsOfB: together(killsOfB),
  };
}

const only200 = ({ answers }: Met): boolean => Object.keys(answers).every((what) => what === '200');
const ms = (value: number): string => `${value.toFixed(0)} ms`;
const p99 = ({ times }: Met): number => quantile(times, 0.99);
const figures = createFigures(
  `${values.connections} connections of A against B, ${replicas} replica(s), ${values.account} accounts, turns ${values.mode}`,
);

const gateways = await start(values.mode);
const seen = await scene(gateways, 'main', number('pairs'));
const state = await Promise.all(
  gateways.map(({ metric }) =>
    Promise.all(['control', 'submit', 'read', 'list'].map((lane) => metric('vovgw_lane_limit', `lane="${lane}"`))),
  ),
);
const ratio = p99(seen.flooded) / p99(seen.alone);
const quantiles = (met: Met): string =>
  [0.5, 0.9, 0.99, 1].map((share) => quantile(met.times, share).toFixed(0)).join(' / ');
figures.add(
  'B alone: p50 / p90 / p99 / worst, ms',
  'answered',
  `${quantiles(seen.alone)} of ${seen.alone.times.length}`,
  only200(seen.alone),
);
figures.add(
  'B in the flood: the same',
  'answered',
  `${quantiles(seen.flooded)} of ${seen.flooded.times.length}`,
  only200(seen.flooded),
);
figures.add('p99 in the flood ÷ alone', `≤ ${values.ratio}`, ratio.toFixed(2), ratio <= Number(values.ratio));
for (const [who, met] of [
  ['A itself', seen.killsOfA],
  ['B', seen.killsOfB],
] as const) {
  const worst = Math.max(...met.times);
  const enough = met.times.length >= number('kills');
  figures.add(
    `slowest of ${met.times.length} kills by ${who}`,
    '≤ 1000 ms, all accepted',
    `${ms(worst)}; ${told(met)}`,
    enough && worst <= 1000 && only200(met),
  );
}
figures.add('the flood met', 'answers too', told(seen.flood), (seen.flood.answers['200'] ?? 0) > 0);
figures.add('limits at the end: control submit read list', '', state.map((row) => row.join(' ')).join('; '), true);
for (const gateway of gateways) await gateway.kill();

if (values.control === 'yes') {
  const off = await scene(await start('off'), 'control', 1);
  const without = p99(off.flooded) / p99(off.alone);
  figures.add(
    'control: the same without turns',
    `> ${values.ratio}`,
    `${without.toFixed(2)} (p99 ${ms(p99(off.flooded))})`,
    without > Number(values.ratio),
  );
}
figures.print();
