import { parseArgs } from 'node:util';
import type { Config } from '../config/index.ts';
import { printable } from '../identity/index.ts';
import type { Clock } from '../kernel/index.ts';
import type { FailoverAnswer, FailoverOrder, FailoverStore } from '../limits/index.ts';
import { readDuration } from './duration.ts';
import { noSuchQueue } from './no-such-queue.ts';
import { table } from './table.ts';
import { type Print, plain, runStoreVerb, type StoreDeps, UsageError, understood } from './verb.ts';

const USAGE = `vovgw failover QUEUE [--to URL] [--wait 30s] [--json] [--config FILE]

Moves the queue to another of its candidates (queues[].urls), without a restart: every replica holds submissions back, lets
those under way end for at most --wait, checks the new server (TLS policy, queue name) and uses it; then submissions go on.
Without --to it is the next candidate in order that passes. Reads and kills go on all the time. A server that tells its name
to nobody without a login is asked at the first one, and it says so. Ctrl-C takes the order back.
Prints what each replica answered. Exit code 0 when every one switched, 1 when not, 2 when called wrongly.
`;

/** What a replica gets to reach and check the new server, milliseconds. */
const SWITCH_MS = 20_000;
const LONGEST_WAIT = 600_000;
const LOOK_MS = 100;

/** The store of the configuration; disposed when the verb is done. */
export interface OpenFailover extends AsyncDisposable {
  readonly store: FailoverStore;
  readonly queues: readonly Pick<Config['queues'][number], 'name' | 'urls'>[];
  /** Keys of the replicas that run. */
  living(): Promise<readonly string[]>;
}

/** What the verb needs from outside. */
export interface FailoverDeps extends StoreDeps<OpenFailover> {
  readonly clock: Clock;
  /** Somebody wants it to end now: the order is taken back. */
  readonly interrupted?: AbortSignal;
  /** Name of the order, not used before. */
  createId(): string;
}

interface Command {
  readonly queue: string;
  readonly to: string | undefined;
  readonly waitMs: number;
  readonly json: boolean;
  readonly config: string | undefined;
}

/** It cannot be done: exit code 1. */
class RefusedError extends Error {}

/** `vovgw failover`: exit code 0 when every replica switched, 1 when not, 2 when called wrongly. */
export function runFailover(argv: readonly string[], deps: FailoverDeps, out: Print, err: Print): Promise<number> {
  const verb = { name: 'failover', usage: USAGE, argv };
  return runStoreVerb(verb, deps, read, (command, opened) => act(command, opened, deps, out, err), out, err);
}

const text = { type: 'string' } as const;
const OPTIONS = { to: text, wait: text, config: text, json: { type: 'boolean' } } as const;

function read(argv: readonly string[]): Command {
  const { values, positionals } = understood(() =>
    parseArgs({ args: [...argv], options: OPTIONS, allowPositionals: true }),
  );
  const [queue, ...more] = positionals;
  if (queue === undefined || more.length > 0) throw new UsageError('say one QUEUE');
  const waitMs = readDuration(values.wait ?? '30s');
  if (waitMs === null) throw new UsageError(`--wait ${printable(values.wait ?? '')} is no duration, for example 30s`);
  if (waitMs > LONGEST_WAIT) throw new UsageError('--wait may be 10m at most');
  return { queue, to: values.to, waitMs, json: values.json ?? false, config: values.config };
}

/** The candidate that was named, as the configuration writes it; null when none was named. */
function candidateOf({ queue, to }: Command, { queues }: OpenFailover): string | null {
  const names = queues.map(({ name }) => name);
  const found = queues.find(({ name }) => name === queue);
  if (found === undefined) throw new RefusedError(noSuchQueue(queue, names) ?? '');
  if (to === undefined) {
    if (found.urls.length > 1) return null;
    throw new RefusedError(`${queue} has one candidate only; add the new server to queues[].urls first`);
  }
  const url = found.urls.find((candidate) => URL.parse(candidate)?.origin === URL.parse(to)?.origin);
  if (url !== undefined) return url;
  throw new RefusedError(`${printable(to)} is no candidate of ${queue}; queues[].urls has ${found.urls.join(', ')}`);
}

/** Answers of the replicas that run; null where there is none. */
type Answers = ReadonlyMap<string, FailoverAnswer | null>;

