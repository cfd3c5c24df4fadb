// Under `jobs.visibility: own` nobody sees or controls the jobs of others: over a fuzzed corpus of queries, point reads and control
// calls, asked by everyone at the same moment, on accounts of one's own and on a shared one, with every switch of the answers' form;
// not one byte of what others wrote arrives, and everything that is one's own does. The stand-in is the witness of both.

import { createFigures } from './figures.ts';
import { readFlags } from './flags.ts';
import { each, pause } from './pace.ts';
import { setStage, startStandin, until } from './stage.ts';
import { createCorpus, createDice, strayCalls } from './visibility/corpus.ts';
import {
  ACCOUNTS,
  ALL,
  type Ask,
  createGateways,
  createSender,
  PEOPLE,
  type Person,
  submitJobs,
} from './visibility/farm.ts';
import { createLeakFinder, hasRows, lacking } from './visibility/look.ts';

const { values } = readFlags(
  {
    queries: '5000',
    jobs: '12',
    strays: '150',
    control: '300',
    connections: '16',
    seed: String(Date.now() % 1_000_000),
  },
  // Of fewer it may be that none asks for a row.
  { least: { queries: 100, control: 40 } },
);
const dice = createDice(Number(values.seed));
const connections = Number(values.connections);

/** Every form that answers can have, and how many rows come without a limit. */
const PROFILES = [
  { columnCase: 'documented', errorKey: 'errmsg', badQuery: 'errmsg', unknownField: 'errmsg', emptyRows: 'omitted' },
  { columnCase: 'upper', errorKey: 'errormsg', badQuery: '400', unknownField: '400', emptyRows: 'list' },
  { columnCase: 'lower', jobIdType: 'string', forgottenJob: 'empty', denial: 'errmsg', defaultLimit: 7 },
  { columnCase: 'requested', jobIdType: 'int', forgottenJob: '404', denial: '401', defaultLimit: 0 },
] as const;

const users = ACCOUNTS.map((name) => `${name}:pw-${name}`).join(',');
const standinFlags = ['--transport', 'http', '--queue-name', 'proof', '--users', users];
await using standin = await startStandin([...standinFlags, '--profile', 'schedulerSuspended=true']);
await using stage = await setStage();
const openGateway = await createGateways(stage, standin);
// The second one keeps answers for a while and lets who comes late have an answer that is under way.
const cache = ['/api/v3/query', '/api/v3/jobs/{id}', '/api/v3/jobs/{id}/{field}'].map((route) => ({
  route,
  life: '2s',
}));
const gateways = [
  await openGateway({ visibility: 'own' }),
  await openGateway({ visibility: 'own' }, { join: 'running', cache }),
];
const open = await openGateway({ visibility: 'server' });
const senders = gateways.map(({ url }) => createSender(url, connections));
const openSender = createSender(open.url, connections);
const direct = createSender(standin.url, 4);
const [first] = senders;
if (first === undefined) throw new Error('no gateway');

const tokens = new Map<Person, string>();
for (const who of ALL) tokens.set(who, `Bearer ${await stage.token(open, who)}`);
const jwts = new Map<string, string>();
for (const name of ACCOUNTS) {
  const body = new URLSearchParams({ username: name, password: `pw-${name}` });
  const login = await fetch(`${standin.url}/api/v3/token`, { method: 'POST', body });
  jwts.set(name, `Bearer:${((await login.json()) as { access_token: string }).access_token}`);
}

const jobs = await submitJobs(first, tokens, Number(values.jobs));
const leakOf = createLeakFinder(jobs);
const everyId = ALL.flatMap((who) => [...jobs.ids[who]]);
const corpus = createCorpus(dice, { accounts: ACCOUNTS, jobIds: [...everyId, 1, 99_999_999] });
const atRest = (text: string): boolean => !text.includes('"Idle"');
const before = await until('jobs at rest', async () => {
  // The stand-in looks at its jobs when it is asked for something.
  await direct.send({ path: '/api/v3/project/1/version' }, jwts.get('team') ?? '');
  const text = JSON.stringify(await standin.control('GET', '/jobs'));
  return atRest(text) ? text : null;
});

