// 1 000 pollers of one account: at least 95 % of the calls to vovserver are saved, no reply is older than its request, and none crosses accounts.
//
// Client processes with a plain socket for each poller, a gateway process, and the stand-in over TLS with a service time. The
// name of a job is changed to v1, v2, …; every reply tells the version that it saw, and one monotonic clock of the machine tells whether that version was over before the request was sent. Other accounts poll the same target at the same
// time, whose answers the stand-in marks; every body is looked at. Witnesses are the stand-in's ledger and the clients; the
// gateway's own metric must agree with them. Scenes: callers that break off, answers over the cap, errors, the micro-cache with
// one's own writes. Controls: `join: off` saves nothing, and with `join: running` the clock does find older replies.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { failed, good, older, olderByTwo, readsOf } from './coalesce/judge.ts';
import type { Group } from './coalesce/poller.ts';
import { play, type Shown } from './coalesce/scene.ts';
import { openDirect } from './coalesce/version.ts';
import { createFigures } from './figures.ts';
import { readFlags } from './flags.ts';
import { setStage, startStandin } from './stage.ts';

const { values, number } = readFlags(
  {
    pollers: '1000',
    accounts: '50',
    seconds: '12',
    'pause-ms': '500',
    'service-ms': '20',
    'change-ms': '60',
    processes: '3',
    writes: '50',
  },
  { least: { pollers: 50, accounts: 2, seconds: 3 } },
);
const [pollers, accounts, seconds] = [number('pollers'), number('accounts'), number('seconds')];
const others = Array.from({ length: accounts }, (_, nth) => `other${nth}`);
const passwordOf = (user: string): string => `pw-${user}`;

await using standin = await startStandin([
  '--transport',
  'https-ca',
  '--queue-name',
  'proof',
  '--users',
  ['alice', ...others].map((user) => `${user}:${passwordOf(user)}`).join(','),
]);
const caFile = join(standin.certDir, 'ca.pem');
const direct = await openDirect(standin.url, readFileSync(caFile, 'utf8'), 'alice', passwordOf('alice'));
const submitted = await direct.call('POST', '/api/v3/jobs', {
  command: 'sleep 9999',
  logfile: `poll.log`,
  rundir: '/proj',
  env: 'BASE',
  jobname: 'v0',
});
const job = Number((JSON.parse(submitted.text) as { jobid: number }).jobid);
const TARGET = `/api/v3/jobs/${job}/jobname`;
const WHOLE = `/api/v3/jobs/${job}`;
const mark = (user: string): string => `row-of-${user}-`;
const marks = others.map((account) => ({
  kind: 'answer',
  account,
  path: '/jobname$',
  status: 200,
  text: JSON.stringify({ rows: [[mark(account).repeat(50)]] }),
}));
const faults = (rules: readonly object[]): Promise<unknown> =>
  standin.control('PUT', '/faults', { serviceMs: number('service-ms'), rules: [...rules, ...marks] });
await faults([]);

await using stage = await setStage();
for (const user of ['alice', ...others]) await stage.setPassword(user, passwordOf(user));
const enough = { requests: 100_000_000, window: '60s' };
const startGateway = (coalesce: object) =>
  stage.gateway({
    queues: [{ name: 'proof', urls: [standin.url], tls: { caFile }, coalesce }],
    limits: { identity: { all: enough, list: enough, read: enough }, address: enough },
    server: { limits: { connectionsPerAddress: 100_000 } },
    log: { level: 'error', requests: false },
  });
const gateway = await startGateway({});
const tokens = new Map<string, string>();
for (const user of ['alice', ...others]) tokens.set(user, await stage.token(gateway, user));

const groupOf = (user: string, connections: number, more: Partial<Group> = {}): Group => ({
  token: tokens.get(user) ?? '',
  connections,
  path: TARGET,
  pauseMs: number('pause-ms'),
  must: user === 'alice' ? '"v' : mark(user),
  mustNot: user === 'alice' ? 'row-of-' : '"v',
  notes: user === 'alice',
  ...more,
});
const scene = { standin, job, seconds, everyMs: number('change-ms'), processes: number('processes') };
const figures = createFigures(`${pollers} pollers of one account, a read takes ${values['service-ms']} ms`);
const percent = (share: number): string => `${(share * 100).toFixed(2)} %`;

