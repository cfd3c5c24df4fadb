// The gateway survives hostile callers and a hostile vovserver (--mutations 20000 --rounds 100 --seed N).

import { connect, type Socket } from 'node:net';
import { Agent, request } from 'undici';
import { FAULT_KINDS, type FaultKind } from '../standin/vovserver/faults.ts';
import { createFigures } from './figures.ts';
import { readFlags } from './flags.ts';
import { count, counted } from './pollers.ts';
import { setStage, startStandin, until } from './stage.ts';

const { values } = readFlags({
  mutations: '20000',
  rounds: '100',
  seed: String(Date.now() % 1_000_000),
  sockets: '32',
});
const seed = Number(values.seed);

/** Numbers from 0 to below 1, the same for the same seed (mulberry32). */
function createRandom(from: number): () => number {
  let state = from;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
const random = createRandom(seed);
const below = (n: number): number => Math.floor(random() * n);
const pick = <T>(list: readonly T[], fallback: T): T => list[below(list.length)] ?? fallback;

await using standin = await startStandin([
  ...['--transport', 'http', '--queue-name', 'proof', '--users', 'alice:pw-alice,bob:pw-bob'],
]);
await using stage = await setStage();
for (const user of ['alice', 'bob']) await stage.setPassword(user, `pw-${user}`);
const gateway = await stage.gateway({
  queues: [
    {
      name: 'proof',
      urls: [standin.url],
      allowInsecure: true,
      timeouts: { connect: '1s', login: '1s', headers: '1s', body: '1s', total: '2s' },
      connections: { perAccount: 16 },
      // Every read is to meet the fault itself.
      coalesce: { join: 'off' },
    },
  ],
  server: { limits: { headersTimeout: '2s', requestTimeout: '3s' } },
  limits: { mode: 'off' },
  log: { level: 'error', requests: false },
});
const tokens = { alice: await stage.token(gateway, 'alice'), bob: await stage.token(gateway, 'bob') };
const agent = new Agent({ connections: 64 });
const port = Number(new URL(gateway.url).port);
let exits = 0;
gateway.child.once('exit', () => exits++);

const MARK = 'echo marked-bob';
const JOB = { command: 'true', rundir: '/tmp', env: 'BASE' };
let logfile = 0;
const job = (command: string): string => JSON.stringify({ ...JOB, command, logfile: `hostile-${++logfile}` });

/** What a call gives: status with problem code, or how it broke off; and its body. */
async function call(user: 'alice' | 'bob', method: 'GET' | 'POST' | 'PUT', path: string, body?: string) {
  const headers = { authorization: `Bearer ${tokens[user]}`, 'content-type': 'application/json' };
  try {
    const answer = await request(gateway.url + path, { dispatcher: agent, method, headers, body: body ?? null });
    const text = await answer.body.text().catch(() => null);
    if (text === null) return { what: `${answer.statusCode} cut`, body: '' };
    return { what: `${answer.statusCode} ${/GW_[A-Z_]+/.exec(text)?.[0] ?? ''}`.trim(), body: text };
  } catch (error) {
    return { what: error instanceof Error && 'code' in error ? String(error.code) : String(error), body: '' };
  }
}

/** The id of bob's job, which must never be seen by alice: its command is marked. */
const bobsJob = await until('a job of bob', async () => {
  const { body } = await call('bob', 'POST', '/api/v3/jobs', job(MARK));
  return /"jobid":\s*(\d+)/.exec(body)?.[1] ?? null;
});
const BOBS = `/api/v3/jobs/${bobsJob}/COMMAND`;

// None of them, however mutated, asks for bob's job: vovserver shows every job to everyone who asks for it.
const WHOLE = [
  `GET /api/v3/project/1/version HTTP/1.1\r\nHost: gw\r\nAuthorization: Bearer ${tokens.alice}\r\n\r\n`,
  `GET /api/v3/project/1/project?format=json HTTP/1.1\r\nHost: gw\r\nAuthorization: Bearer:${tokens.alice}\r\n\r\n`,
  `POST /api/v3/jobs HTTP/1.1\r\nHost: gw\r\nAuthorization: Bearer ${tokens.alice}\r\nContent-Type: application/json\r\nContent-Length: 18\r\n\r\n{"command":"true"}`,
  `POST /api/v3/jobs HTTP/1.1\r\nHost: gw\r\nAuthorization: Bearer ${tokens.alice}\r\nTransfer-Encoding: chunked\r\n\r\n12\r\n{"command":"true"}\r\n0\r\n\r\n`,
  'POST /api/v3/token HTTP/1.1\r\nHost: gw\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 27\r\n\r\nusername=alice&password=abc',
];
const PIECES = [
  '\r\n',
  '\n',
  '\r',
  '\0',
  ':',
  ' ',
  '\t',
  '%00',
  '%2f',
  '../',
  '//',
  ';',
  'HTTP/1.1',
  'Content-Length: 5\r\n',
  'Transfer-Encoding: chunked\r\n',
  'Connection: close\r\n',
  'Expect: 100-continue\r\n',
  'Upgrade: h2c\r\n',
  'Trailer: X\r\n',
  'X_Y: z\r\n',
  'ffffffffffffffff\r\n',
  '-1',
  '\xff\xfe',
  'a'.repeat(5000),
  'GET / HTTP/1.1\r\n\r\n',
  '0\r\n\r\n',
];

/** One well-formed request with one to six changes: bytes flipped, cut, doubled, or a piece put in or in place. */
function mutate(): Buffer {
  let text = pick(WHOLE, '');
  for (let changes = 1 + below(1 + below(6)); changes > 0; changes--) {
    const at = below(text.length + 1);
    const end = Math.min(text.length, at + below(40));
    const how = below(5);
    if (how === 0) text = text.slice(0, at) + String.fromCharCode(below(256)) + text.slice(at + 1);
    else if (how === 1) text = text.slice(0, at) + text.slice(end);
    else if (how === 2) text = text.slice(0, at) + text.slice(at, end).repeat(2) + text.slice(end);
    else if (how === 3) text = text.slice(0, at) + pick(PIECES, '') + text.slice(at);
    else text = text.slice(0, at) + pick(PIECES, '') + text.slice(end);
  }
  return Buffer.from(text, 'latin1');
}

/** Sends bytes, half-closes a little later, and gives what came back until the gateway closed. */
function sendRaw(bytes: Buffer): Promise<string> {
  return new Promise((resolve) => {
    let text = '';
    const socket: Socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    // Node drops a request whose caller half-closes before the answer: what is whole gets the time to be answered.
    const half = setTimeout(() => socket.end(), 100);
    const done = (): void => {
      clearTimeout(half);
      socket.destroy();
      resolve(text);
    };
    socket.setTimeout(10_000, () => {
      text += ' HANGS';
      done();
    });
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1');
    });
    socket.on('error', done);
    socket.on('end', done);
    socket.on('close', done);
    socket.write(bytes);
  });
}

