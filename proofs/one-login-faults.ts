// One login per account and period when its holder is killed, when vovserver refuses good JWTs, and with a wrong password.

import { createFigures } from './figures.ts';
import { readFlags } from './flags.ts';
import { counted, poll } from './pollers.ts';
import { type GatewayProcess, type Stage, type Standin, setStage, startStandin, until } from './stage.ts';

const { values } = readFlags({
  kills: '5',
  users: '20',
  seconds: '60',
  'refuse-rate': '0.01',
  'cool-down': '20',
});
const users = Array.from({ length: Number(values.users) }, (_, i) => `user${i}`);
const WRONG = 'wrongpw';
const VICTIMS = Array.from({ length: Number(values.kills) }, (_, i) => `victim${i}`);
const PATH = '/api/v3/project/1/version';
const coolDown = Number(values['cool-down']);

interface Login {
  readonly user: string;
  readonly result: string;
}

const loginsOf = async (standin: Standin, user: string): Promise<Login[]> => {
  const logins = (await standin.control('GET', '/ledger/logins')) as Login[];
  return logins.filter((login) => login.user === user);
};

const newGateway = (stage: Stage, standin: Standin): Promise<GatewayProcess> =>
  stage.gateway({
    replicas: 3,
    queues: [{ name: 'proof', urls: [standin.url], allowInsecure: true }],
    limits: { mode: 'off' },
    broker: { coolDown: `${coolDown}s` },
    log: { level: 'error', requests: false },
  });

await using standin = await startStandin([
  ...['--transport', 'http', '--queue-name', 'proof', '--jwt-life', '20s'],
  ...['--users', [...users, ...VICTIMS, WRONG].map((user) => `${user}:pw-${user}`).join(',')],
]);
await using stage = await setStage();
for (const user of [...users, ...VICTIMS]) await stage.setPassword(user, `pw-${user}`);
await stage.setPassword(WRONG, 'not the password');
const stays = [await newGateway(stage, standin), await newGateway(stage, standin)];
const [first] = stays;
if (first === undefined) throw new Error('no gateway');
const figures = createFigures('One login per account and period, under faults');

// The holder of the lease dies in the middle of the login, while callers on the others wait for it.
await standin.control('PUT', '/faults', { loginMs: 1500 });
const failed: string[] = [];
const attempts: number[] = [];
for (const user of VICTIMS) {
  const token = await stage.token(first, user);
  const doomed = await newGateway(stage, standin);
  const headers = { authorization: `Bearer ${token}` };
  const abandoned = fetch(doomed.url + PATH, { headers }).catch(() => null);
  await until('the login reaches vovserver', async () => {
    const { inFlight } = (await standin.control('GET', '/stats')) as { inFlight: number };
    return inFlight > 0 ? true : null;
  });
  const waiting = stays.map((gateway) => fetch(gateway.url + PATH, { headers }));
  await doomed.kill();
  await abandoned;
  for (const answer of await Promise.all(waiting)) if (answer.status !== 200) failed.push(`${answer.status}`);
  attempts.push((await loginsOf(standin, user)).length);
}
await standin.control('PUT', '/faults', { loginMs: 0 });
figures.add(
  `calls that waited for a killed holder (${VICTIMS.length} kills)`,
  '0 failed',
  failed.length,
  failed.length === 0,
);
figures.add(
  'logins for them',
  'at most 2 each',
  attempts.join(' '),
  attempts.every((n) => n <= 2),
);

// vovserver refuses good JWTs at random, and one user has a wrong password.
const pollers = [];
for (const user of users) pollers.push({ user, token: await stage.token(first, user) });
const wrong = [{ user: WRONG, token: await stage.token(first, WRONG) }];
const third = await newGateway(stage, standin);
const urls = [...stays, third].map((gateway) => gateway.url);
await standin.control('PUT', '/faults', {
  rules: [{ kind: 'refuse-jwt', probability: Number(values['refuse-rate']) }],
});
const seconds = Number(values.seconds);
const [polls, refused] = await Promise.all([
  poll(pollers, urls, PATH, { seconds, intervalMs: 200 }),
  poll(wrong, urls, PATH, { seconds, intervalMs: 200 }),
]);
// Whose new JWT is refused as well is told so. A user has one call at a time: two refusals in a row are of the same call.
interface Request {
  readonly account: string | null;
  readonly auth: string;
  readonly target: string;
}
const requests = (await standin.control('GET', '/ledger/requests')) as Request[];
let twice = 0;
for (const user of users) {
  let refusedBefore = false;
  for (const { auth } of requests.filter(({ account, target }) => account === user && target === PATH)) {
    const again: boolean = auth === 'refused' && refusedBefore;
    if (again) twice += 1;
    refusedBefore = auth === 'refused' && !again;
  }
}
const refusals = requests.filter(({ auth }) => auth === 'refused').length;
figures.add('good JWTs refused, by the ledger', 'shown only', refusals, true);
const told = polls.failures.get('503 GW_CREDENTIAL_UNAVAILABLE') ?? 0;
figures.add(
  `calls with ${values['refuse-rate']} of good JWTs refused (${polls.calls})`,
  `${twice} failed, refused twice`,
  counted(polls.failures),
  told === twice && polls.failures.size === (twice === 0 ? 0 : 1),
);
const tries = await loginsOf(standin, WRONG);
const most = Math.ceil(seconds / coolDown);
figures.add(
  `logins with the wrong password in ${seconds} s`,
  `1 to ${most}`,
  tries.length,
  tries.length >= 1 && tries.length <= most,
);
const other = [...refused.failures.keys()].filter((what) => what !== '503 GW_CREDENTIAL_UNAVAILABLE');
figures.add(
  'what its owner is told',
  '503 GW_CREDENTIAL_UNAVAILABLE',
  counted(refused.failures),
  other.length === 0 && refused.failures.size === 1,
);
figures.print();
