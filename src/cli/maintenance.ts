import { parseArgs } from 'node:util';
import { printable } from '../identity/index.ts';
import type { AnnouncedMaintenance, MaintenanceStore } from '../limits/index.ts';
import { lengthOf, readDuration } from './duration.ts';
import { noSuchQueue } from './no-such-queue.ts';
import { minute, table } from './table.ts';
import { type Print, runStoreVerb, type StoreDeps, UsageError, understood } from './verb.ts';

const USAGE = `vovgw maintenance start QUEUE --until END [--reason TEXT] [--json] [--config FILE]
vovgw maintenance stop QUEUE [--json] [--config FILE]
vovgw maintenance list [--json] [--config FILE]

During maintenance no submission goes to the queue, and no change of a job; reads and kills go on. Callers get 503
GW_MAINTENANCE with the end as Retry-After. It ends by itself at END: a duration (90m, 4h) or a moment in ISO 8601 with its
zone (2026-03-01T22:00:00+01:00, 2026-03-01T21:00Z). start again moves the end. Every replica knows within a second.
Exit code 0 when done, 1 when it could not be done, 2 when called wrongly.
`;

/** Longest maintenance, milliseconds: what is meant to last longer is a typing error or a queue to take away. */
const LONGEST = 31 * 86_400_000;
const LONGEST_REASON = 200;
/** With a zone: a command may be typed elsewhere than the gateway runs. */
const MOMENT = /^\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:\d\d)$/;

/** The store of the configuration; disposed when the verb is done. */
export interface OpenMaintenance extends AsyncDisposable {
  readonly store: MaintenanceStore;
  /** Names of the queues of the configuration. */
  readonly queues: readonly string[];
}

/** What the verb needs from outside. */
export interface MaintenanceDeps extends StoreDeps<OpenMaintenance> {
  /** Milliseconds since the epoch. */
  now(): number;
}

type Command = { readonly config: string | undefined; readonly json: boolean } & (
  | { readonly verb: 'list' }
  | { readonly verb: 'stop'; readonly queue: string }
  | { readonly verb: 'start'; readonly queue: string; readonly until: number; readonly reason: string }
);

/** `vovgw maintenance`: exit code 0 when done, 1 when it could not be done, 2 when called wrongly. */
export function runMaintenance(
  argv: readonly string[],
  deps: MaintenanceDeps,
  out: Print,
  err: Print,
): Promise<number> {
  const verb = { name: 'maintenance', usage: USAGE, argv };
  const understand = (args: readonly string[]): Command => read(args, deps.now());
  return runStoreVerb(verb, deps, understand, (command, opened) => act(command, opened, out, err), out, err);
}

/** The end as a moment, milliseconds since the epoch. */
function readEnd(text: string | undefined, now: number): number {
  if (text === undefined) throw new UsageError('say when it ends: --until 4h, or --until 2026-03-01T22:00:00+01:00');
  const span = readDuration(text);
  const until = span === null ? Date.parse(text.replace(' ', 'T')) : now + span;
  if (span === null && (!MOMENT.test(text) || Number.isNaN(until))) {
    const what = `--until ${printable(text)} is neither a duration (90m, 4h) nor a moment with its zone`;
    throw new UsageError(`${what} (2026-03-01T22:00:00+01:00)`);
  }
  if (until <= now) throw new UsageError(`--until ${printable(text)} is in the past`);
  if (until - now > LONGEST) throw new UsageError(`--until ${printable(text)} is more than 31 days ahead`);
  return until;
}

function readReason(text: string | undefined): string {
  const reason = (text ?? '').trim();
  if (reason.length > LONGEST_REASON) throw new UsageError(`--reason may have ${LONGEST_REASON} characters`);
  if (printable(reason) !== reason) throw new UsageError('--reason holds a character that is not printable');
  return reason;
}

const text = { type: 'string' } as const;
const OPTIONS = { until: text, reason: text, config: text, json: { type: 'boolean' } } as const;

function read([verb, ...args]: readonly string[], now: number): Command {
  if (verb === undefined) throw new UsageError('say start, stop or list');
  if (verb !== 'start' && verb !== 'stop' && verb !== 'list') {
    throw new UsageError(`there is no “${printable(verb)}”; say start, stop or list`);
  }
  const { values, positionals } = understood(() => parseArgs({ args, options: OPTIONS, allowPositionals: true }));
  const [queue, ...more] = positionals;
  const common = { config: values.config, json: values.json ?? false };
  if (verb !== 'start' && (values.until ?? values.reason) !== undefined) {
    throw new UsageError(`--until and --reason belong to start, not to ${verb}`);
  }
  if (verb === 'list') {
    if (queue !== undefined) throw new UsageError('list takes no queue');
    return { ...common, verb };
  }
  if (queue === undefined || more.length > 0) throw new UsageError(`${verb} needs one QUEUE`);
  if (verb === 'stop') return { ...common, verb, queue };
  return { ...common, verb, queue, until: readEnd(values.until, now), reason: readReason(values.reason) };
}

/** What a program reads of it. */
const shown = ({ queue, since, until, reason }: AnnouncedMaintenance) => ({
  queue,
  since: new Date(since).toISOString(),
  until: new Date(until).toISOString(),
  reason,
});

const HEADINGS = ['QUEUE', 'SINCE', 'UNTIL', 'REASON'];
const rowOf = ({ queue, since, until, reason }: AnnouncedMaintenance): string[] => [
  queue,
  minute(since),
  minute(until),
  printable(reason),
];

async function list({ json }: Command, { store, queues }: OpenMaintenance, out: Print): Promise<number> {
  const found = (await Promise.all(queues.map((queue) => store.find(queue)))).filter((one) => one !== null);
  if (json) out(`${JSON.stringify(found.map(shown))}\n`);
  else out(found.length === 0 ? 'No queue is in maintenance.\n' : table(HEADINGS, found.map(rowOf)));
  return 0;
}

async function act(command: Command, opened: OpenMaintenance, out: Print, err: Print): Promise<number> {
  if (command.verb === 'list') return list(command, opened, out);
  const { store, queues } = opened;
  const { queue, json } = command;
  const unknown = noSuchQueue(queue, queues);
  if (unknown !== null) {
    err(`vovgw maintenance: ${unknown}\n`);
    return 1;
  }
  if (command.verb === 'stop') {
    const stopped = await store.stop(queue);
    if (json) out(`${JSON.stringify({ queue, stopped })}\n`);
    else if (stopped) out(`Submissions to ${queue} go on.\n`);
    else err(`vovgw maintenance: ${queue} is not in maintenance\n`);
    return stopped ? 0 : 1;
  }
  const started = await store.start(queue, command.until, command.reason);
  if (json) out(`${JSON.stringify(shown(started))}\n`);
  else {
    const span = lengthOf(started.until - started.since);
    out(`Submissions to ${queue} are held back until ${minute(started.until)} (${span}); reads and kills go on.\n`);
  }
  return 0;
}
