import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { type Config, parseConfig } from '../../src/config/index.ts';
import { systemClock, type TokenScope } from '../../src/kernel/index.ts';
import { createReport } from '../../src/observe/index.ts';
import { createGateway, type Gateway } from '../../src/server/index.ts';
import { createVovserver, type Vovserver } from '../../standin/vovserver/index.ts';

type Section = Readonly<Record<string, unknown>>;
type VovserverOptions = NonNullable<Parameters<typeof createVovserver>[0]>;

/** What a world is made of; everything has a default that works. */
export interface WorldOptions {
  /** Merged over the configuration, section by section. */
  readonly config?: Section;
  /** Merged over the settings of the only queue. */
  readonly queue?: Section;
  readonly vovserver?: Partial<VovserverOptions>;
  /** Names of users; the vovserver password of each is `pw-<name>`. */
  readonly users?: readonly string[];
  /** Further gateways on the same Redis or alone. */
  readonly redisPort?: number;
}

/** A call to the gateway. */
export interface CallOptions {
  readonly token?: string;
  readonly json?: unknown;
  readonly body?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly port?: number;
}

/** One gateway in front of one stand-in vovserver, on free ports, with passwords in a folder of its own. */
export interface World extends AsyncDisposable {
  readonly vovserver: Vovserver;
  readonly gateway: Gateway;
  readonly config: Config;
  /** Folder of the credential source `file`: one password for each account. */
  readonly passwords: string;
  /** Log lines so far. */
  readonly log: readonly string[];
  token(user: string, scopes?: readonly TokenScope[]): Promise<string>;
  call(method: string, path: string, options?: CallOptions): Promise<Response>;
}

const merge = (base: Section, over: Section): Section => {
  const merged: Record<string, unknown> = { ...base };
  for (const [key, value] of Object.entries(over)) {
    const old = merged[key];
    const both = [old, value].every((v) => typeof v === 'object' && v !== null && !Array.isArray(v));
    merged[key] = both ? merge(old as Section, value as Section) : value;
  }
  return merged;
};

/** The decided configuration of an object; throws with all its faults. */
export function configOf(raw: Section): Config {
  const result = parseConfig(raw);
  if (!result.ok) throw new Error(result.faults.map((f) => `${f.path}: ${f.reason}`).join('\n'));
  return result.config;
}

function lineCollector(): { lines: string[]; output: Writable } {
  const lines: string[] = [];
  const output = new Writable({
    write(chunk, _encoding, done) {
      lines.push(...String(chunk).split('\n').filter(Boolean));
      done();
    },
  });
  return { lines, output };
}

/** Boots a world; `await using` ends it. */
export async function createWorld(options: WorldOptions = {}): Promise<World> {
  const users = options.users ?? ['alice', 'bob'];
  const folder = await mkdtemp(join(tmpdir(), 'vovgw-world-'));
  const passwords = join(folder, 'passwords');
  await mkdir(passwords);
  for (const user of users) await writeFile(join(passwords, user), `pw-${user}`, { mode: 0o600 });
  const vovserver = await createVovserver({
    transport: 'http',
    queueName: 'test',
    users: users.map((name) => ({ name, password: `pw-${name}` })),
    ...options.vovserver,
  });
  const queue = merge({ name: 'test', urls: [vovserver.url], allowInsecure: true }, options.queue ?? {});
  const base = {
    mode: 'development',
    server: { host: '127.0.0.1', port: 0, drain: { timeout: '2s' } },
    admin: { port: 0 },
    queues: [queue],
    credentials: [{ type: 'file', dir: passwords }],
    ...(options.redisPort === undefined ? {} : { redis: { nodes: [`127.0.0.1:${options.redisPort}`] } }),
  };
  const config = configOf(merge(base, options.config ?? {}));
  const { lines, output } = lineCollector();
  const report = createReport({ log: config.log, clock: systemClock, version: 'test', output });
  const gateway = await createGateway(config, { version: 'test', report });
  return {
    vovserver,
    gateway,
    config,
    passwords,
    log: lines,
    async token(user, scopes = ['read', 'submit', 'control']) {
      return (await gateway.tokens.create({ user, label: 'test', scopes })).token.reveal();
    },
    call(method, path, { token, json, body, headers, port = gateway.port } = {}) {
      const content = json === undefined ? body : JSON.stringify(json);
      return fetch(`http://127.0.0.1:${port}${path}`, {
        method,
        redirect: 'manual',
        headers: {
          ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
          ...(json === undefined ? {} : { 'content-type': 'application/json' }),
          ...headers,
        },
        ...(content === undefined ? {} : { body: content }),
      });
    },
    async [Symbol.asyncDispose]() {
      await gateway[Symbol.asyncDispose]();
      await vovserver[Symbol.asyncDispose]();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
