// vovserver changes its TLS key under load: none fails with the next key pinned, none passes with an unknown one (--seconds 20).

import { writeFile } from 'node:fs/promises';
import { Agent } from 'undici';
import { createSelfSigned, type Leaf } from '../standin/certificates.ts';
import { createFigures } from './figures.ts';
import { readFlags } from './flags.ts';
import { pause } from './pace.ts';
import { count, counted, get, poll } from './pollers.ts';
import { readText, setStage, startStandin, until } from './stage.ts';

const { values } = readFlags({
  seconds: '20',
  rotations: '10',
  users: '10',
  restarts: '5',
});
const PATH = '/api/v3/project/1/version';
const users = Array.from({ length: Number(values.users) }, (_, i) => `user${i}`);
const seconds = Number(values.seconds);

await using standin = await startStandin([
  ...['--transport', 'https-selfsigned', '--queue-name', 'proof'],
  ...['--users', users.map((user) => `${user}:pw-${user}`).join(','), '--profile', 'tokensSurviveRestart=true'],
]);
const [current, next, unknown] = [await createSelfSigned(), await createSelfSigned(), await createSelfSigned()];
const show = (leaf: Leaf, restart = false): Promise<unknown> =>
  standin.control('POST', '/certificate', { leaf, restart });
await show(current);
// Connections end after some calls, so that the load meets every new key by handshakes of its own.
await standin.control('PUT', '/faults', { requestsPerConnection: 20 });

await using stage = await setStage();
for (const user of users) await stage.setPassword(user, `pw-${user}`);
const gateway = await stage.gateway({
  queues: [
    {
      name: 'proof',
      urls: [standin.url],
      tls: { verify: 'pin', pins: [current.spkiPin, next.spkiPin], probe: '500ms' },
    },
  ],
  limits: { mode: 'off' },
  log: { level: 'error', requests: false },
});
const pollers = [];
for (const user of users) pollers.push({ user, token: await stage.token(gateway, user) });
const figures = createFigures('Rotation of vovserver’s TLS key under load');

interface Stats {
  readonly handshakes: number;
  readonly connectionsOpened: number;
}
const stats = async (): Promise<Stats> => (await standin.control('GET', '/stats')) as Stats;
const alternate = (turn: number): Leaf => (turn % 2 === 0 ? next : current);

async function rotations(times: number, restart: boolean): Promise<void> {
  for (let turn = 0; turn < times; turn++) {
    await pause((seconds * 1000) / (times + 1));
    await show(alternate(turn), restart);
  }
}

// Current and next are pinned: the server may show either at any time.
const before = await stats();
const [polls] = await Promise.all([
  poll(pollers, [gateway.url], PATH, { seconds, intervalMs: 10 }),
  rotations(Number(values.rotations), false),
]);
const after = await stats();
figures.add(
  `failed of ${polls.calls} calls, ${values.rotations} rotations between two pins`,
  '0',
  counted(polls.failures),
  polls.failures.size === 0,
);
const shakes = after.handshakes - before.handshakes;
figures.add('handshakes meanwhile', '> rotations', shakes, shakes > Number(values.rotations));

// The same with a restart each time: connections are cut and refused for a moment.
const [again] = await Promise.all([
  poll(pollers, [gateway.url], PATH, { seconds, intervalMs: 10 }),
  rotations(Number(values.restarts), true),
]);
const allowed = (what: string): boolean => /^503 GW_UPSTREAM_DOWN$|^502 GW_UPSTREAM_INVALID$/.test(what);
const others = [...again.failures].filter(([what]) => !allowed(what));
figures.add(
  `failed of ${again.calls} calls, ${values.restarts} restarts with the other key`,
  'only while it is down',
  counted(again.failures),
  others.length === 0,
);

// A key that nobody pinned: refused within a second, on pooled connections, too.
interface Seen {
  readonly at: number;
  readonly what: string;
}
await show(current);
await standin.control('PUT', '/faults', { requestsPerConnection: 0 });
const agent = new Agent({ connections: 32 });
const seen: Seen[] = [];
let polling = true;
const pollOnce = async (token: string): Promise<void> => {
  while (polling) {
    const { what, body } = await get(agent, gateway.url + PATH, token);
    seen.push({ at: Date.now(), what: `${what} ${/GW_[A-Z_]+/.exec(body)?.[0] ?? ''}`.trim() });
    await pause(5);
  }
};
const polled = Promise.all(pollers.map(({ token }) => pollOnce(token)));
await until('calls pass', () => (seen.filter(({ what }) => what === '200').length >= 200 ? true : null));
const { connectionsOpened } = await stats();
const rotatedAt = Date.now();
await show(unknown);
await pause(5000);

const late = seen.filter(({ at }) => at > rotatedAt);
const lastPassed = Math.max(rotatedAt, ...late.filter(({ what }) => what === '200').map(({ at }) => at));
const tally = (list: readonly Seen[]): Map<string, number> => {
  const counts = new Map<string, number>();
  for (const { what } of list) count(counts, what);
  return counts;
};
const during = tally(late.filter(({ at }) => at <= rotatedAt + 1000));
const afterwards = tally(late.filter(({ at }) => at > rotatedAt + 1000));
figures.add(
  'last call that passed after an unknown key was shown',
  '≤ 1000 ms',
  `${lastPassed - rotatedAt} ms`,
  lastPassed - rotatedAt <= 1000,
);
figures.add('calls in the first second', 'shown only', counted(during), true);
figures.add(
  'calls after it',
  'all 502 GW_UPSTREAM_TLS',
  counted(afterwards),
  afterwards.size === 1 && afterwards.has('502 GW_UPSTREAM_TLS'),
);

interface Entry {
  readonly connection: number;
}
const ledger = (await standin.control('GET', '/ledger')) as { requests: Entry[]; logins: Entry[] };
const reached = [...ledger.requests, ...ledger.logins].filter(({ connection }) => connection > connectionsOpened);
figures.add('requests and logins that a server with the unknown key got', '0', reached.length, reached.length === 0);
const { connectionsOpened: opened } = await stats();
figures.add('handshakes that met the unknown key', '≥ 1', opened - connectionsOpened, opened > connectionsOpened);

// The key turns out to be right: it is pinned in the file, and the gateway goes on without a restart.
const file = JSON.parse(await readText(gateway.configFile)) as { queues: { tls: { pins: string[] } }[] };
for (const { tls } of file.queues) tls.pins = [unknown.spkiPin, next.spkiPin];
const pinnedAt = Date.now();
await writeFile(gateway.configFile, JSON.stringify(file), { mode: 0o600 });
const recovered = await until('calls pass again', () => seen.find((s) => s.at > pinnedAt && s.what === '200') ?? null);
figures.add(
  'calls pass after its pin was put into the file',
  '≤ 5000 ms',
  `${recovered.at - pinnedAt} ms`,
  recovered.at - pinnedAt <= 5000,
);
const settledAt = Date.now();
await pause(2000);
const settled = tally(seen.filter(({ at }) => at > settledAt + 500));
figures.add('calls from then on', 'all 200', counted(settled), settled.size === 1 && settled.has('200'));
figures.add('restarts of the gateway', '0', gateway.child.exitCode === null ? 0 : 1, gateway.child.exitCode === null);
polling = false;
await polled;
await agent.close();
figures.print();
