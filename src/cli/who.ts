import { parseArgs } from 'node:util';
import { printable } from '../identity/index.ts';
import { normalJobId, type Origin, type Origins } from '../jobs/index.ts';
import { GatewayError, messageOf } from '../kernel/index.ts';
import { minute, table } from './table.ts';

const USAGE = `vovgw who JOBID [--queue QUEUE] [--json] [--config FILE]

Shows who submitted a job through the gateway, with which token and from where, also after vovserver has forgotten the job.
Looks on every queue of the configuration when none is named.
Exit code 0 when there is a record, 1 when there is none, 2 when called wrongly.
`;

type Print = (text: string) => void;

/** Records of who submitted what in the store of the configuration; disposed when the verb is done. */
export interface OpenOrigins extends AsyncDisposable {
  readonly origins: Pick<Origins, 'find'>;
  /** Names of the queues of the configuration. */
  readonly queues: readonly string[];
}

/** What the verb needs from outside. */
export interface WhoDeps {
  /** Opens the store that the configuration names; null after it has told why not. Called with correct arguments only. */
  open(configFile: string | undefined): Promise<OpenOrigins | null>;
}

interface Question {
  readonly jobId: string;
  readonly queue: string | undefined;
  readonly json: boolean;
  readonly config: string | undefined;
}

/** Called wrongly: exit code 2. */
class UsageError extends Error {}

/** `vovgw who`: exit code 0 when there is a record, 1 when there is none or it cannot be read, 2 when called wrongly. */
export async function runWho(argv: readonly string[], deps: WhoDeps, out: Print, err: Print): Promise<number> {
  if (argv.includes('--help') || argv[0] === 'help') {
    out(USAGE);
    return 0;
  }
  try {
    const question = read(argv);
    await using opened = await deps.open(question.config);
    return opened === null ? 1 : await answer(question, opened, out, err);
  } catch (error) {
    if (error instanceof UsageError) {
      err(`vovgw who: ${error.message}\n\n${USAGE}`);
      return 2;
    }
    err(`vovgw who: ${error instanceof GatewayError ? error.detail : messageOf(error)}\n`);
    return 1;
  }
}

function read(argv: readonly string[]): Question {
  const { values, positionals } = understood(argv);
  const [given, ...more] = positionals;
  if (given === undefined || more.length > 0) throw new UsageError('say one JOBID');
  const jobId = normalJobId(given);
  if (jobId === null) throw new UsageError('a JOBID is 1 to 12 digits, with or without leading zeros');
  return { jobId, queue: values.queue, json: values.json ?? false, config: values.config };
}

function understood(argv: readonly string[]) {
  try {
    const text = { type: 'string' } as const;
    const options = { queue: text, config: text, json: { type: 'boolean' } } as const;
    return parseArgs({ args: [...argv], options, allowPositionals: true });
  } catch (error) {
    throw new UsageError(messageOf(error));
  }
}

async function answer(question: Question, { origins, queues }: OpenOrigins, out: Print, err: Print): Promise<number> {
  const { jobId, queue, json } = question;
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