const leaks: string[] = [];
const incomplete: string[] = [];
const seen = { answers: 0, withRows: 0, refused: 0, failed: 0, compared: 0 };
/** Conditions and parts, which others could have filled a cache for. */
const ODD_HEADERS: readonly Readonly<Record<string, string>>[] = [
  {},
  {},
  {},
  { 'if-none-match': '*' },
  { range: 'bytes=0-100' },
  { 'if-modified-since': 'Thu, 01 Jan 2099 00:00:00 GMT' },
  { accept: 'text/csv' },
  { 'accept-encoding': 'gzip' },
];

async function look(who: Person, ask: Ask, sender = dice.pick(senders)) {
  const answer = await sender.send(ask, tokens.get(who) ?? '');
  const leak = leakOf(who, answer);
  if (leak !== null) leaks.push(`${who} ${ask.method ?? 'GET'} ${ask.path}: ${leak}`);
  seen.answers += 1;
  if (answer.status === 403 || answer.status === 400) seen.refused += 1;
  if (answer.status >= 500) seen.failed += 1;
  if (hasRows(answer)) seen.withRows += 1;
  return answer;
}

/** Everybody asks the same at the same moment, on the same replica. */
async function together(defaultLimit: number): Promise<void> {
  const { query, plain } = corpus.next();
  const sender = dice.pick(senders);
  const headers = dice.pick(ODD_HEADERS);
  const asked = ALL.map(async (who) => {
    const answer = await look(who, { path: `/api/v3/query?${query}`, headers }, sender);
    if (!plain) return;
    const lack = await lacking(answer, query, who, jobs, { direct, jwts, defaultLimit });
    if (lack === undefined) return;
    seen.compared += 1;
    if (lack !== null) incomplete.push(`${who} ${query}: ${lack}`);
  });
  await Promise.all(asked);
}

const inParallel = (count: number, one: () => Promise<void>): Promise<void> => each(Array(count).keys(), 4, one);

interface Entry {
  readonly seq: number;
  readonly account: string | null;
  readonly method: string;
  readonly target: string;
}
let mark = 0;
/** What reached the stand-in since it was asked last; all at once it would be too much to be told. */
async function news(): Promise<readonly Entry[]> {
  const entries = (await standin.control('GET', `/ledger/requests?since=${mark}`)) as Entry[];
  mark = entries.at(-1)?.seq ?? mark;
  return entries;
}
/** Queries as the shared account, without those that ask for the truth. */
const isTeamQuery = ({ account, target }: Entry): boolean =>
  account === 'team' && target.startsWith('/api/v3/query') && !target.includes('limit=1000000&format=json');
await news();
let asked = 0;

const started = Date.now();
for (const profile of PROFILES) {
  await standin.control('PUT', '/profile', profile);
  // What is cached has the form of before.
  await pause(2500);
  const defaultLimit = 'defaultLimit' in profile ? profile.defaultLimit : 0;
  await inParallel(Math.ceil(Number(values.queries) / PROFILES.length), () => together(defaultLimit));
  asked += (await news()).filter(isTeamQuery).length;
}
const seconds = (Date.now() - started) / 1000 - 2.5 * PROFILES.length;
const queries = { ...seen };

// Calls about one job: of somebody else, and for the comparison of none at all.
const strays = { calls: 0, told: [] as string[] };
const textOf = ({ status, body }: { status: number; body: string }): string =>
  `${status} ${body.replace(/"request_id":"[^"]*"/, '')}`;