const figures = createFigures(`Hostile callers and a hostile vovserver (seed ${seed})`);
console.log(`seed ${seed}: ${values.mutations} mutated requests …`);

// Mutated requests, many at once, while bob calls in between.
const statuses = new Map<string, number>();
let left = Number(values.mutations);
let foreign = 0;
let disturbed = 0;
const bobDuring = new Map<string, number>();
const attacker = async (): Promise<void> => {
  while (left > 0 && exits === 0) {
    left--;
    const text = await sendRaw(mutate());
    if (text.includes(MARK)) foreign++;
    const found = [...text.matchAll(/HTTP\/1\.1 ([2-5]\d\d) /g)].map((match) => match[1]);
    count(statuses, text.includes(' HANGS') ? 'hangs' : (found.at(-1) ?? 'cut'));
    if (left % 100 !== 0) continue;
    const { what, body } = await call('bob', 'GET', BOBS);
    count(bobDuring, what);
    if (!body.includes(MARK)) disturbed++;
  }
};
await Promise.all(Array.from({ length: Number(values.sockets) }, attacker));
const internal = statuses.get('500') ?? 0;
const ledger = (await standin.control('GET', '/ledger/malformed')) as unknown[];
figures.add(`mutated requests (${values.mutations})`, 'shown only', counted(statuses), true);
figures.add('of them answered 500', '0', internal, internal === 0);
figures.add('of them without an answer or an end in 10 s', '0', statuses.get('hangs') ?? 0, !statuses.has('hangs'));
figures.add('malformed bytes that reached vovserver', '0', ledger.length, ledger.length === 0);
figures.add('calls of another user in between', 'all 200', counted(bobDuring), disturbed === 0);
figures.add('foreign answers', '0', foreign, foreign === 0);
figures.add('exits of the gateway', '0', exits, exits === 0);
const healthy = await fetch(`${gateway.adminUrl}/healthz`);
figures.add('/healthz afterwards', '200', healthy.status, healthy.status === 200);

