import type { Answer, SubmissionWay } from '../../src/jobs/index.ts';
import { type Clock, GatewayError } from '../../src/kernel/index.ts';

/** What happens to the next submission on its way. */
export type Mishap =
  | 'none'
  /** Nothing arrives, and the way knows. */
  | 'not-sent'
  /** Nothing arrives, and nobody knows. */
  | 'lost-before'
  /** The job is made, its answer is lost. */
  | 'lost-after'
  /** The answer is lost, and the job made five seconds later. */
  | 'lost-late'
  | 'fails-before'
  | 'fails-after'
  /** The job is made, the answer is cut in half. */
  | 'half-answer'
  /** A page that says yes and means nothing. */
  | 'page'
  /** A yes of vovserver that names no job; it is made. */
  | 'yes-in-other-words'
  /** A proxy says that vovserver is away; the job is made. */
  | 'gateway-error'
  /** A proxy waits no longer; the job is made. */
  | 'proxy-timeout'
  /** A proxy refuses in words of its own what it has passed on; the job is made. */
  | 'proxy-page'
  /** vovserver says no. */
  | 'refused';

export interface FakeJob {
  readonly id: number;
  readonly user: string;
  readonly body: Readonly<Record<string, unknown>>;
  /** Milliseconds since the epoch. */
  readonly at: number;
}

/** A vovserver in memory that knows submissions and the queries of the search; its jobs are the ledger. */
export interface FakeVovserver {
  readonly jobs: FakeJob[];
  /** Targets that were read. */
  readonly reads: string[];
  /** Bodies that were sent. */
  readonly sent: Buffer[];
  mishaps: Mishap[];
  reading: 'ok' | 'away' | 'error-text' | 'nonsense';
  /** Lists come from a copy that was made at this time, milliseconds since the epoch; null: from itself. */
  copyOf: number | null;
  /** How a job shows what it runs. */
  showsCommand: (command: string, logfile: string) => string;
  /** Its clock minus the gateway's, milliseconds; said in the Date of its answers unless null. */
  clockOffset: number | null;
  /** Fields of a submission that it drops without a word. */
  drops: string[];
  refusesSameLogfile: boolean;
  /** Called while a submission is under way, before anything happens to it. */
  onSend: (lost: AbortSignal | undefined) => Promise<void>;
  way(account: string): SubmissionWay;
}

type Looks = Pick<FakeVovserver, 'showsCommand' | 'clockOffset'>;

const json = (status: number, value: unknown): Answer => ({
  status,
  headers: ['Content-Type', 'application/json'],
  body: Buffer.from(JSON.stringify(value)),
});

const text = (value: unknown): string => (typeof value === 'string' ? value : '');

function cells(job: FakeJob, { showsCommand, clockOffset }: Looks): Readonly<Record<string, string | number>> {
  const { command, logfile, rundir, jobname, proplist } = job.body;
  return {
    idint: job.id,
    user: job.user,
    dir: text(rundir),
    command: showsCommand(text(command), text(logfile)),
    submittime: Math.floor((job.at + (clockOffset ?? 0)) / 1000),
    JOBNAME: text(jobname),
    'PROP.VOVGW_MARK': text(proplist).replace('VOVGW_MARK=', ''),
  };
}

/** Reads the three kinds of terms that the gateway may write; anything else is a fault of the gateway. */
function holds(row: Readonly<Record<string, string | number>>, term: string): boolean {
  const [, field = '', operator, value = ''] = /^([A-Za-z_.]+)(==|>=|\^)([A-Za-z0-9_./-]+)$/.exec(term) ?? [];
  const cell = row[field];
  if (cell === undefined) throw new Error(`an unexpected term: ${term}`);
  if (operator === '==') return String(cell) === value;
  if (operator === '>=') return Number(cell) >= Number(value);
  return String(cell).includes(value);
}

