// Who submitted a job: answered for every accepted submission within a second and by another replica, with lost answers among
// them, after vovserver has forgotten the job, after a restart of everything, and after an outage of Redis.

import { join } from 'node:path';
import { Agent, request } from 'undici';
import type { JobEntry } from '../standin/vovserver/ledger.ts';
import { createFigures, quantile } from './figures.ts';
import { readFlags } from './flags.ts';
import { each, pause } from './pace.ts';
import { type GatewayProcess, setStage, startStandin, until } from './stage.ts';

const { values, number } = readFlags({
  submissions: '3000',
  clients: '8',
  seen: '150',
  away: '10',
});
/** People and their vovserver accounts; three share one. */
const PEOPLE: Readonly<Record<string, string>> = { ann: 'ann', bob: 'bob', carol: 'team', dave: 'team', erin: 'team' };
const NAMES = Object.keys(PEOPLE);
const ACCOUNTS = ['ann', 'bob', 'team', 'olga'];
const clients = number('clients');
const agent = new Agent({ connections: clients * 2 });

await using standin = await startStandin([
  ...['--transport', 'http', '--queue-name', 'proof', '--profile', 'slots=100000'],
  ...['--users', ACCOUNTS.map((name) => `${name}:pw-${name}`).join(',')],
]);
await using stage = await setStage();
for (const name of ACCOUNTS) await stage.setPassword(name, `pw-${name}`);
const section = {
  replicas: 3,
  queues: [{ name: 'proof', urls: [standin.url], allowInsecure: true }],
  server: { trustedProxies: ['127.0.0.1/32'] },
  identity: {
    rules: [
      ...['carol', 'dave', 'erin'].map((user) => ({ match: { user }, shared: 'team' })),
      { match: { userPattern: '(ann|bob|olga)' }, account: '$1' },
    ],
    roles: { operator: { users: ['olga'] } },
  },
  credentials: [
    { type: 'shared', account: 'team', passwordFile: join(stage.folder, 'passwords', 'team') },
    { type: 'file', dir: join(stage.folder, 'passwords') },
  ],
  jobs: { marker: 'jobname' },
  limits: { mode: 'off', lanes: { mode: 'off' }, address: { requests: 1_000_000_000, window: '1s' } },
  log: { level: 'error', requests: false },
};
const open = (): Promise<GatewayProcess[]> => Promise.all([0, 1, 2].map(() => stage.gateway(section)));
let gateways = await open();
const [first] = gateways;
if (first === undefined) throw new Error('no gateway');
const tokens: Record<string, string[]> = {};
for (const name of [...NAMES, 'olga']) {
  tokens[name] = [await stage.token(first, name, `${name}-laptop`), await stage.token(first, name, `${name}-ci`)];
}
const urlOf = (at: number): string => gateways[at % gateways.length]?.url ?? '';
const addressOf = (who: string): string => `10.1.2.${NAMES.indexOf(who) + 1}`;

interface Got {
  readonly status: number;
  readonly body: Record<string, unknown>;
  readonly requestId: string;
  readonly replayed: boolean;
}

async function call(url: string, token: string, headers: Record<string, string> = {}, json?: unknown): Promise<Got> {
  const more = json === undefined ? {} : { 'content-type': 'application/json' };
  const answer = await request(url, {
    dispatcher: agent,
    method: json === undefined ? 'GET' : 'POST',
    headers: { authorization: `Bearer ${token}`, ...headers, ...more },
    body: json === undefined ? null : JSON.stringify(json),
  });
  const text = await answer.body.text();
  return {
    status: answer.statusCode,
    body: text.startsWith('{') ? JSON.parse(text) : {},
    requestId: String(answer.headers['x-request-id']),
    replayed: answer.headers['idempotent-replayed'] !== undefined,
  };
}

interface Done {
  readonly serial: number;
  readonly who: string;
  readonly token: string;
  readonly label: string;
  readonly key: string | null;
  readonly jobId: string;
  /** Of every try. */
  readonly requestIds: readonly string[];
  readonly adopted: boolean;
}

/** Submits until vovserver's job id is known, as a careful user would; null when it never got known. */
async function submit(serial: number, keyed: boolean, url = urlOf(serial)): Promise<Done | null> {
  const who = NAMES[serial % NAMES.length] ?? '';
  const at = Math.floor(serial / 7) % 2;
  const token = tokens[who]?.[at] ?? '';
  const key = keyed ? `key-${serial}` : null;
  const job = { command: 'true', rundir: '/proj', env: 'BASE', logfile: `o${serial}.log` };
  const requestIds: string[] = [];
  for (let tries = 1; tries <= 40; tries++) {
    const headers = {
      'x-forwarded-for': addressOf(who),
      ...(key === null ? {} : { 'idempotency-key': key }),
    };
    const got = await call(`${url}/api/v3/jobs`, token, headers, job);
    const { status, body, replayed: adopted } = got;
    requestIds.push(got.requestId);
    const label = `${who}-${at === 0 ? 'laptop' : 'ci'}`;
    if (status === 200) return { serial, who, token, label, key, jobId: String(body.jobid), requestIds, adopted };
    await pause(100);
  }
  return null;
}

