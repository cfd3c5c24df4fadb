import { parseArgs } from 'node:util';
import { printable } from '../identity/index.ts';
import { normalJobId, type Origin, type Origins } from '../jobs/index.ts';
import { noSuchQueue } from './no-such-queue.ts';
import { minute, table } from './table.ts';
import { type Print, runStoreVerb, type StoreDeps, UsageError, understood } from './verb.ts';

const USAGE = `vovgw who JOBID [--queue QUEUE] [--json] [--config FILE]

Shows who submitted a job through the gateway, with which token and from where, also after vovserver has forgotten the job.
Looks on every queue of the configuration when none is named.
Exit code 0 when there is a record, 1 when there is none, 2 when called wrongly.
`;

/** Records of who submitted what in the store of the configuration; disposed when the verb is done. */
export interface OpenOrigins extends AsyncDisposable {
  readonly origins: Pick<Origins, 'find'>;
  /** Names of the queues of the configuration. */
  readonly queues: readonly string[];
}

interface Question {
  readonly jobId: string;
  readonly queue: string | undefined;
  readonly json: boolean;
  readonly config: string | undefined;
}

/** `vovgw who`: exit code 0 when there is a record, 1 when there is none or it cannot be read, 2 when called wrongly. */
export function runWho(argv: readonly string[], deps: StoreDeps<OpenOrigins>, out: Print, err: Print): Promise<number> {
  const verb = { name: 'who', usage: USAGE, argv };
  return runStoreVerb(verb, deps, read, (question, opened) => answer(question, opened, out, err), out, err);
}

const text = { type: 'string' } as const;
const OPTIONS = { queue: text, config: text, json: { type: 'boolean' } } as const;

function read(argv: readonly string[]): Question {
  const { values, positionals } = understood(() =>
    parseArgs({ args: [...argv], options: OPTIONS, allowPositionals: true }),
  );
  const [given, ...more] = positionals;
  if (given === undefined || more.length > 0) throw new UsageError('say one JOBID');
  const jobId = normalJobId(given);
  if (jobId === null) throw new UsageError('a JOBID is 1 to 12 digits, with or without leading zeros');
  return { jobId, queue: values.queue, json: values.json ?? false, config: values.config };
}

async function answer(question: Question, { origins, queues }: OpenOrigins, out: Print, err: Print): Promise<number> {
  const { jobId, queue, json } = question;
  const unknown = queue === undefined ? null : noSuchQueue(queue, queues);
  if (unknown !== null) {
    err(`vovgw who: ${unknown}\n`);
    return 1;
  }
  const names = queue === undefined ? queues : [queue];
  const found = (await Promise.all(names.map((name) => origins.find(name, jobId)))).filter((origin) => origin !== null);
  if (json) out(`${JSON.stringify(found)}\n`);
  else if (found.length > 0) out(table(HEADINGS, found.map(rowOf)));
  else err(`vovgw who: no record of job ${jobId} on ${names.map(printable).join(', ')}; ${WHY_NOT}\n`);
  return found.length > 0 ? 0 : 1;
}

const WHY_NOT = 'it was not submitted through the gateway, or too long ago (jobs.originLife).';
const HEADINGS = ['JOB', 'QUEUE', 'USER', 'ACCOUNT', 'SUBMITTED', 'LAST SEEN', 'TOKEN', 'ADDRESS', 'REQUEST', 'KEY'];

const rowOf = (origin: Origin): string[] => [
  origin.jobId,
  origin.queue,
  printable(origin.user),
  printable(origin.account),
  minute(origin.submittedAt),
  origin.lastSeen === null ? 'never' : `${printable(origin.lastSeen.status)} ${minute(origin.lastSeen.at)}`,
  `${origin.tokenId} (${printable(origin.tokenLabel)})`,
  origin.address,
  origin.requestId,
  origin.key ?? '',
];