function answerQuery(jobs: readonly FakeJob[], target: string, looks: Looks): Answer {
  const query = new URL(target, 'http://vov').searchParams;
  const fields = (query.get('select') ?? '').split(',');
  const terms = (query.get('where') ?? '').split(' ').filter((term) => term !== '');
  const found = jobs.map((job) => cells(job, looks)).filter((row) => terms.every((term) => holds(row, term)));
  const rows = found.slice(0, Number(query.get('limit'))).map((row) => fields.map((field) => row[field]));
  const columns = fields.map((field, col) => ({ col, field: field.toUpperCase() }));
  return json(200, { errmsg: '', columns, ...(rows.length > 0 && { rows }) });
}

const lostAnswer = (): GatewayError => new GatewayError('GW_OUTCOME_UNKNOWN', 'the answer was lost');

/** Creates one whose jobs begin at `clock`'s time. */
export function createFakeVovserver(clock: Clock): FakeVovserver {
  let nextId = 45_080;
  const server: FakeVovserver = {
    jobs: [],
    reads: [],
    sent: [],
    mishaps: [],
    reading: 'ok',
    copyOf: null,
    showsCommand: (command, logfile) => `vw ${command} > ${logfile}`,
    clockOffset: null,
    drops: [],
    refusesSameLogfile: true,
    onSend: async () => undefined,
    way: (account) => ({
      async send(body, lost) {
        await server.onSend(lost);
        const mishap = server.mishaps.shift() ?? 'none';
        if (mishap === 'not-sent') throw new GatewayError('GW_SATURATED', 'full', { retryAfter: 1 });
        server.sent.push(body);
        if (mishap === 'lost-before') throw lostAnswer();
        if (mishap === 'lost-late') {
          clock.after(5000, () => void make(account, body, 'none'));
          throw lostAnswer();
        }
        if (mishap === 'fails-before') return json(500, { error: 'failed' });
        if (mishap === 'page') return { ...json(200, {}), body: Buffer.from('<html>Welcome</html>') };
        if (mishap === 'refused') return json(400, { error: 'bad request' });
        return make(account, body, mishap);
      },
      async read(target) {
        server.reads.push(target);
        if (server.reading === 'away') throw new GatewayError('GW_UPSTREAM_DOWN', 'away', { retryAfter: 1 });
        if (server.reading === 'error-text') return json(200, { errmsg: 'no such field', columns: [] });
        if (server.reading === 'nonsense') return { ...json(200, {}), body: Buffer.from('<html>') };
        const { copyOf, clockOffset } = server;
        const seen = server.jobs.filter(({ at }) => copyOf === null || at <= copyOf);
        const answer = answerQuery(seen, target, server);
        if (clockOffset === null) return answer;
        const date = new Date(clock.now() + clockOffset).toUTCString();
        return { ...answer, headers: [...answer.headers, 'Date', date] };
      },
    }),
  };
  const make = (user: string, bytes: Buffer, mishap: Mishap): Answer => {
    const body: Record<string, unknown> = JSON.parse(bytes.toString());
    const same = (job: FakeJob): boolean => job.body.logfile === body.logfile && job.body.rundir === body.rundir;
    if (server.refusesSameLogfile && server.jobs.some(same))
      return json(500, { error: 'logfile is the output of another job' });
    for (const field of server.drops) delete body[field];
    const job = { id: nextId, user, body, at: clock.now() };
    nextId += 3;
    server.jobs.push(job);
    if (mishap === 'lost-after') throw lostAnswer();
    if (mishap === 'fails-after') return json(500, { error: 'failed' });
    if (mishap === 'gateway-error') return json(502, { error: 'bad gateway' });
    if (mishap === 'proxy-timeout') return json(408, { error: 'Request Timeout' });
    if (mishap === 'proxy-page') return { ...json(403, {}), body: Buffer.from('<html>Forbidden</html>') };
    if (mishap === 'yes-in-other-words') return json(200, { submitted: true });
    const answer = json(200, { jobid: job.id });
    return mishap === 'half-answer' ? { ...answer, body: answer.body.subarray(0, 8) } : answer;
  };
  return server;
}
