import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

/** A running redis-server or Sentinel, by signals. */
export interface ServerProcess extends AsyncDisposable {
  readonly port: number;
  /** Ends it in an orderly way: data that is to be kept is written. */
  stop(): Promise<void>;
  /** Starts it again on the same port. */
  start(): Promise<void>;
  /** It keeps its connections and answers nothing. */
  freeze(): void;
  thaw(): void;
  kill(): Promise<void>;
}

export interface ServerSettings {
  /** Lines of redis.conf, once the port is known. */
  readonly lines: (port: number) => readonly string[];
  readonly sentinel?: boolean;
  /** Folder for its data, kept afterwards; without it a temporary one. */
  readonly dir?: string;
}

const running = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

/** A TCP port that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  return typeof address === 'object' && address !== null ? address.port : 0;
}

/** Resolves when the server says that it serves, with false when it ended before. */
async function serves(child: ChildProcess): Promise<boolean> {
  if (child.stdout === null) return false;
  for await (const line of createInterface({ input: child.stdout })) {
    if (line.includes('Ready to accept connections') || line.includes('+monitor master')) {
      child.stdout.resume();
      return true;
    }
  }
  return false;
}

async function launch(file: string, sentinel: boolean): Promise<ChildProcess | null> {
  const child = spawn('redis-server', [file, ...(sentinel ? ['--sentinel'] : [])], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  running.add(child);
  child.once('exit', () => running.delete(child));
  return (await serves(child)) ? child : null;
}

async function end(child: ChildProcess | null, signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
  if (child === null || child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill('SIGCONT');
  child.kill(signal);
  await exited;
}

const ATTEMPTS = 5;

/** Starts a server on a free port of the loopback address. */
export async function startServer(settings: ServerSettings): Promise<ServerProcess> {
  const dir = await mkdtemp(join(settings.dir ?? tmpdir(), 'redis-'));
  const file = join(dir, 'server.conf');
  const { sentinel = false } = settings;
  let child: ChildProcess | null = null;
  let port = 0;
  for (let attempt = 0; child === null && attempt < ATTEMPTS; attempt += 1) {
    port = await freePort();
    const common = ['bind 127.0.0.1', 'save ""', `dir "${settings.dir ?? dir}"`];
    await writeFile(file, [...common, ...settings.lines(port)].join('\n'));
    child = await launch(file, sentinel);
  }
  if (child === null) throw new Error(`redis-server does not start with ${file}; run it by hand to see why`);
  return {
    port,
    async start() {
      child = await launch(file, sentinel);
      if (child === null) throw new Error(`redis-server does not start again on port ${port}`);
    },
    stop: () => end(child, 'SIGTERM'),
    kill: () => end(child, 'SIGKILL'),
    freeze: () => void child?.kill('SIGSTOP'),
    thaw: () => void child?.kill('SIGCONT'),
    async [Symbol.asyncDispose]() {
      await end(child, 'SIGKILL');
      await rm(dir, { recursive: true, force: true });
    },
  };
}
