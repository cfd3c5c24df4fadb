import { type ChildProcessByStdio, spawn } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import type { Clock } from '../../kernel/index.ts';

const STDOUT_BYTES = 65_536;
const STDERR_BYTES = 2048;

/** How a program ended. */
export type ProgramEnd =
  | { readonly kind: 'ok'; readonly stdout: string; readonly stderr: string }
  | { readonly kind: 'failed'; readonly problem: string; readonly stderr: string };

export interface ProgramRun {
  /** Program and arguments; no shell reads them. */
  readonly command: readonly string[];
  readonly stdin: string;
  readonly timeoutMs: number;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly clock: Clock;
  /** Ends the program early. */
  readonly signal: AbortSignal;
}

type Child = ChildProcessByStdio<Writable, Readable, Readable>;

/** Ends the program and what it started: it leads a process group of its own. */
function killGroup({ pid }: Child): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // The group has ended already.
  }
}

/** Collects at most `limit` bytes and calls `onExcess` at the first one more. */
function collect(stream: Readable, limit: number, onExcess: () => void): () => string {
  const chunks: Buffer[] = [];
  let size = 0;
  stream.on('data', (chunk: Buffer) => {
    const room = limit - size;
    if (room > 0) chunks.push(chunk.subarray(0, room));
    size += chunk.length;
    if (size > limit) onExcess();
  });
  stream.on('error', () => undefined);
  return () => Buffer.concat(chunks).toString('utf8');
}

/** Text of a foreign program as it may stand in a log line: one line, no control or direction characters. */
export const oneLine = (text: string): string =>
  text
    .replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, ' ')
    .trim()
    .slice(0, 500);

function whyFailed(code: number | null, signal: NodeJS.Signals | null): string | null {
  if (code === 0) return null;
  return code === null ? `it was ended by ${signal}` : `it exited with code ${code}`;
}

/** Runs a program once, bounded in time and output. Rejects only arguments that no program can be given. */
export function runProgram({ command, stdin, timeoutMs, env, clock, signal }: ProgramRun): Promise<ProgramEnd> {
  const [program = '', ...args] = command;
  return new Promise((resolve) => {
    const child = spawn(program, args, { detached: true, shell: false, env, stdio: ['pipe', 'pipe', 'pipe'] });
    const settle = (problem: string | null): void => {
      limit[Symbol.dispose]();
      signal.removeEventListener('abort', onAbort);
      const said = oneLine(stderr());
      if (problem === null) resolve({ kind: 'ok', stdout: stdout(), stderr: said });
      else resolve({ kind: 'failed', problem, stderr: said });
    };
    const end = (problem: string): void => {
      killGroup(child);
      // Something that left the group may hold the pipes open: they are not waited for.
      for (const stream of [child.stdin, child.stdout, child.stderr]) stream.destroy();
      settle(problem);
    };
    const stdout = collect(child.stdout, STDOUT_BYTES, () => end(`it wrote more than ${STDOUT_BYTES} bytes`));
    const stderr = collect(child.stderr, STDERR_BYTES, () => undefined);
    const onAbort = (): void => end('the gateway stops');
    const limit = clock.after(timeoutMs, () => end(`it took longer than ${timeoutMs} ms`));
    child.on('error', (error: NodeJS.ErrnoException) => settle(`it cannot be started (${error.code ?? error.name})`));
    child.on('close', (code, by) => settle(whyFailed(code, by)));
    // A program need not read its input.
    child.stdin.on('error', () => undefined);
    child.stdin.end(stdin);
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
  });
}
