import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { chmod, copyFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pythonWithRequests } from '../world/python.ts';

const MODULE = join(import.meta.dirname, '../../clients/python/vov_rest_v3.py');
const PROGRAMS = join(import.meta.dirname, 'python');

export type Step = Readonly<Record<string, unknown>> & { readonly do: string };
export interface Outcome {
  readonly result?: unknown;
  readonly error?: string;
  readonly text?: string;
  readonly status?: number | null;
  readonly code?: string | null;
  readonly retry_after?: number | null;
  /** Names of the classes of the error. */
  readonly kinds?: readonly string[];
}

/** Where and by what a program runs. */
export interface Run {
  readonly env?: Readonly<Record<string, string>>;
  readonly interpreter?: string;
}

/** A folder with a copy of the module and the programs that drive it. */
export interface ModuleWorld extends AsyncDisposable {
  readonly folder: string;
  /** Runs a program beside the module; nothing of the tests' own environment reaches it. */
  python(
    program: string,
    args: readonly string[],
    input: string,
    run?: Run,
  ): Promise<{ readonly code: number | null; readonly lines: Outcome[]; readonly err: string }>;
  /** Runs steps of module_probe.py; one outcome for each. */
  probe(steps: readonly Step[], env?: Readonly<Record<string, string>>, interpreter?: string): Promise<Outcome[]>;
  /** Writes what `vovgw login` would have written below a configuration directory; gives that directory. */
  login(login: object | string, mode?: number, below?: string): Promise<string>;
}

export async function createModuleWorld(): Promise<ModuleWorld> {
  const folder = await mkdtemp(join(tmpdir(), 'vovgw-module-'));
  await copyFile(MODULE, join(folder, 'vov_rest_v3.py'));
  for (const program of ['module_flow.py', 'module_probe.py']) {
    await copyFile(join(PROGRAMS, program), join(folder, program));
  }
  const python: ModuleWorld['python'] = (program, args, input, { env = {}, interpreter = pythonWithRequests() } = {}) =>
    new Promise((resolve) => {
      const child = spawn(interpreter, [join(folder, program), ...args], {
        cwd: folder,
        env: { PATH: process.env.PATH, HOME: folder, PYTHONDONTWRITEBYTECODE: '1', ...env },
      });
      let out = '';
      let err = '';
      child.stdout.on('data', (chunk) => {
        out += chunk;
      });
      child.stderr.on('data', (chunk) => {
        err += chunk;
      });
      child.stdin.end(input);
      child.once('close', (code) => {
        const lines = out.split('\n').filter(Boolean);
        resolve({ code, err, lines: lines.map((line) => JSON.parse(line) as Outcome) });
      });
    });
  return {
    folder,
    python,
    async probe(steps, env = {}, interpreter) {
      const run = { env: { USER: 'alice', ...env }, ...(interpreter === undefined ? {} : { interpreter }) };
      const { code, lines, err } = await python('module_probe.py', [], JSON.stringify(steps), run);
      assert.equal(code, 0, err);
      assert.equal(lines.length, steps.length, err);
      return lines;
    },
    async login(login, mode = 0o600, below) {
      const config = below ?? (await mkdtemp(join(folder, 'config-')));
      await mkdir(join(config, 'vovgw'), { mode: 0o700, recursive: true });
      const file = join(config, 'vovgw', 'login.json');
      await writeFile(file, typeof login === 'string' ? login : JSON.stringify(login));
      await chmod(file, mode);
      return config;
    },
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  };
}

/** The error of a step by class and text. */
export function assertError(outcome: Outcome | undefined, name: string, text: RegExp): void {
  assert.equal(outcome?.error, name, JSON.stringify(outcome));
  assert.match(outcome?.text ?? '', text);
}

async function listening(server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** A small server in the gateway's place, with what it was sent. */
export async function fake(answer: RequestListener) {
  const seen: { method: string; url: string; headers: Record<string, unknown> }[] = [];
  const server = createServer((req, res) => {
    seen.push({ method: req.method ?? '', url: req.url ?? '', headers: req.headers });
    req.resume();
    answer(req, res);
  });
  const url = await listening(server);
  return {
    url,
    seen,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
