import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { type RedisProcess, startRedis } from '../test/world/redis.ts';
import { pause } from './pace.ts';

const ROOT = join(import.meta.dirname, '..');
const run = promisify(execFile);

/** A port that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  return typeof address === 'object' && address !== null ? address.port : 0;
}

/** A child process that can be ended gently, killed, frozen and thawed. */
export interface Running extends AsyncDisposable {
  readonly child: ChildProcess;
  /** Lines of standard output so far; a gateway’s go to a file in the stage’s folder. */
  readonly lines: string[];
  kill(): Promise<void>;
  signal(name: NodeJS.Signals): void;
}

function supervise(child: ChildProcess): Running {
  const lines: string[] = [];
  if (child.stdout !== null) createInterface({ input: child.stdout }).on('line', (line) => lines.push(line));
  const gone = (): boolean => child.exitCode !== null || child.signalCode !== null;
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    if (gone()) return;
    const exited = once(child, 'exit');
    child.kill(signal);
    await exited;
  };
  return {
    child,
    lines,
    kill: () => end('SIGKILL'),
    signal: (name) => void child.kill(name),
    [Symbol.asyncDispose]: () => end('SIGTERM'),
  };
}

/** Asks until `probe` gives something; throws when it does not within `seconds`. */
export async function until<T>(what: string, probe: () => T | null | Promise<T | null>, seconds = 20): Promise<T> {
  const end = Date.now() + seconds * 1000;
  while (Date.now() < end) {
    const found = await Promise.resolve()
      .then(probe)
      .catch(() => null);
    if (found !== null && found !== false) return found;
    await pause(25);
  }
  throw new Error(`${what}: not within ${seconds} s`);
}

/** Waits until a process is up that was started; ends it when it does not get so in time, or has ended. */
async function untilUp<T>(what: string, running: Running, probe: () => T | null | Promise<T | null>): Promise<T> {
  try {
    const found = await until(what, () => (running.child.exitCode === null ? probe() : 'ended'));
    if (found !== 'ended') return found as T;
    throw new Error(`${what}: ended with ${running.child.exitCode}`);
  } catch (error) {
    await running.kill();
    throw error;
  }
}

/** The stand-in vovserver as a process of its own, with its control port. */
export interface Standin extends Running {
  readonly url: string;
  /** Folder with ca.pem and cert.pem. */
  readonly certDir: string;
  control(method: string, path: string, body?: unknown): Promise<unknown>;
}

/** Starts the stand-in with the flags of `standin/main.ts`; control port and certificate folder are chosen here. */
export async function startStandin(flags: readonly string[]): Promise<Standin> {
  const certDir = await mkdtemp(join(tmpdir(), 'vovgw-standin-'));
  const port = await freePort();
  const controlPort = await freePort();
  const args = ['standin/main.ts', '--port', `${port}`, '--control-port', `${controlPort}`, '--cert-dir', certDir];
  const child = spawn(process.execPath, [...args, ...flags], { cwd: ROOT, stdio: ['ignore', 'pipe', 'inherit'] });
  const running = supervise(child);
  const url = await untilUp('stand-in', running, () => /vovserver (\S+)/.exec(running.lines.join('\n'))?.[1] ?? null);
  return {
    ...running,
    url: url.replace('0.0.0.0', '127.0.0.1'),
    certDir,
    async control(method, path, body) {
      const init = body === undefined ? { method } : { method, body: JSON.stringify(body) };
      const answer = await fetch(`http://127.0.0.1:${controlPort}${path}`, init);
      if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
      return answer.json();
    },
    async [Symbol.asyncDispose]() {
      await running[Symbol.asyncDispose]();
      await rm(certDir, { recursive: true, force: true });
    },
  };
}

/** One gateway process. */
export interface GatewayProcess extends Running {
  readonly url: string;
  readonly adminUrl: string;
  readonly configFile: string;
  /** The value of a metric summed over its series whose labels hold `labels`. */
  metric(name: string, labels?: string): Promise<number>;
}

/** A folder with vovserver passwords, keys and a Redis, for as many gateways as wanted. */
export interface Stage extends AsyncDisposable {
  readonly folder: string;
  readonly redis: RedisProcess;
  /** Sets the vovserver password of an account, as the credential source `file` reads it. */
  setPassword(account: string, password: string): Promise<void>;
  /** Starts a gateway. `section` is merged over the common configuration, top level by top level. */
  gateway(section: Record<string, unknown>): Promise<GatewayProcess>;
  /** What nothing caught in a gateway, so that it drained and ended, by their logs. */
  fatal(): Promise<string[]>;
  /** Makes an access token with the command line. */
  token(gateway: GatewayProcess, user: string, label?: string): Promise<string>;
}

