import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { messageOf } from '../../src/kernel/index.ts';
import type { JobsExport } from './job-store.ts';
import type { UserTable } from './users.ts';
import type { RestartOptions, RotateOptions, Vovserver } from './vovserver.ts';

/** The control port of a stand-in: its ledger and its switches over HTTP, for tests in other processes and for curl. */
export interface Control extends AsyncDisposable {
  readonly url: string;
}

type Body = Record<string, unknown>;
type Verb = (server: Vovserver, body: Body, query: URLSearchParams) => unknown;

const since = (query: URLSearchParams): number => Number(query.get('since') ?? 0);

const newer = <T extends { seq: number }>(entries: readonly T[], query: URLSearchParams): T[] => {
  const start = since(query);
  return start === 0 ? [...entries] : entries.filter(({ seq }) => seq > start);
};

interface Check {
  readonly must: string;
  readonly holds: (value: unknown) => boolean;
}

const isBoolean: Check = { must: 'be true or false', holds: (value) => typeof value === 'boolean' };
const isCount: Check = {
  must: 'be a number, 0 or more',
  holds: (value) => Number.isInteger(value) && Number(value) >= 0,
};
const isNames: Check = {
  must: 'be a list of names',
  holds: (value) => Array.isArray(value) && value.length > 0 && value.every((name) => typeof name === 'string'),
};
/** A certificate that was made beforehand, so that its key can be pinned before it is shown. */
const isLeaf: Check = {
  must: 'be an object of certPem, keyPem and spkiPin',
  holds: (value) =>
    typeof value === 'object' &&
    value !== null &&
    ['certPem', 'keyPem', 'spkiPin'].every((key) => typeof Reflect.get(value, key) === 'string'),
};
/** Jobs as `GET /jobs` gives them. */
const isJobs: Check = {
  must: 'be a list of jobs with id, user, rundir, logfile and state',
  holds: (value) =>
    Array.isArray(value) &&
    value.every(
      (job) =>
        Number.isInteger(job?.id) &&
        ['user', 'rundir', 'logfile', 'state'].every((key) => typeof job[key] === 'string'),
    ),
};
const oneOf = (...words: readonly string[]): Check => ({
  must: `be ${words.join(' or ')}`,
  holds: (value) => words.some((word) => word === value),
});

/** Throws RangeError that lists every unknown key and every bad value. */
function checkBody(body: Body, checks: Readonly<Record<string, Check>>): void {
  const wrong = Object.entries(body).flatMap(([key, value]) => {
    const check = Object.hasOwn(checks, key) ? checks[key] : undefined;
    if (check === undefined) return [`${key}: unknown; there are ${Object.keys(checks).join(', ')}`];
    return check.holds(value) ? [] : [`${key}: must ${check.must}`];
  });
  if (wrong.length > 0) throw new RangeError(wrong.join('\n'));
}

function describe(server: Vovserver): object {
  const { url, transport, queueName, profile, faults, caPem, leaf, jobs } = server;
  return { url, transport, queueName, jobs: jobs.size, profile, faults, caPem, spkiPin: leaf?.spkiPin ?? null };
}

function ledger({ ledger: all }: Vovserver, _body: Body, query: URLSearchParams): object {
  return {
    seq: all.seq,
    logins: newer(all.logins, query),
    requests: newer(all.requests, query),
    jobs: newer(all.jobs, query),
    malformed: newer(all.malformed, query),
  };
}

function advance(server: Vovserver, { advanceMs }: Body): object {
  if (typeof advanceMs !== 'number' || !(advanceMs >= 0))
    throw new RangeError('advanceMs: must be a number, 0 or more');
  server.advance(advanceMs);
  return { advancedMs: advanceMs };
}

function setUsers(server: Vovserver, { users, rules }: Body): object {
  if (typeof users !== 'object' || users === null) throw new RangeError('users: must be an object of name to password');
  server.users.set(users as UserTable, rules as undefined);
  return { users: server.users.names() };
}

