import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer as createHttp, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createHttps } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runLogin } from '../../src/cli/login.ts';
import { writeLogin } from '../../src/cli/login-file.ts';
import { runLogout } from '../../src/cli/logout.ts';
import { runTokenPrint, runWhoami } from '../../src/cli/whoami.ts';
import { GatewayError, systemClock } from '../../src/kernel/index.ts';
import type { Leaf } from '../../standin/certificates.ts';
import {
  createOAuthWorld,
  firstOf,
  type OAuthOptions,
  type OAuthWorld,
  person,
  webRequest,
} from '../auth/oauth-world.ts';
import { eventually } from '../world/eventually.ts';

const MAIN = join(import.meta.dirname, '../../src/main.ts');
export const ALICE = { ...person('alice'), groups: ['cad'] };

/** A running or ended `vovgw`. */
export interface Terminal {
  readonly out: () => string;
  readonly err: () => string;
  /** Waits until standard output matches; gives the first group. */
  shows(pattern: RegExp): Promise<string>;
  readonly exit: Promise<number | null>;
  kill(signal: NodeJS.Signals): void;
}

/** What a command printed and how it ended. */
export interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

interface Intercepted {
  readonly status: number;
  readonly body: unknown;
}

/** A gateway of a few routes on a port, and a home for the command line. */
export interface LoginWorld extends AsyncDisposable {
  readonly oauth: OAuthWorld;
  readonly url: string;
  readonly home: string;
  readonly file: string;
  /** Requests so far: method and path. */
  readonly requests: string[];
  /** Answers in place of the routes while it gives one. */
  intercept: ((req: IncomingMessage) => Intercepted | null | Promise<null>) | null;
  start(args: readonly string[], env?: Readonly<Record<string, string>>): Terminal;
  run(args: readonly string[], env?: Readonly<Record<string, string>>): Promise<Ended>;
  /** As `run`, but within this process. */
  call(args: readonly string[], env?: Readonly<Record<string, string>>): Promise<Ended>;
  /** Puts a login of Alice into the file without logging in; gives its token. */
  save(caFile?: string): Promise<string>;
  /** Approves or denies whatever code the terminal shows. */
  decide(terminal: Terminal, decision: 'approve' | 'deny'): Promise<void>;
  /** Logs in and approves. */
  logIn(args?: readonly string[]): Promise<Ended>;
  /** Ends the server, as if the gateway were away. */
  stop(): Promise<void>;
}

async function bodyOf(req: IncomingMessage): Promise<string> {
  let text = '';
  for await (const chunk of req) text += String(chunk);
  return text;
}

function send(res: ServerResponse, status: number, body: unknown, headers: Readonly<Record<string, string>> = {}) {
  res.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));
}

/** Who is asked for by GET /gateway/v1/me, in the words of the contract. */
async function me(oauth: OAuthWorld, req: IncomingMessage) {
  const caller = await firstOf(oauth).tokens.authenticate(req.headers.authorization?.replace('Bearer ', '') ?? '');
  const { user, subject, provider, groups, roles } = caller.identity;
  const accounts = [
    { queue: 'main', account: 'alice', shared: false },
    { queue: 'regress', account: 'farm', shared: true },
    { queue: 'other', account: null, shared: false },
  ];
  const credential = {
    kind: caller.by,
    id: caller.tokenId,
    label: caller.tokenLabel,
    scopes: [...caller.scopes],
    expires_at: new Date(caller.expiresAt).toISOString(),
  };
  return { user, subject, provider, groups, roles, accounts, credential };
}

async function route(oauth: OAuthWorld, req: IncomingMessage, res: ServerResponse): Promise<void> {
  const path = new URL(req.url ?? '/', 'http://x').pathname;
  const form = new URLSearchParams(await bodyOf(req));
  if (path === '/gateway/v1/me') return send(res, 200, await me(oauth, req));
  const found = firstOf(oauth).routes.find((known) => known.path === path && known.method === req.method);
  if (found === undefined) return send(res, 404, { detail: 'Nothing is served here.' });
  const request = webRequest(req.method ?? '', path, form, { address: '127.0.0.1' });
  const answer = await found.handle(request, { session: null, caller: null });
  send(res, answer.status ?? 200, answer.kind === 'json' ? answer.body : {}, answer.headers);
}

