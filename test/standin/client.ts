import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { Agent, type Dispatcher, request } from 'undici';
import { createVovserver, type Vovserver, type VovserverOptions } from '../../standin/vovserver/index.ts';

/** A parsed answer. */
export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
  json(): QueryBody;
}

/** The keys that answers of the stand-in may have. */
export interface QueryBody {
  readonly startrow?: number;
  readonly endrow?: number;
  readonly query?: string;
  readonly errmsg?: string;
  readonly errormsg?: string;
  readonly columns?: readonly { readonly col: number; readonly field: string }[];
  readonly rows?: readonly (readonly (string | number)[])[];
  readonly error?: string;
  readonly jobid?: number | string;
  readonly token_type?: string;
  readonly access_token?: string;
  readonly expires_in?: number;
}

/** A caller of one stand-in. */
export interface Client extends AsyncDisposable {
  readonly server: Vovserver;
  login(user: string, password?: string): Promise<string>;
  call(method: string, path: string, options?: CallOptions): Promise<Answer>;
  /** As `user`, who is logged in once with the password `pw`. */
  as(user: string, method: string, path: string, body?: unknown): Promise<Answer>;
}

export interface CallOptions {
  readonly authorization?: string;
  readonly body?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Password of every user is `pw`. */
export const USERS = {
  alice: 'pw',
  bob: 'pw',
  reader: { password: 'pw', level: 'READONLY' },
  leader: { password: 'pw', level: 'LEADER' },
  admin: { password: 'pw', level: 'ADMIN' },
} as const;

const form = (user: string, password: string): string => new URLSearchParams({ username: user, password }).toString();

async function fetchOnce(dispatcher: Dispatcher, url: string, method: string, options: CallOptions): Promise<Answer> {
  const answer = await request(url, {
    dispatcher,
    method: method as Dispatcher.HttpMethod,
    headers: {
      ...(options.authorization === undefined ? {} : { authorization: options.authorization }),
      ...options.headers,
    },
    ...(options.body === undefined ? {} : { body: options.body }),
  });
  const text = await answer.body.text();
  return { status: answer.statusCode, headers: answer.headers, text, json: () => JSON.parse(text) as QueryBody };
}

/** Calls a stand-in that someone else owns. */
export function createClient(server: Vovserver): Client {
  const agent = new Agent({ connections: 1, connect: { ca: server.caPem ?? server.leaf?.certPem ?? '' } });
  const tokens = new Map<string, string>();
  const call: Client['call'] = (method, path, options = {}) =>
    fetchOnce(agent, `${server.url}${path}`, method, options);
  const login: Client['login'] = async (user, password = 'pw') => {
    const headers = { 'content-type': 'application/x-www-form-urlencoded' };
    const answer = await call('POST', '/api/v3/token', { headers, body: form(user, password) });
    if (answer.status !== 200) throw new Error(`login of ${user}: ${answer.status} ${answer.text}`);
    return answer.json().access_token ?? '';
  };
  return {
    server,
    login,
    call,
    async as(user, method, path, body) {
      const jwt = tokens.get(user) ?? (await login(user));
      tokens.set(user, jwt);
      return call(method, path, {
        authorization: `Bearer:${jwt}`,
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
    },
    [Symbol.asyncDispose]: () => agent.destroy(),
  };
}

/** A stand-in on plain HTTP with the users above and a client; disposing ends both. */
export async function createPair(options: VovserverOptions = {}): Promise<Client> {
  const server = await createVovserver({ transport: 'http', users: USERS, ...options });
  const client = createClient(server);
  return {
    ...client,
    async [Symbol.asyncDispose]() {
      await client[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
    },
  };
}

/** A submission that works; `name` makes the log file its own. */
export const job = (name: string, more: object = {}): object => ({
  command: 'sleep 30',
  logfile: `log.${name}`,
  rundir: '/tmp',
  env: 'BASE',
  ...more,
});

/** Submits a job and gives its id. */
export async function submit(client: Client, user: string, name: string, more: object = {}): Promise<number> {
  const answer = await client.as(user, 'POST', '/api/v3/jobs', job(name, more));
  if (answer.status !== 200) throw new Error(`submit: ${answer.status} ${answer.text}`);
  return Number(answer.json().jobid);
}

/** A raw connection to a stand-in: TLS when its URL is https. */
export interface RawConnection extends Disposable {
  readonly socket: Socket;
  send(text: string): void;
  /** Everything received, as Latin-1, once `done` holds or the connection has ended. */
  until(done: (received: string) => boolean): Promise<string>;
  /** How the connection ended. */
  readonly ended: Promise<'fin' | 'reset'>;
}

function waitFor(socket: Socket, received: () => string, done: (text: string) => boolean): Promise<string> {
  return new Promise((resolve) => {
    const look = (): void => {
      if (!done(received()) && !socket.closed) return;
      socket.off('data', look).off('close', look);
      resolve(received());
    };
    socket.on('data', look).on('close', look);
    look();
  });
}

/** Opens a raw connection; `plain` speaks TCP without TLS whatever the URL says. */
export function openRaw(server: Vovserver, plain = false): RawConnection {
  const { port } = server;
  const socket =
    server.transport === 'http' || plain
      ? connectTcp(port, '127.0.0.1')
      : connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false });
  let text = '';
  let error = false;
  socket.on('data', (piece: Buffer) => {
    text += piece.toString('latin1');
  });
  socket.on('error', () => {
    error = true;
  });
  const ended = new Promise<'fin' | 'reset'>((resolve) => {
    socket.on('close', () => resolve(error ? 'reset' : 'fin'));
  });
  return {
    socket,
    send: (data) => void socket.write(data),
    until: (done) => waitFor(socket, () => text, done),
    ended,
    [Symbol.dispose]: () => socket.destroy(),
  };
}

/** A GET as bytes. */
export const rawGet = (path: string, jwt: string): string =>
  `GET ${path} HTTP/1.1\r\nHost: standin\r\nAuthorization: Bearer:${jwt}\r\n\r\n`;
