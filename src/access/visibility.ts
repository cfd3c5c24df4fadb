import type { Config } from '../config/index.ts';
import { GatewayError } from '../kernel/index.ts';
import { isApiPath, segmentsOf } from './route-table.ts';
import type { CheckedTarget } from './target.ts';
import { plainQuery, type Reader, type RewrittenQuery, readParts, refused, rewriteQuery } from './visibility-query.ts';
import { type IsOwn, type Reply, readReply, rowReader, withoutColumns, writeReply } from './visibility-rows.ts';

/** How a read is kept to the caller's own jobs. */
export type ReadPlan =
  /** It shows nothing of jobs, or everybody sees everything. Send this target. */
  | { readonly kind: 'pass'; readonly target: string | null }
  /** Read of one job: check its owner first (`Ownership` of the room jobs), then send the call as it came. */
  | { readonly kind: 'owner'; readonly jobId: string }
  /** Ask this target for a whole answer of at most VISIBLE_BYTES, without the caller's Accept-Encoding and Range, and filter it. */
  | ({ readonly kind: 'rows' } & RewrittenQuery);

/** An answer of vovserver: name, value, … of its headers. */
export interface SeenAnswer {
  readonly status: number;
  readonly headers: readonly string[];
  readonly body: Buffer;
}

/** What is left of an answer, or the jobs of which the gateway's own record must first tell whose they are. */
export type Filtered =
  | { readonly kind: 'answer'; readonly answer: SeenAnswer }
  | { readonly kind: 'ask'; readonly jobIds: readonly string[] };

/** Keeps reads to the caller's own jobs (`jobs.visibility`). */
export interface Visibility {
  /** Decides a read. Throws GW_BAD_REQUEST for one that cannot be filtered; what is no GET or HEAD passes. */
  plan(method: string, target: CheckedTarget, reader: Reader): ReadPlan;
  /**
   * Leaves out of the answer to a plan of kind `rows` every row that is not the caller's. Asked again after `ask`, a row that
   * is still asked for is not the caller's. Throws GW_UPSTREAM_INVALID for an answer that cannot be filtered.
   */
  filter(answer: SeenAnswer, plan: RewrittenQuery, isOwn: IsOwn, asked?: boolean): Filtered;
}

/** Longest answer that is filtered; `ask` refuses a longer one. */
export const VISIBLE_BYTES = 8_388_608;

/** Jobs of one answer that the gateway's own record is asked for. */
const MOST_ASKED = 5000;

const FIELD = /^(?:\*|[A-Za-z_][A-Za-z0-9_]{0,127})$/;
/** They speak of the whole answer, also of what is left out. */
const OF_THE_WHOLE =
  /^(?:etag|last-modified|digest|content-digest|repr-digest|content-md5|accept-ranges|content-range|content-length)$/i;

function planQuery(query: string, reader: Reader): ReadPlan {
  const rewritten = rewriteQuery(query, reader);
  return rewritten === null ? { kind: 'pass', target: plainQuery(query) } : { kind: 'rows', ...rewritten };
}

function planObject([object, id = '', field = '*', ...rest]: readonly string[], query: string): ReadPlan {
  readParts(query, ['format']);
  const isField = FIELD.test(field) && rest.length === 0;
  if (object === 'jobs' && /^[0-9]{1,12}$/.test(id) && isField) return { kind: 'owner', jobId: String(Number(id)) };
  if ((object === 'project' || object === 'projects') && id === '1' && isField) return { kind: 'pass', target: null };
  throw refused('Only /api/v3/query, /api/v3/jobs/{id} and /api/v3/project/1 can be read');
}

function planOwn(method: string, { path, query }: CheckedTarget, reader: Reader): ReadPlan {
  if (!isApiPath(path) || (method !== 'GET' && method !== 'HEAD')) return { kind: 'pass', target: null };
  const segments = segmentsOf(path);
  const isList = segments.length === 1 && (segments[0] === 'query' || segments[0] === 'jobs');
  if (!isList) return planObject(segments, query);
  // Its Content-Length would tell of what is left out.
  if (method === 'HEAD') throw refused('A list can be read with GET only');
  if (segments[0] === 'query') return planQuery(query, reader);
  readParts(query, []);
  return { kind: 'rows', target: '/api/v3/jobs', strip: [], limit: null };
}

const hasEncoding = (headers: readonly string[]): boolean =>
  headers.some(
    (name, at) =>
      at % 2 === 0 && name.toLowerCase() === 'content-encoding' && headers[at + 1]?.toLowerCase() !== 'identity',
  );

const keptHeaders = (headers: readonly string[]): string[] =>
  headers.filter((_, at) => !OF_THE_WHOLE.test(headers[at - (at % 2)] ?? ''));

/** Splits the rows: those that are the caller's, and the jobs that must be asked for. */
function ownRows(reply: Reply, isOwn: IsOwn): { rows: Reply['rows']; ask: ReadonlySet<string> } {
  const read = rowReader(reply);
  const ask = new Set<string>();
  const rows = reply.rows.filter((cells) => {
    const row = read(cells);
    const own = row === null ? false : isOwn(row);
    if (own === 'ask' && row !== null && row.jobId !== null) ask.add(row.jobId);
    return own === true;
  });
  return { rows, ask };
}

function filter(answer: SeenAnswer, { strip, limit }: RewrittenQuery, isOwn: IsOwn, asked = false): Filtered {
  if (answer.status >= 300) return { kind: 'answer', answer };
  if (hasEncoding(answer.headers)) {
    throw new GatewayError('GW_UPSTREAM_INVALID', 'The answer of vovserver cannot be filtered: it is compressed.');
  }
  const reply = readReply(answer.body);
  const { rows, ask } = ownRows(reply, isOwn);
  if (ask.size > MOST_ASKED) {
    throw new GatewayError('GW_UPSTREAM_INVALID', `The answer has more than ${MOST_ASKED} jobs; narrow the query.`);
  }
  if (ask.size > 0 && !asked) return { kind: 'ask', jobIds: [...ask] };
  const seen = withoutColumns({ ...reply, rows: limit === null ? rows : rows.slice(0, limit) }, strip);
  return { kind: 'answer', answer: { ...answer, headers: keptHeaders(answer.headers), body: writeReply(seen) } };
}

/** Makes the filter of reads; with `visibility: server` every read passes. Pure. */
export function createVisibility({ visibility }: Pick<Config['jobs'], 'visibility'>): Visibility {
  return { plan: visibility === 'own' ? planOwn : () => ({ kind: 'pass', target: null }), filter };
}

/**
 * Whose rows they are by vovserver's USER and, on a shared account, by the gateway's own record: `mine` says whether the
 * caller submitted a job, undefined while that is not known.
 */
export function ownRowsOf(reader: Reader, mine: (jobId: string) => boolean | undefined): IsOwn {
  return ({ user, jobId }) => {
    if (user !== reader.name) return false;
    if (!reader.shared) return true;
    return jobId === null ? false : (mine(jobId) ?? 'ask');
  };
}