/** Starts `vovgw` as a process of its own. */
export function startVovgw(args: readonly string[], env: Readonly<Record<string, string>>): Terminal {
  const child = spawn(process.execPath, [MAIN, ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  let [out, err] = ['', ''];
  child.stdout.on('data', (chunk) => {
    out += String(chunk);
  });
  child.stderr.on('data', (chunk) => {
    err += String(chunk);
  });
  return {
    out: () => out,
    err: () => err,
    shows: (pattern) => eventually(`${pattern} in: ${args.join(' ')}`, () => pattern.exec(out)?.[1]),
    exit: new Promise((resolve) => child.once('close', (code) => resolve(code))),
    kill: (signal) => void child.kill(signal),
  };
}

/** One verb, as main.ts calls it. */
export async function callVerb(
  [verb, ...argv]: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<Ended> {
  let [out, err] = ['', ''];
  const verbs = { login: runLogin, logout: runLogout, whoami: runWhoami, print: runTokenPrint };
  const found = verbs[verb as keyof typeof verbs];
  const code = await found(
    argv,
    env,
    (text) => {
      out += text;
    },
    (text) => {
      err += text;
    },
  );
  return { code, out, err };
}

/** Boots the routes on a free port, with TLS when there is a certificate. */
export async function createLoginWorld(options: OAuthOptions & { readonly leaf?: Leaf } = {}): Promise<LoginWorld> {
  const clock = { ...systemClock, advance: async () => undefined };
  const oauth = createOAuthWorld({ clock, device: { interval: 1000, ...options.device }, ...without(options) });
  oauth.people.set(ALICE.subject, ALICE);
  const requests: string[] = [];
  const handle = (req: IncomingMessage, res: ServerResponse): void => {
    requests.push(`${req.method} ${req.url}`);
    const answer = async (): Promise<void> => {
      const own = await world.intercept?.(req);
      return own == null ? route(oauth, req, res) : send(res, own.status, own.body);
    };
    answer().catch((error: unknown) => {
      const known = error instanceof GatewayError;
      send(res, known ? error.status : 500, { detail: known ? error.detail : String(error) });
    });
  };
  const { leaf } = options;
  const server =
    leaf === undefined ? createHttp(handle) : createHttps({ cert: leaf.certPem, key: leaf.keyPem }, handle);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const home = await mkdtemp(join(tmpdir(), 'vovgw-login-'));
  const stop = async (): Promise<void> => {
    if (!server.listening) return;
    await new Promise<void>((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  };
  const env = { PATH: process.env.PATH ?? '', HOME: home };
  const world: LoginWorld = {
    oauth,
    url: `${leaf === undefined ? 'http' : 'https'}://127.0.0.1:${(server.address() as AddressInfo).port}`,
    home,
    file: join(home, '.config', 'vovgw', 'login.json'),
    requests,
    intercept: null,
    start: (args, more) => startVovgw(args, { ...env, ...more }),
    async run(args, more) {
      const terminal = world.start(args, more);
      return { code: await terminal.exit, out: terminal.out(), err: terminal.err() };
    },
    call: (args, more) => callVerb(args, { ...env, ...more }),
    async save(caFile) {
      const wish = { user: 'alice', subject: ALICE.subject, label: 'saved', scopes: ['read'] } as const;
      const { token, info } = await firstOf(oauth).tokens.create(wish);
      const expires_at = new Date(info.expiresAt).toISOString();
      const { url } = world;
      writeLogin(env, { url, user: 'alice', token: token.reveal(), expires_at, ca_file: caFile ?? null });
      return token.reveal();
    },
    async decide(terminal, decision) {
      const code = await terminal.shows(/Code: (\S+)/);
      if (!(await firstOf(oauth).devices.decide(code, decision, ALICE))) throw new Error(`no such code: ${code}`);
    },
    async logIn(args = ['--url', world.url]) {
      const terminal = world.start(['login', ...args]);
      await world.decide(terminal, 'approve');
      return { code: await terminal.exit, out: terminal.out(), err: terminal.err() };
    },
    stop,
    async [Symbol.asyncDispose]() {
      await stop();
      await oauth[Symbol.asyncDispose]();
      await rm(home, { recursive: true });
    },
  };
  return world;
}

const without = ({ device: _device, ...rest }: OAuthOptions & { readonly leaf?: Leaf }): OAuthOptions => rest;