async function startGateway(config: Record<string, unknown>, folder: string): Promise<GatewayProcess> {
  const port = await freePort();
  const adminPort = await freePort();
  const configFile = join(folder, `gateway-${port}.yaml`);
  const server = { host: '127.0.0.1', port, drain: { wait: '0s', timeout: '5s' }, ...(config.server as object) };
  await writeFile(configFile, JSON.stringify({ ...config, server, admin: { port: adminPort } }), { mode: 0o600 });
  const args = ['src/main.ts', 'serve', '--config', configFile];
  // The log goes to a file: reading it here would take time from what is measured.
  const log = await open(join(folder, `gateway-${port}.log`), 'a');
  const child = spawn(process.execPath, args, { cwd: ROOT, stdio: ['ignore', log.fd, 'inherit'] });
  await log.close();
  const running = supervise(child);
  const adminUrl = `http://127.0.0.1:${adminPort}`;
  await untilUp('gateway', running, async () => ((await fetch(`${adminUrl}/readyz`)).ok ? true : null));
  return {
    ...running,
    url: `http://127.0.0.1:${port}`,
    adminUrl,
    configFile,
    async metric(name, labels = '') {
      const text = await (await fetch(`${adminUrl}/metrics`)).text();
      const lines = text.split('\n').filter((line) => new RegExp(`^${name}[{ ]`).test(line) && line.includes(labels));
      return lines.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
    },
  };
}

/** Sets the stage: a real Redis and a folder with what gateways need. Nothing listens but Redis yet. */
export async function setStage(): Promise<Stage> {
  const folder = await mkdtemp(join(tmpdir(), 'vovgw-proof-'));
  const passwords = join(folder, 'passwords');
  await mkdir(passwords);
  await chmod(folder, 0o700);
  const redis = await startRedis({ appendOnly: true });
  const secrets = {
    sealingKey: randomBytes(32).toString('base64'),
    tokenKey: randomBytes(32).toString('base64'),
  };
  const common = {
    mode: 'production',
    redis: { nodes: [`127.0.0.1:${redis.port}`] },
    secrets,
    credentials: [{ type: 'file', dir: passwords }],
  };
  const gateways: GatewayProcess[] = [];
  return {
    folder,
    redis,
    setPassword: (account, password) => writeFile(join(passwords, account), password, { mode: 0o600 }),
    async gateway(section) {
      const gateway = await startGateway({ ...common, ...section }, folder);
      gateways.push(gateway);
      return gateway;
    },
    async fatal() {
      const logs = await Promise.all(gateways.map(({ configFile }) => readText(configFile.replace('.yaml', '.log'))));
      return logs.flatMap((log) => log.split('\n').filter((line) => line.includes('"event.action":"fatal"')));
    },
    async token(gateway, user, label = 'proof') {
      const args = ['token', 'create', '--user', user, '--label', label, '--scope', 'read,submit,control', '--json'];
      const command = ['src/main.ts', ...args, '--config', gateway.configFile];
      const { stdout } = await run(process.execPath, command, { cwd: ROOT });
      return (JSON.parse(stdout) as { token: string }).token;
    },
    async [Symbol.asyncDispose]() {
      for (const gateway of gateways) await gateway[Symbol.asyncDispose]();
      await redis[Symbol.asyncDispose]();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** The demo as `npm run demo` starts it, and what it printed. */
export interface Demo extends Running {
  readonly url: string;
  readonly user: string;
  readonly token: string;
  readonly queue: string;
  /** The commands that it offers, as printed. */
  readonly commands: readonly string[];
}

/** Starts the demo on free ports and reads its text, as a person would. */
export async function startDemo(): Promise<Demo> {
  const ports = [
    '--port',
    `${await freePort()}`,
    '--admin-port',
    `${await freePort()}`,
    '--idp-port',
    `${await freePort()}`,
  ];
  const child = spawn('npm', ['run', '--silent', 'demo', '--', ...ports], {
    cwd: ROOT,
    stdio: ['ignore', 'pipe', 'inherit'],
    detached: true,
  });
  const running = supervise(child);
  await until('demo', () => (running.lines.some((line) => line.startsWith('Health and metrics')) ? true : null), 60);
  const field = (name: string): string =>
    running.lines.map((l) => new RegExp(`^ +${name} +(\\S+)`).exec(l)?.[1]).find(Boolean) ?? '';
  return {
    ...running,
    url: field('URL'),
    user: field('User'),
    token: field('Token'),
    queue: 'demo',
    commands: running.lines.filter((line) => /^ +curl /.test(line)).map((line) => line.trim()),
    async [Symbol.asyncDispose]() {
      // The whole group: npm does not hand signals on to what it started.
      if (child.pid !== undefined && child.exitCode === null) process.kill(-child.pid, 'SIGTERM');
      if (child.exitCode === null) await once(child, 'exit');
    },
  };
}

/** Reads a file of the stage as text. */
export const readText = (file: string): Promise<string> => readFile(file, 'utf8');