// Every fault of vovserver on alice's calls, with bob's in turn.
const PARAMETERS: Readonly<Partial<Record<FaultKind, object>>> = {
  delay: { ms: 5 },
  hang: { executed: true },
  'slow-body': { bytes: 40, ms: 2 },
  'huge-rows': { rows: 2000 },
  'many-headers': { count: 3000 },
  bomb: { bytes: 1_048_576 },
  redirect: { location: 'https://evil.example/' },
};
const AT_ONCE = 10;
const BODIES_CUT_LATE = new Set<FaultKind>(['endless-body']);

interface Outcome {
  readonly reads: Map<string, number>;
  readonly submissions: Map<string, number>;
  twice: number;
  foreign: number;
  bobFailed: number;
}

const jobsMade = async (): Promise<{ user: string; logfile: string }[]> =>
  (await standin.control('GET', '/ledger/jobs')) as { user: string; logfile: string }[];

/** One read and one submission of alice under the fault, and a read of bob beside each. */
async function round(outcome: Outcome): Promise<void> {
  const bob = async (): Promise<void> => {
    const { body } = await call('bob', 'GET', BOBS);
    if (!body.includes(MARK)) outcome.bobFailed++;
  };
  const [read] = await Promise.all([call('alice', 'GET', '/api/v3/project/1/version'), bob()]);
  const [submission] = await Promise.all([call('alice', 'POST', '/api/v3/jobs', job('true')), bob()]);
  count(outcome.reads, read.what);
  count(outcome.submissions, submission.what);
  if ((read.body + submission.body).includes(MARK)) outcome.foreign++;
}

let wrongAnswers = 0;
let twice = 0;
let bobFailed = 0;
for (const kind of Object.keys(FAULT_KINDS) as FaultKind[]) {
  const rounds = BODIES_CUT_LATE.has(kind) ? Math.ceil(Number(values.rounds) / 10) : Number(values.rounds);
  const who = kind === 'reject-password' ? {} : { account: 'alice' };
  const outcome: Outcome = { reads: new Map(), submissions: new Map(), twice: 0, foreign: 0, bobFailed: 0 };
  for (let at = 0; at < rounds && exits === 0; at += AT_ONCE) {
    await standin.control('PUT', '/faults', { rules: [{ kind, ...who, ...PARAMETERS[kind] }] });
    await Promise.all(Array.from({ length: Math.min(AT_ONCE, rounds - at) }, () => round(outcome)));
    await standin.control('PUT', '/faults', { rules: [] });
    // Failures in a row stop the calls of alice; a control call tries at once, and its answer lets them go again.
    await call('alice', 'PUT', '/api/v3/jobs/999999', '{"action":"stop"}');
  }
  const made = (await jobsMade()).map(({ logfile: name }) => name);
  outcome.twice = made.length - new Set(made).size;
  twice += outcome.twice;
  foreign += outcome.foreign;
  bobFailed += outcome.bobFailed;
  // Whatever the fault, a caller meets vovserver's own answer, a problem of the gateway, or a cut connection.
  const clear = [...outcome.reads, ...outcome.submissions].every(([what]) =>
    /^(200|500|200 cut|50[234] GW_[A-Z_]+)$/.test(what),
  );
  if (!clear) wrongAnswers++;
  figures.add(
    kind,
    'clear, or cut',
    `GET ${counted(outcome.reads)}; POST ${counted(outcome.submissions)}`,
    clear && outcome.foreign === 0 && outcome.bobFailed === 0,
  );
  // Late bytes of this fault may still be under way to its own account: the next one starts on an idle server.
  await until('vovserver at rest', async () => {
    const { inFlight } = (await standin.control('GET', '/stats')) as { inFlight: number };
    return inFlight === 0 ? true : null;
  });
}
const kinds = Object.keys(FAULT_KINDS).length;
figures.add(`kinds of fault with an unclear answer (of ${kinds})`, '0', wrongAnswers, wrongAnswers === 0);
figures.add('submissions that vovserver got twice', '0', twice, twice === 0);
figures.add('failed calls of another user meanwhile', '0', bobFailed, bobFailed === 0);
figures.add('foreign answers in all', '0', foreign, foreign === 0);
const alive = await call('alice', 'GET', '/api/v3/project/1/version');
figures.add('a plain call at the end', '200', alive.what, alive.what === '200');
figures.add('exits of the gateway in all', '0', exits, exits === 0);
figures.print();
await agent.close();
