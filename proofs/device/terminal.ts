import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { until } from '../stage.ts';

const ROOT = join(import.meta.dirname, '../..');

/** A command that runs or has run. */
export interface Command {
  readonly child: ChildProcess;
  /** All that it printed so far. */
  text(): string;
  readonly exit: Promise<number | null>;
}

/** The account of a person on a submit host. */
export interface Home extends AsyncDisposable {
  /** Runs `vovgw …`; in a pseudo-terminal when `terminal`. */
  vovgw(args: readonly string[], terminal?: boolean): Command;
  /** Runs it to its end. */
  run(args: readonly string[]): Promise<{ readonly code: number | null; readonly text: string }>;
  /** Permission bits of the login file and of its folder in octal; null without a file. */
  modes(): Promise<string | null>;
  readonly file: string;
}

const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;

/** Makes a home directory; `await using` removes it. */
export async function createHome(): Promise<Home> {
  const home = await mkdtemp(join(tmpdir(), 'vovgw-home-'));
  const folder = join(home, '.config', 'vovgw');
  const file = join(folder, 'login.json');
  const env = { PATH: process.env.PATH, HOME: home, TERM: 'xterm', LANG: 'C.UTF-8' };
  const vovgw = (args: readonly string[], terminal = false): Command => {
    const line = [process.execPath, join(ROOT, 'src/main.ts'), ...args];
    const [program, ...rest] = terminal ? ['script', '-qec', line.map(quoted).join(' '), '/dev/null'] : line;
    const child = spawn(program ?? '', rest, { cwd: home, env, stdio: ['pipe', 'pipe', 'pipe'] });
    let text = '';
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk) => {
        text += chunk;
      });
    const exit = new Promise<number | null>((resolve, reject) => {
      child.once('close', resolve);
      child.once('error', (cause) =>
        reject(new Error(`${program} cannot be run; script is part of util-linux`, { cause })),
      );
    });
    return { child, text: () => text, exit };
  };
  return {
    vovgw,
    file,
    async run(args) {
      const command = vovgw(args);
      const code = await command.exit;
      return { code, text: command.text() };
    },
    async modes() {
      try {
        const bits = async (path: string): Promise<string> =>
          ((await stat(path)).mode & 0o777).toString(8).padStart(4, '0');
        return `${await bits(file)} in ${await bits(folder)}`;
      } catch {
        return null;
      }
    },
    async [Symbol.asyncDispose]() {
      await rm(home, { recursive: true, force: true });
    },
  };
}

/** The page with its code, and the code, that a login printed. */
export async function invitationOf(command: Command): Promise<{ readonly page: string; readonly code: string }> {
  return until('the page of the login', () => {
    const text = command.text();
    const page = /code filled in: (\S+)/.exec(text)?.[1];
    const code = /Code: (\S+)/.exec(text)?.[1];
    if (command.child.exitCode !== null && page === undefined) throw new Error(`the login ended: ${text}`);
    return page === undefined || code === undefined ? null : { page, code };
  });
}