const originAt = (at: number, jobId: string, token: string): Promise<Got> =>
  call(`${urlOf(at)}/gateway/v1/jobs/${jobId}/origin`, token);

/** What an origin says wrong of a submission. */
function wrong({ requestIds, who, token, label, key }: Done, { body }: Got): string[] {
  const expected = {
    user: who,
    account: PEOPLE[who],
    token_id: token.split('_')[1],
    token_label: label,
    address: addressOf(who),
    idempotency_key: key,
    queue: 'proof',
  };
  const faults = Object.entries(expected).flatMap(([name, value]) =>
    body[name] === value ? [] : [`${name} ${body[name]} instead of ${value}`],
  );
  return requestIds.includes(String(body.request_id)) ? faults : [...faults, `request_id ${body.request_id}`];
}

const figures = createFigures(`Origins of ${values.submissions} submissions over 3 replicas`);
const nothing = (what: string, list: readonly string[]): void =>
  figures.add(
    what,
    '0',
    list.length === 0 ? '0' : `${list.length}, for example ${list[0]?.slice(0, 200)}`,
    list.length === 0,
  );

// Answers get lost now and then: those submissions are found again and adopted.
const LOST = { rules: [{ kind: 'reset-after', method: 'POST', path: '/jobs$', probability: 0.03 }] };
await standin.control('PUT', '/faults', LOST);
const done: Done[] = [];
const times: number[] = [];
const faults: string[] = [];
const late: string[] = [];
const given: string[] = [];
const strange: string[] = [];
let unresolved = 0;
const serials = Array.from({ length: Number(values.submissions) }, (_, serial) => serial);
await each(serials, clients, async (serial) => {
  const one = await submit(serial, serial % 2 === 0);
  if (one === null) {
    unresolved += 1;
    return;
  }
  done.push(one);
  const accepted = performance.now();
  let got = await originAt(serial + 1, one.jobId, one.token);
  while (got.status !== 200 && performance.now() - accepted < 5000)
    got = await originAt(serial + 1, one.jobId, one.token);
  const ms = performance.now() - accepted;
  times.push(ms);
  if (got.status !== 200 || ms > 1000) late.push(`job ${one.jobId}: ${got.status} after ${ms.toFixed(0)} ms`);
  else for (const fault of wrong(one, got)) faults.push(`job ${one.jobId}: ${fault}`);
  const operator = await originAt(serial + 2, one.jobId, tokens.olga?.[0] ?? '');
  if (operator.status !== 200 || wrong(one, operator).length > 0) given.push(`job ${one.jobId}: ${operator.status}`);
  const other = NAMES[(serial + 1 + (serial % (NAMES.length - 1))) % NAMES.length] ?? '';
  const stranger = other === one.who ? null : await originAt(serial, one.jobId, tokens[other]?.[0] ?? '');
  if (stranger !== null && stranger.status !== 404) strange.push(`${other} of job ${one.jobId}: ${stranger.status}`);
});
await standin.control('PUT', '/faults', { rules: [] });
const ledger = (await standin.control('GET', '/ledger/jobs')) as JobEntry[];
const bySerial = new Map(done.map((one) => [`o${one.serial}.log`, one]));
nothing(
  'jobs in vovserver of which no submission was told, or another id',
  ledger
    .filter(({ id, logfile }) => bySerial.get(logfile)?.jobId !== String(id))
    .map(({ id, logfile }) => `${id} ${logfile}`),
);
figures.add(
  'accepted; of them after a lost answer; unresolved',
  'some; some; 0',
  `${done.length}; ${done.filter(({ adopted }) => adopted).length}; ${unresolved}`,
  done.length === ledger.length && unresolved === 0,
);
figures.add(
  `origin at another replica, asked by its owner: slowest (p99 ${quantile(times, 0.99).toFixed(0)} ms)`,
  '≤ 1000 ms',
  `${Math.max(...times).toFixed(0)} ms`,
  late.length === 0,
);
nothing('not there within a second', late);
nothing('wrong user, account, token, label, address, request or key', faults);
nothing('wrong or missing for an operator', given);
nothing('shown to a stranger, also of the same shared account', strange);