/** What must hold in every scene with other accounts. */
function judgeForeign(what: string, shown: Shown): void {
  const foreign = shown.groups.reduce((sum, met) => sum + met.foreign, 0);
  const bytes = shown.groups.reduce((sum, met) => sum + met.bytes, 0);
  figures.add(`${what}: bodies of another account`, '0', `${foreign} in ${(bytes / 1e6).toFixed(1)} MB`, foreign === 0);
}

function judgeSaved(what: string, shown: Shown, saves: boolean): void {
  const answered = shown.groups.reduce((sum, met) => sum + good(met), 0);
  const reached = readsOf(shown, TARGET).length;
  const [alice] = shown.groups;
  const calls = readsOf(shown, TARGET, 'alice').length;
  const saved = alice === undefined ? Number.NaN : 1 - calls / good(alice);
  // Of fewer pollers not so much can be saved: one call after the other is what join: next makes at most.
  const oneByOne = ((seconds * 1000) / number('service-ms')) * 1.05 + 2;
  const most = alice === undefined ? Number.NaN : Math.min(0.95, 1 - oneByOne / good(alice));
  figures.add(
    `${what}: calls saved, by the ledger`,
    saves ? `≥ ${percent(most)}` : '≤ 1 %',
    `${percent(saved)} (${calls} for ${alice === undefined ? 0 : good(alice)})`,
    saves ? saved >= most : saved <= 0.01,
  );
  const same = shown.own + shown.tooLarge;
  figures.add(
    `${what}: the gateway’s metric tells the same`,
    `${reached} own, ${answered - reached} saved`,
    `${same} own, ${shown.saved} saved`,
    same === reached && shown.saved === answered - reached,
  );
}

for (const crowd of [2, accounts]) {
  const what = `join: next, ${crowd} other accounts`;
  const groups = [groupOf('alice', pollers), ...others.slice(0, crowd).map((user) => groupOf(user, 4))];
  const shown = await play({ ...scene, gateway, groups });
  const [alice] = shown.groups;
  if (alice === undefined) throw new Error('nobody polled');
  const { count, worstMs } = older(alice.replies, shown.versions);
  judgeSaved(what, shown, true);
  const seen = new Set(alice.replies.map(([, , version]) => version)).size;
  figures.add(
    `${what}: replies older than their request`,
    '0',
    `${count} of ${alice.replies.length} over ${seen} versions (${worstMs.toFixed(1)} ms)`,
    count === 0 && seen > Math.min(10, (seconds * 500) / number('change-ms')),
  );
  judgeForeign(what, shown);
  const errors = shown.groups.map(failed).filter((text) => text !== '0');
  figures.add(`${what}: errors`, '0', errors.join(', ') || '0', errors.length === 0);
}

// Callers that break off in the middle of a call, among them those who began it.
{
  const quitter = groupOf('alice', Math.max(10, Math.ceil(pollers / 10)), {
    quitMs: number('service-ms') / 2,
    pauseMs: 50,
  });
  const shown = await play({ ...scene, gateway, groups: [groupOf('alice', pollers), quitter] });
  const [stayed, quit] = shown.groups;
  if (stayed === undefined || quit === undefined) throw new Error('nobody polled');
  const { count } = older(stayed.replies, shown.versions);
  figures.add(
    'callers break off: errors of those who stay',
    '0',
    `${failed(stayed)} of ${good(stayed)}, ${quit.quits} broke off`,
    failed(stayed) === '0' && quit.quits > 100,
  );
  figures.add('callers break off: replies older than their request', '0', count, count === 0);
}

// Errors are for those of the same call, and for nobody later.
{
  const meanwhile = async (): Promise<void> => {
    const pause = (share: number) => new Promise((resolve) => setTimeout(resolve, seconds * 1000 * share));
    await pause(0.3);
    await faults([{ kind: 'answer', status: 500, account: 'alice', path: '/jobname$', executed: true }]);
    await pause(0.3);
    await faults([]);
  };
  const shown = await play({ ...scene, gateway, groups: [groupOf('alice', pollers)], meanwhile });
  const [alice] = shown.groups;
  const calls = readsOf(shown, TARGET, 'alice').filter(({ status }) => status === 500).length;
  const errors = alice?.answers['500'] ?? 0;
  const crowded = pollers / (number('pause-ms') + number('service-ms')) > 2 / number('service-ms');
  const after = await play({ ...scene, seconds: 3, gateway, groups: [groupOf('alice', pollers)] });
  figures.add(
    'errors: shared by those of the call',
    crowded ? '> calls' : '≥ calls',
    `${errors} for ${calls} calls`,
    (crowded ? errors > calls : errors >= calls) && calls > 0,
  );
  const late = after.groups.map(failed).join(', ');
  figures.add('errors: after the last one', '0', late, late === '0');
}