await inParallel(Number(values.strays), async () => {
  const who = dice.pick(ALL);
  const other = dice.pick(ALL.filter((name) => name !== who));
  const jobId = dice.pick([...jobs.ids[other]]);
  const seed = dice.below(1_000_000);
  const none = strayCalls(createDice(seed), 99_000 + (jobId % 1000));
  for (const [at, call] of strayCalls(createDice(seed), jobId).entries()) {
    const [theirs, nothing] = [await look(who, call), await look(who, none[at] ?? call)];
    strays.calls += 1;
    const [one, two] = [textOf(theirs), textOf(nothing)].map((text) => text.replace(/\d{5,}|%3\d+/g, 'N'));
    if (one !== two) strays.told.push(`${who} ${call.method} ${call.path}: ${one} | ${two}`);
  }
});
const after = JSON.stringify(await standin.control('GET', '/jobs'));
const ledger = await news();
/** A login or a submission of one's own (without a body, refused) is none of another's job. */
const isWrite = ({ method, target }: Entry): boolean =>
  method !== 'GET' && method !== 'HEAD' && !/^\/api\/v3\/(?:token|jobs\/?)$/.test(target);
const writes = ledger.filter(isWrite).length;

// One's own are served: read by number, and controlled.
let ownServed = 0;
for (const who of ALL) {
  const [jobId] = [...jobs.ids[who]];
  const read = await look(who, { path: `/api/v3/jobs/${jobId}/jobname` });
  const patch = { method: 'PATCH', path: `/api/v3/jobs/${jobId}`, body: JSON.stringify({ jobname: `own-${who}` }) };
  const written = await look(who, patch);
  if (jobs.secrets[who].some((text) => read.body.includes(text)) && written.status === 200) ownServed += 1;
}

const found = leaks.length;

// The control: the same corpus with `visibility: server` shows the jobs of others, and so would be found here.
const controlDice = createDice(Number(values.seed));
const again = createCorpus(controlDice, { accounts: ACCOUNTS, jobIds: everyId });
for (let nth = 0; nth < Number(values.control); nth += 1) {
  const who = controlDice.pick(ALL);
  await look(who, { path: `/api/v3/query?${again.next().query}` }, openSender);
}
const shown = leaks.length - found;

const figures = createFigures(
  `visibility: own, seed ${values.seed}, ${ALL.length} people on ${ACCOUNTS.length} accounts`,
);
const per = (queries.answers / seconds).toFixed(0);
figures.add(
  'queries asked by everyone at once',
  `≥ ${values.queries}`,
  queries.answers / ALL.length,
  queries.answers / ALL.length >= Number(values.queries),
);
figures.add(
  'answers to them',
  '> 0 with rows',
  `${queries.answers} in ${seconds.toFixed(0)} s (${per}/s), ${queries.withRows} with rows, ${queries.refused} refused`,
  queries.withRows > 0,
);
figures.add('answers of 500 and above', '0', seen.failed, seen.failed === 0);
figures.add('answers with a byte or a job of others', '0', found, found === 0);
figures.add('plain answers held against the stand-in’s own', '> 0', queries.compared, queries.compared > 0);
figures.add('plain answers that are not the whole truth', '0', incomplete.length, incomplete.length === 0);
figures.add('calls about a job of somebody else', '> 0', strays.calls, strays.calls > 0);
figures.add('that differ from those about no job', '0', strays.told.length, strays.told.length === 0);
figures.add(
  'that changed a job or reached vovserver as a write',
  '0',
  `${before === after ? 0 : 1}, ${writes}`,
  before === after && writes === 0,
);
figures.add(
  'people who read and change a job of their own',
  ALL.length.toString(),
  ownServed,
  ownServed === ALL.length,
);
const teamAnswers = (queries.answers * Object.values(PEOPLE).filter((name) => name === 'team').length) / ALL.length;
figures.add(
  'queries of the shared account that reached vovserver',
  `< ${teamAnswers} answers`,
  asked,
  asked < teamAnswers,
);
figures.add('control: leaks with visibility: server', '> 0', shown, shown > 0);
figures.print();
for (const text of [...leaks.slice(0, Math.min(5, found)), ...incomplete.slice(0, 5), ...strays.told.slice(0, 5)]) {
  console.log(text);
}
for (const sender of [...senders, openSender, direct]) await sender[Symbol.asyncDispose]();
