import type { Account, Clock, Secret } from '../../kernel/index.ts';
import type { Report } from '../../observe/index.ts';
import { createSlots } from '../login-slots.ts';
import type { CredentialSource, Password } from '../ports.ts';
import { toPassword } from './password-version.ts';
import { type ProgramEnd, runProgram } from './run-program.ts';
import { sourceError } from './source-error.ts';

/** Programs that run at once. */
const CONCURRENCY = 4;
/** A failure is kept this long at most, so that polling callers do not start a program each. */
const FAILURE_KEPT_MS = 5000;

export interface ExecSourceOptions {
  /** Program and arguments. */
  readonly command: readonly string[];
  /** Milliseconds. */
  readonly timeout: number;
  /** Milliseconds that an answer is kept in memory. */
  readonly cache: number;
  readonly versionKey: Secret;
  readonly clock: Clock;
  readonly report: Report;
  /** Environment of the program; the variables of the gateway itself are taken out. */
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** The gateway's own settings, secrets among them, are none of the program's business. */
function withoutOwn(env: ExecSourceOptions['env']): Record<string, string | undefined> {
  return Object.fromEntries(Object.entries(env).filter(([key]) => !key.startsWith('VOVGW_')));
}

/**
 * Reads the answer of the program: `{"password": "…"}`, or `{"found": false}` for null. Gives what is wrong instead as
 * `problem`, which never quotes the answer.
 */
export function readAnswer(stdout: string): { password: string | null } | { problem: string } {
  let answer: unknown;
  try {
    answer = JSON.parse(stdout);
  } catch {
    return { problem: 'its answer is not JSON' };
  }
  if (typeof answer !== 'object' || answer === null || Array.isArray(answer)) {
    return { problem: 'its answer is no JSON object' };
  }
  const { found, password } = answer as Record<string, unknown>;
  if (found === false) return { password: null };
  if (typeof password !== 'string' || password === '') return { problem: 'its answer has no text in "password"' };
  return { password };
}

function passwordOf(end: ProgramEnd, account: Account, options: ExecSourceOptions): Password | null {
  const [program = ''] = options.command;
  const answer = end.kind === 'ok' ? readAnswer(end.stdout) : { problem: end.problem };
  if ('password' in answer) {
    return answer.password === null ? null : toPassword(answer.password, account, options.versionKey);
  }
  if (end.stderr !== '') {
    const fields = { event: 'credential_program', queue: account.queue, account: account.name, file: program };
    options.report.log.warn({ ...fields, reason: end.stderr }, 'the credential program wrote to its standard error');
  }
  const mend = 'run it by hand with {"queue","account"} as JSON on its standard input';
  throw sourceError(account, { source: `exec ${program}`, problem: answer.problem, mend });
}

interface Kept {
  readonly answer: Promise<Password | null>;
  /** Milliseconds since the epoch; unknown while the program runs. */
  until: number;
}

/** Creates the source that asks a program; answers are kept in memory and asked for once at a time. */
export function createExecSource(options: ExecSourceOptions): CredentialSource {
  const { command, timeout, cache, clock } = options;
  const env = withoutOwn(options.env);
  const slots = createSlots(() => CONCURRENCY);
  const closing = new AbortController();
  const kept = new Map<string, Kept>();
  const name = `exec ${command[0] ?? ''}`;

  const ask = async (account: Account): Promise<Password | null> => {
    using _slot = await slots.take(closing.signal);
    const stdin = `${JSON.stringify({ queue: account.queue, account: account.name })}\n`;
    const end = await runProgram({ command, stdin, timeoutMs: timeout, env, clock, signal: closing.signal });
    return passwordOf(end, account, options);
  };
  const keep = (key: string, account: Account): Promise<Password | null> => {
    for (const [other, { until }] of kept) if (until <= clock.now()) kept.delete(other);
    const entry: Kept = { answer: ask(account), until: Number.POSITIVE_INFINITY };
    kept.set(key, entry);
    const end = (ms: number) => (): void => {
      entry.until = clock.now() + ms;
    };
    entry.answer.then(end(cache), end(Math.min(cache, FAILURE_KEPT_MS)));
    return entry.answer;
  };

  return {
    name,
    find(account) {
      const key = JSON.stringify([account.queue, account.name]);
      const entry = kept.get(key);
      return entry !== undefined && clock.now() < entry.until ? entry.answer : keep(key, account);
    },
    async [Symbol.asyncDispose]() {
      const running = [...kept.values()].map(({ answer }) => answer);
      const stopped = sourceError(
        { queue: '-', name: '-', shared: false },
        {
          source: name,
          problem: 'the gateway stops or its configuration changed',
          mend: 'repeat the call',
        },
      );
      closing.abort(stopped);
      kept.clear();
      await Promise.allSettled(running);
    },
  };
}