// The state that was seen through the gateway stays.
await standin.control('POST', '/clock', { advanceMs: 60_000 });
const seen = done.slice(0, Number(values.seen));
for (const { jobId, token, serial } of seen) {
  await call(`${urlOf(serial)}/api/v3/jobs/${jobId}`, token);
  // One look in 25 ms and replica.
  await pause(30);
}
const recheck = async (what: string, list: readonly Done[]): Promise<void> => {
  const missing: string[] = [];
  await each(list, clients, async (one) => {
    const got = await originAt(one.serial + 1, one.jobId, one.token);
    if (got.status !== 200 || wrong(one, got).length > 0)
      missing.push(`job ${one.jobId}: ${got.status} ${wrong(one, got)}`);
  });
  nothing(`${what}: missing or wrong of ${list.length}`, missing);
};
await standin.control('POST', '/clock', { advanceMs: 3 * 3_600_000 });
const still = await call(`${urlOf(0)}/api/v3/jobs/${done[0]?.jobId}`, done[0]?.token ?? '');
figures.add('vovserver has forgotten the jobs', '404', still.status, still.status === 404);
await recheck('after autoforget', done);
const states: string[] = [];
await each(seen, clients, async ({ jobId, token, serial }) => {
  const { body } = await originAt(serial, jobId, token);
  const last = body.last_seen as { status?: string } | null;
  if (last?.status !== 'Done') states.push(`job ${jobId}: ${JSON.stringify(last)}`);
});
nothing(`last seen as Done: not so of ${seen.length} that were read before`, states);

for (const gateway of gateways) await gateway[Symbol.asyncDispose]();
await stage.redis.stop();
await stage.redis.start();
gateways = await open();
await recheck('after a restart of Redis and of every replica', done);

// Redis away: submissions without a key go on, and who made them is written when it is back.
for (let at = 0; at < gateways.length; at++)
  for (const name of NAMES)
    for (const token of tokens[name] ?? []) await call(`${urlOf(at)}/api/v3/project/1/version`, token);
await stage.redis.stop();
const stopped = performance.now();
const during: Done[] = [];
for (let serial = 1_000_001; performance.now() - stopped < Number(values.away) * 1000; serial += 2) {
  const one = await submit(serial, false);
  if (one !== null) during.push(one);
  await pause(50);
}
await stage.redis.start();
const back = performance.now();
const missing = new Set(during);
await until(
  'origins of the outage',
  async () => {
    for (const one of [...missing]) {
      const got = await originAt(one.serial + 1, one.jobId, one.token);
      if (got.status === 200 && wrong(one, got).length === 0) missing.delete(one);
    }
    return missing.size === 0 ? true : null;
  },
  60,
).catch(() => null);
figures.add(
  `${during.length} accepted while Redis was away: written after it was back`,
  'all, within 60 s',
  `${during.length - missing.size} in ${((performance.now() - back) / 1000).toFixed(1)} s`,
  during.length > 0 && missing.size === 0,
);

// The control: records that are not kept long enough must be missed by the same question.
const shortLived = await stage.gateway({ ...section, jobs: { ...section.jobs, originLife: '1s' } });
const gone: Done[] = [];
for (let serial = 3_000_001; serial < 3_000_041; serial += 1) {
  const one = await submit(serial, serial % 2 === 0, shortLived.url);
  if (one !== null) gone.push(one);
}
await pause(1500);
const answers = await Promise.all(gone.map((one) => originAt(one.serial, one.jobId, one.token)));
const kept = answers.filter(({ status }) => status === 200).length;
figures.add(
  `control: of ${gone.length} with jobs.originLife 1s, after it`,
  'some, none answered',
  `${kept} answered`,
  gone.length > 0 && kept === 0,
);

// Numbers begin anew.
await standin.control('POST', '/reset', {});
const pairs: { readonly anew: Done; readonly before: Done }[] = [];
// Until one number has come to somebody else than before.
for (let serial = 2_000_001; serial < 2_000_021 && pairs.length === 0; serial += 1) {
  const anew = await submit(serial, true);
  const before = done.find(({ jobId }) => jobId === anew?.jobId);
  if (anew !== null && before !== undefined && before.who !== anew.who) pairs.push({ anew, before });
}
const { anew = null, before } = pairs[0] ?? {};
const now = anew === null ? null : await originAt(0, anew.jobId, anew.token);
const former = before === undefined ? null : await originAt(0, before.jobId, before.token);
figures.add(
  'a number that began anew: its new owner, its former one',
  '200 and right, 404',
  `${now?.status} ${anew === null || now === null ? '' : wrong(anew, now)}, ${former?.status}`,
  now?.status === 200 && anew !== null && wrong(anew, now).length === 0 && former?.status === 404,
);
figures.print();
await agent.close();