async function rotate(server: Vovserver, body: Body): Promise<object> {
  checkBody(body, {
    hosts: isNames,
    validity: oneOf('now', 'expired', 'not-yet'),
    issuer: oneOf('authority', 'intermediate', 'self', 'leaf'),
    usage: oneOf('server', 'client'),
    altNames: isBoolean,
    days: isCount,
    resume: isBoolean,
    restart: isBoolean,
    leaf: isLeaf,
  });
  const leaf = await server.rotate(body as RotateOptions);
  return { certPem: leaf.certPem, spkiPin: leaf.spkiPin };
}

const VERBS: Readonly<Record<string, Verb>> = {
  'GET /': describe,
  'GET /ledger': ledger,
  'GET /ledger/logins': ({ ledger: all }, _body, query) => newer(all.logins, query),
  'GET /ledger/requests': ({ ledger: all }, _body, query) => newer(all.requests, query),
  'GET /ledger/jobs': ({ ledger: all }, _body, query) => newer(all.jobs, query),
  'GET /ledger/malformed': ({ ledger: all }, _body, query) => newer(all.malformed, query),
  'GET /jobs': ({ jobs }) => jobs.export(),
  'PUT /jobs': (server, body) => {
    checkBody(body, { nextId: isCount, jobs: isJobs });
    server.jobs.import(body as unknown as JobsExport);
    return { jobs: server.jobs.size };
  },
  'GET /stats': ({ stats }) => stats,
  'GET /under-way': ({ underWay: { peaks } }, _body, query) => peaks.filter(({ at }) => at >= since(query)),
  'GET /profile': ({ profile }) => profile,
  'GET /faults': ({ faults }) => faults,
  'PUT /profile': (server, body) => {
    server.setProfile(body);
    return server.profile;
  },
  'PUT /faults': (server, body) => {
    server.setFaults(body);
    return server.faults;
  },
  'PUT /users': setUsers,
  'POST /clock': advance,
  'POST /certificate': rotate,
  'POST /restart': async (server, body) => {
    checkBody(body, { port: isCount, downMs: isCount, jobs: oneOf('kept', 'sleeping', 'vanished') });
    await server.restart(body as RestartOptions);
    return { url: server.url };
  },
  'POST /stop': async (server) => {
    await server.stop();
    return { stopped: true };
  },
  'POST /reset': (server) => {
    server.reset();
    return { reset: true };
  },
};

async function readJson(request: IncomingMessage): Promise<Body> {
  let text = '';
  for await (const piece of request) text += piece;
  if (text === '') return {};
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new RangeError(`the body is no JSON: ${messageOf(error)}`);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new RangeError('the body is no object');
  return value as Body;
}

async function answer(server: Vovserver, request: IncomingMessage): Promise<{ status: number; value: unknown }> {
  const url = new URL(request.url ?? '/', 'http://control');
  const verb = VERBS[`${request.method} ${url.pathname}`];
  if (verb === undefined) return { status: 404, value: { error: 'no such verb', verbs: Object.keys(VERBS) } };
  try {
    return { status: 200, value: await verb(server, await readJson(request), url.searchParams) };
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    return { status: 400, value: { error: error.message } };
  }
}

/** Opens the control port of a stand-in. It has no login: bind it where only tests reach it. */
export async function createControl(server: Vovserver, port = 0, host = '127.0.0.1'): Promise<Control> {
  const http = createServer((request, response) => {
    answer(server, request).then(
      ({ status, value }) => {
        response.writeHead(status, { 'Content-Type': 'application/json' }).end(`${JSON.stringify(value)}\n`);
      },
      (error: unknown) => {
        response.writeHead(500, { 'Content-Type': 'application/json' });
        response.end(`${JSON.stringify({ error: messageOf(error) })}\n`);
      },
    );
  });
  http.listen(port, host);
  await once(http, 'listening');
  const shown = host === '0.0.0.0' ? '127.0.0.1' : host;
  return {
    url: `http://${shown}:${(http.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      const closed = once(http, 'close');
      http.close();
      http.closeAllConnections();
      await closed;
    },
  };
}
