import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

/** A process under measure: pinned to a core, listening on a port. */
export interface Subject extends AsyncDisposable {
  readonly port: number;
  readonly pid: number;
}

/** Ends a child and waits until it is gone. */
export async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGTERM');
  await once(child, 'exit');
}

/** Starts a script of `bench/subjects/` on one core and waits for its line `listening <port>`. */
export async function startSubject(script: string, args: readonly string[], core: string): Promise<Subject> {
  const file = join(import.meta.dirname, 'subjects', script);
  const child = spawn('taskset', ['-c', core, process.execPath, file, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, NODE_ENV: 'production' },
  });
  for await (const line of createInterface({ input: child.stdout })) {
    const port = /^listening (\d+)$/.exec(line)?.[1];
    if (port === undefined) continue;
    child.stdout.resume();
    return { port: Number(port), pid: child.pid ?? 0, [Symbol.asyncDispose]: () => end(child) };
  }
  throw new Error(`${script} ended before it listened`);
}