async function act(
  command: Command,
  opened: OpenFailover,
  { clock, createId, interrupted }: FailoverDeps,
  out: Print,
  err: Print,
): Promise<number> {
  const { queue, waitMs } = command;
  const { store } = opened;
  const to = candidateOf(command, opened);
  const replicas = await opened.living();
  if (replicas.length === 0) throw new RefusedError('no replica of the gateway runs on this store');
  const order: FailoverOrder = { queue, id: createId(), to, waitMs, until: clock.now() + waitMs + SWITCH_MS };
  if (!(await begin(order, replicas, store))) {
    throw new RefusedError(`another planned failover of ${queue} is under way; it ends within minutes, then try again`);
  }
  const answers = await collect(order, replicas, store, clock, interrupted).finally(() => store.end(order));
  const choice = await store.choice(queue);
  const chosen = choice?.id === order.id ? choice.origin : null;
  if (command.json) out(`${JSON.stringify({ queue, chosen, replicas: [...answers].map(shown) })}\n`);
  else out(`${table(HEADINGS, [...answers].map(rowOf))}${nameless(answers)}`);
  return conclude(command, chosen, answers, err, interrupted?.aborted === true);
}

/** Begins an order; one that a command left behind, and that every replica has answered, is over. */
async function begin(order: FailoverOrder, replicas: readonly string[], store: FailoverStore): Promise<boolean> {
  if (await store.begin(order)) return true;
  const standing = await store.find(order.queue);
  if (standing !== null) {
    const answers = await Promise.all(replicas.map((replica) => store.answerOf(standing, replica)));
    if (answers.includes(null)) return false;
    await store.end(standing);
  }
  return await store.begin(order);
}

async function collect(
  order: FailoverOrder,
  replicas: readonly string[],
  store: FailoverStore,
  clock: Clock,
  interrupted: AbortSignal | undefined,
): Promise<Answers> {
  const end = clock.elapsed() + order.waitMs + SWITCH_MS;
  const answers = new Map<string, FailoverAnswer | null>(replicas.map((replica) => [replica, null]));
  for (;;) {
    for (const [replica, answer] of answers) {
      if (answer === null) answers.set(replica, await store.answerOf(order, replica));
    }
    const isComplete = [...answers.values()].every((answer) => answer !== null);
    if (isComplete || interrupted?.aborted === true || clock.elapsed() >= end) return answers;
    await clock.sleep(LOOK_MS);
  }
}

const HEADINGS = ['REPLICA', 'USES NOW', 'UNFINISHED', 'WHY NOT'];

const rowOf = ([key, answer]: [string, FailoverAnswer | null]): string[] =>
  answer === null
    ? [`(${key})`, '?', '?', 'no answer']
    : [
        printable(answer.replica),
        answer.origin ?? 'as before',
        String(answer.unfinished),
        plain(answer.reason, Infinity),
      ];

const shown = ([key, answer]: [string, FailoverAnswer | null]) =>
  answer ?? { replica: key, origin: null, reason: 'no answer' };

/** What people must know of a server that gives its name to nobody without a login. */
function nameless(answers: Answers): string {
  const origins = [...answers.values()].flatMap((answer) => (answer?.unnamed === true ? [answer.origin ?? ''] : []));
  return [...new Set(origins)]
    .map((origin) =>
      [
        `The queue name of ${plain(origin)} is not known yet: it is checked at the first login, before any other call goes`,
        'there. When it gives another name, the queue goes to another candidate, and the log tells an error.',
        '',
      ].join('\n'),
    )
    .join('');
}

/** Says what to do when not every replica switched. */
function conclude(
  { queue }: Command,
  chosen: string | null,
  answers: Answers,
  err: Print,
  isInterrupted: boolean,
): number {
  const left = [...answers.values()].filter((answer) => answer === null || answer.origin === null).length;
  if (left === 0) return 0;
  if (isInterrupted) {
    const outcome =
      chosen === null
        ? `no replica had switched; ${queue} stays where it was, and submissions go on. One that was just about to may still do it: see the log.`
        : `${left} of ${answers.size} replicas had not switched to ${chosen} yet; they follow by themselves and hold submissions back until then.`;
    err(`vovgw failover: interrupted, the order was taken back: ${outcome}\n`);
    return 1;
  }
  if (chosen === null) {
    err(`vovgw failover: no replica switched; ${queue} stays where it was, and submissions go on.\n`);
    return 1;
  }
  err(
    [
      `vovgw failover: ${left} of ${answers.size} replicas did not switch to ${chosen}. They hold submissions back and try again`,
      'every 5 s; one without an answer may still use the former server. Mend what keeps them from it (see WHY NOT, and',
      `their log) or end them; to go back, run vovgw failover ${queue} --to the former URL.`,
      '',
    ].join('\n'),
  );
  return 1;
}