// Answers over the cap: each gets its own, whole.
{
  await using small = await startGateway({ maxBytes: '64B' });
  const path = WHOLE;
  const group = groupOf('alice', Math.ceil(pollers / 20), { path, must: 'sleep 9999', notes: false });
  const shown = await play({ ...scene, gateway: small, groups: [group] });
  const [met] = shown.groups;
  if (met === undefined) throw new Error('nobody polled');
  const calls = readsOf(shown, WHOLE, 'alice').length;
  figures.add(
    'over the cap: whole answers, each of its own call',
    'calls ≥ answers',
    `${calls} calls for ${good(met)} answers, ${met.foreign} not whole, ${failed(met)} errors`,
    calls >= good(met) && met.foreign === 0 && good(met) > pollers / 20,
  );
}

// The micro-cache: an answer may be older by the age that it says, and one's own writes are always seen.
{
  await using cached = await startGateway({ cache: [{ route: '/api/v3/jobs/{id}/{field}', life: '2s' }] });
  const groups = [groupOf('alice', pollers), ...others.slice(0, 2).map((user) => groupOf(user, 4))];
  const shown = await play({ ...scene, gateway: cached, groups });
  const [alice] = shown.groups;
  if (alice === undefined) throw new Error('nobody polled');
  const { count, worstMs } = older(alice.replies, shown.versions);
  const aged = alice.replies.filter(([, , , age]) => age >= 0).length;
  const calls = readsOf(shown, TARGET, 'alice').length;
  figures.add(
    'micro-cache of 2 s: replies older than their age says',
    '0',
    `${count} of ${alice.replies.length}, ${aged} from memory (${worstMs.toFixed(1)} ms)`,
    count === 0 && aged > 0,
  );
  const unsaid = older(
    alice.replies.map(([sent, at, version]) => [sent, at, version, -1]),
    shown.versions,
  );
  figures.add('control: older than their request', '> 0', `${unsaid.count}`, unsaid.count > 0);
  figures.add('micro-cache: calls', 'fewer than 1 in 20', `${calls} for ${good(alice)}`, calls < good(alice) / 20);
  judgeForeign('micro-cache', shown);

  let missed = 0;
  const write = async (): Promise<void> => {
    const headers = { authorization: `Bearer ${tokens.get('alice')}`, 'content-type': 'application/json' };
    for (let nth = 0; nth < number('writes'); nth += 1) {
      const body = JSON.stringify({ env: `E${nth}` });
      const written = await fetch(`${cached.url}${WHOLE}`, { method: 'PATCH', headers, body });
      const read = await (await fetch(`${cached.url}/api/v3/jobs/${job}/env`, { headers })).text();
      if (!written.ok || !read.includes(`"E${nth}"`)) missed += 1;
    }
  };
  // Others of the account keep reading what is written.
  const readers = groupOf('alice', 50, { path: `/api/v3/jobs/${job}/env`, must: '"', pauseMs: 20, notes: false });
  await play({ ...scene, everyMs: 1e9, gateway: cached, groups: [readers], meanwhile: write });
  figures.add('micro-cache: own writes not seen', '0', `${missed} of ${values.writes}`, missed === 0);
}

// Controls.
{
  await using running = await startGateway({ join: 'running' });
  const shown = await play({ ...scene, gateway: running, groups: [groupOf('alice', pollers)] });
  const [alice] = shown.groups;
  if (alice === undefined) throw new Error('nobody polled');
  const { count, worstMs } = older(alice.replies, shown.versions);
  const two = olderByTwo(alice, readsOf(shown, TARGET, 'alice'), shown.versions);
  figures.add(
    'join: running, replies older by more than one call',
    '0',
    `${two} of ${alice.replies.length}`,
    two === 0,
  );
  figures.add(
    'control: with join: running the clock finds older replies',
    '> 0',
    `${count} (${worstMs.toFixed(1)} ms at most)`,
    count > 0,
  );
  judgeSaved('join: running', shown, true);
}
{
  await using off = await startGateway({ join: 'off' });
  const shown = await play({ ...scene, gateway: off, groups: [groupOf('alice', pollers)] });
  judgeSaved('control: join: off', shown, false);
}
figures.print();
