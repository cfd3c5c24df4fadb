// Redis stopped for a minute under load and back, then frozen: who is served, who gets 503, and that nothing hangs.

import { Agent } from 'undici';
import { createFigures, quantile } from './figures.ts';
import { readFlags } from './flags.ts';
import { pause } from './pace.ts';
import { counted, get, type Poller, poll } from './pollers.ts';
import { setStage, startStandin } from './stage.ts';

const { values } = readFlags({
  users: '30',
  away: '60',
  frozen: '20',
});
const users = Array.from({ length: Number(values.users) }, (_, i) => `user${i}`);
const PATH = '/api/v3/project/1/version';
const away = Number(values.away);
const wait = (seconds: number): Promise<void> => pause(seconds * 1000);

await using standin = await startStandin([
  ...['--transport', 'http', '--queue-name', 'proof'],
  ...['--users', [...users, 'late'].map((user) => `${user}:pw-${user}`).join(',')],
]);
await using stage = await setStage();
for (const user of [...users, 'late']) await stage.setPassword(user, `pw-${user}`);
const section = {
  replicas: 2,
  queues: [{ name: 'proof', urls: [standin.url], allowInsecure: true }],
  log: { level: 'error', requests: false },
};
const gateways = [await stage.gateway(section), await stage.gateway(section)];
const urls = gateways.map((gateway) => gateway.url);
const [first] = gateways;
if (first === undefined) throw new Error('no gateway');
const pollers: Poller[] = [];
for (const user of users) pollers.push({ user, token: await stage.token(first, user) });
// A token that no replica has seen: it must not be let in while the store is away.
const late = await stage.token(first, 'late');
const figures = createFigures(
  `Redis away, ${users.length} users polling once a second on each of two replicas in turn`,
);
const agent = new Agent({ connections: 64 });
const load = (seconds: number) => poll(pollers, urls, PATH, { seconds, intervalMs: 1000, agent });

await load(5);
const before = await load(5);
figures.add('before: failed', '0', counted(before.failures), before.failures.size === 0);

const during = load(away);
await stage.redis.stop();
const unseen: string[] = [];
const times: number[] = [];
for (let i = 0; i < 10; i++) {
  const started = performance.now();
  const { what, body } = await get(agent, first.url + PATH, late);
  times.push(performance.now() - started);
  unseen.push(`${what} ${/GW_[A-Z_]+/.exec(body)?.[0] ?? ''}`);
  await wait(0.5);
}
const polls = await during;
const failed = [...polls.failures.values()].reduce((sum, n) => sum + n, 0);
const served = 1 - failed / polls.calls;
const onlyUnavailable = [...polls.failures.keys()].every((what) => what === '503 GW_STORE_UNAVAILABLE');
figures.add(
  `stopped for ${away} s: served of ${polls.calls} calls`,
  '≥ 99.9 %',
  `${(served * 100).toFixed(2)} %`,
  served >= 0.999,
);
figures.add('the others', '503 only', counted(polls.failures), onlyUnavailable);
figures.add('slowest call', '≤ 1000 ms', `${Math.max(...polls.times).toFixed(0)} ms`, Math.max(...polls.times) <= 1000);
figures.add(
  'a token that was never seen',
  '503, never let in',
  [...new Set(unseen)].join(', '),
  unseen.every((u) => u === '503 GW_STORE_UNAVAILABLE'),
);
figures.add('time of that 503', '≤ 500 ms', `${Math.max(...times).toFixed(0)} ms`, Math.max(...times) <= 500);
const ready = await fetch(`${first.adminUrl}/readyz`);
figures.add(
  '/readyz meanwhile',
  '200 degraded',
  `${ready.status} ${(await ready.text()).trim()}`,
  ready.status === 200,
);

await stage.redis.start();
await wait(3);
const after = await load(10);
figures.add('back: failed', '0', counted(after.failures), after.failures.size === 0);
const isBack = await get(agent, first.url + PATH, late);
figures.add('back: the token that was never seen', '200', isBack.what, isBack.what === '200');

// Frozen: the connection stays open and nothing answers, the worst kind of away.
const frozen = load(Number(values.frozen));
await wait(1);
stage.redis.freeze();
const froze: number[] = [];
for (let i = 0; i < 10; i++) {
  const started = performance.now();
  await get(agent, first.url + PATH, `${late}`);
  froze.push(performance.now() - started);
  await wait(0.5);
}
await wait(2);
stage.redis.thaw();
const cold = await frozen;
const coldFailed = [...cold.failures.values()].reduce((sum, n) => sum + n, 0);
figures.add(
  `frozen: served of ${cold.calls} calls`,
  '≥ 99.9 %',
  `${(100 - (coldFailed / cold.calls) * 100).toFixed(2)} % ${counted(cold.failures)}`,
  coldFailed / cold.calls <= 0.001,
);
figures.add(
  'frozen: slowest call',
  '≤ 600 ms',
  `${Math.max(...cold.times, ...froze).toFixed(0)} ms (p99 ${quantile(cold.times, 0.99).toFixed(0)} ms)`,
  Math.max(...cold.times, ...froze) <= 600,
);
figures.print();
await agent.close();
