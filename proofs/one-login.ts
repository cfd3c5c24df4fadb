// One vovserver login per account and period over all replicas, and no call that fails (--replicas 3 --users 50 --minutes 5 --jwt-life 20).

import { createFigures, quantile } from './figures.ts';
import { readFlags } from './flags.ts';
import { counted, type Poller, poll } from './pollers.ts';
import { type GatewayProcess, setStage, startStandin } from './stage.ts';

const { values } = readFlags({
  replicas: '3',
  users: '50',
  minutes: '5.0',
  'jwt-life': '20',
  interval: '500',
});
const life = Number(values['jwt-life']);
const seconds = Number(values.minutes) * 60;
const users = Array.from({ length: Number(values.users) }, (_, i) => `user${i}`);

await using standin = await startStandin([
  ...['--transport', 'http', '--queue-name', 'proof', '--jwt-life', `${life}s`],
  ...['--users', users.map((user) => `${user}:pw-${user}`).join(',')],
]);
await using stage = await setStage();
for (const user of users) await stage.setPassword(user, `pw-${user}`);
const gateways: GatewayProcess[] = [];
for (let i = 0; i < Number(values.replicas); i++) {
  gateways.push(
    await stage.gateway({
      replicas: Number(values.replicas),
      queues: [{ name: 'proof', urls: [standin.url], allowInsecure: true }],
      limits: { mode: 'off' },
      log: { level: 'warn', requests: false },
    }),
  );
}
const [first] = gateways;
if (first === undefined) throw new Error('--replicas must be at least 1');
const pollers: Poller[] = [];
for (const user of users) pollers.push({ user, token: await stage.token(first, user) });

console.log(`${gateways.length} gateways, ${users.length} users, JWT life ${life} s, ${seconds} s of polling …`);
const polls = await poll(
  pollers,
  gateways.map((g) => g.url),
  '/api/v3/project/1/version',
  {
    seconds,
    intervalMs: Number(values.interval),
  },
);

interface Login {
  readonly at: number;
  readonly user: string;
  readonly result: string;
}
const logins = (await standin.control('GET', '/ledger/logins')) as Login[];
const gaps: number[] = [];
const counts: number[] = [];
for (const user of users) {
  const times = logins.filter((login) => login.user === user).map((login) => login.at);
  counts.push(times.length);
  for (const [at, time] of times.entries()) if (at > 0) gaps.push((time - (times[at - 1] ?? 0)) / 1000);
}
const figures = createFigures(`One login per account and period (${polls.calls} calls)`);
const unauthorised = [...polls.failures].filter(([what]) => what.startsWith('401')).reduce((sum, [, n]) => sum + n, 0);
// A period ends when the JWT is replaced, at 75 to 85 % of its life; two logins closer than that are one too many. A JWT
// states its end in whole seconds, so its life may read up to a second shorter.
const close = gaps.filter((gap) => gap < (life - 1) * 0.75 - 0.2);
const early = close.length;
if (early > 0) console.log(`too close, in seconds: ${close.map((gap) => gap.toFixed(2)).join(' ')}`);
const most = Math.ceil(seconds / (life * 0.75)) + 1;
figures.add('failed calls', '0', counted(polls.failures), polls.failures.size === 0);
figures.add('401 that a client saw', '0', unauthorised, unauthorised === 0);
figures.add('logins closer than 75 % of a life', '0', early, early === 0);
figures.add(
  'logins refused',
  '0',
  logins.filter((l) => l.result !== 'ok').length,
  logins.every((l) => l.result === 'ok'),
);
figures.add(
  'logins per user',
  `1 to ${most}`,
  `${Math.min(...counts)} to ${Math.max(...counts)}`,
  Math.min(...counts) >= 1 && Math.max(...counts) <= most,
);
figures.add(
  'time of a call',
  'shown only',
  `p50 ${quantile(polls.times, 0.5).toFixed(1)} ms, p99 ${quantile(polls.times, 0.99).toFixed(1)} ms`,
  true,
);
figures.print();
