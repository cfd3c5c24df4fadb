import { GatewayError } from '../kernel/index.ts';

/** The vovserver account that reads, and whether several identities use it. */
export interface Reader {
  readonly name: string;
  readonly shared: boolean;
}

/** The form of an answer that the caller asked for. */
export type Format = 'json' | 'csv' | 'csv-noheader';

/** A query that vovserver answers with rows of this account only, as far as it keeps to it: every row is looked at again. */
export interface RowsPlan {
  /** Path and query to send. */
  readonly target: string;
  /** Names of the columns that were added at the end and that the caller did not ask for. */
  readonly strip: readonly string[];
  /** Rows that the caller wants at most; null: vovserver was told. */
  readonly limit: number | null;
  readonly format: Format;
  /** The query is about this job only, whose owner must be looked at first; null: about many. */
  readonly jobId: string | null;
  /** A named set: that it exists is told to nobody who has nothing in it. */
  readonly isSet: boolean;
}

/** What a query is once it was read. */
export type QueryPlan =
  /** `number`: what it names by this number must be no job of somebody else. */
  | { readonly kind: 'plain'; readonly target: string; readonly number?: string }
  | ({ readonly kind: 'rows' } & RowsPlan);

/** Longest answer that is looked through: rows. */
export const MOST_ROWS = 50_000;

const NAMES = ['select', 'from', 'where', 'order', 'limit', 'format'] as const;
type Name = (typeof NAMES)[number];
type Parts = Readonly<Partial<Record<Name, string>>>;

const FORMATS: readonly Format[] = ['json', 'csv', 'csv-noheader'];

/** Objects that hold nothing of jobs, beside those that the administrator names. */
export const WITHOUT_JOBS: readonly string[] = ['project', 'objects'];

const SOURCE = /^[A-Za-z0-9_.:/@-]{1,256}$/;
const JOB_ID = /^[0-9]{1,12}$/;
const FIELD = /^[A-Za-z_][A-Za-z0-9_]{0,127}$/;
const ORDER = /^[A-Za-z_][A-Za-z0-9_]{0,127}(?: +(?:asc|desc))?$/i;
const LIMIT = /^[0-9]{1,9}$/;
const CONTROL = /\p{C}/u;
const QUOTED = /(^|[\s=<>~^:,(&|!])"[^"]*"(?=[\s,)&|]|$)/g;
const WORD = /^[A-Za-z0-9_]+$/;

/** A read that cannot be filtered. `detail` says what about it. */
export const refused = (detail: string): GatewayError =>
  new GatewayError(
    'GW_NOT_FILTERABLE',
    `${detail} (jobs.visibility is own: only reads that can be filtered are served)`,
  );

function decoded(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    throw refused('The query holds an escape that is no UTF-8');
  }
}

const isName = (name: string): name is Name => NAMES.some((one) => one === name);

/** Parameters of a query, each known and there once, decoded. Throws GW_NOT_FILTERABLE. */
export function readParts(query: string, known: readonly Name[] = NAMES): Parts {
  const parts: Partial<Record<Name, string>> = {};
  if (query === '') return parts;
  for (const pair of query.split('&')) {
    const at = pair.indexOf('=');
    const name = decoded(at < 0 ? pair : pair.slice(0, at));
    if (at < 0 || !isName(name) || !known.includes(name)) {
      throw refused(`The query may hold ${known.join(', ')} only, each with a value`);
    }
    if (parts[name] !== undefined) throw refused(`The query holds ${name} twice`);
    parts[name] = decoded(pair.slice(at + 1));
  }
  return parts;
}

/** The form that `format` names. Throws GW_NOT_FILTERABLE. */
export function readFormat(format = 'json'): Format {
  const found = FORMATS.find((one) => one === format);
  if (found === undefined) throw refused(`format must be ${FORMATS.join(', ')}`);
  return found;
}

const listOf = (text: string): string[] => text.split(',').map((item) => item.trim());
const fold = (name: string): string => name.toLowerCase().replaceAll('_', '');

function checkSelect(select: string): string[] {
  const items = listOf(select);
  if (!items.every((item) => item === '*' || FIELD.test(item))) {
    throw refused('select must be * or names of fields with commas between them');
  }
  // The same field many times makes an answer large at will.
  if (new Set(items.map(fold)).size !== items.length) throw refused('select names a field twice');
  return items;
}

/** A selection rule that can stand in brackets: it cannot close them, and nothing in it can be read as a quote but "…". */
function checkWhere(where: string): void {
  if (CONTROL.test(where) || where.includes('\\'))
    throw refused('where may hold no backslash and no control character');
  const bare = where.replace(QUOTED, '$1x');
  if (/["'`{}[\]$;#]/.test(bare)) {
    throw refused('where holds a special character outside of a value in double quotes, or a quote that is not closed');
  }
  let depth = 0;
  for (const char of bare) {
    depth += char === '(' ? 1 : char === ')' ? -1 : 0;
    if (depth < 0) break;
  }
  if (depth !== 0) throw refused('where holds a bracket without its other half');
}

function added(items: readonly string[], { shared }: Reader): string[] {
  if (items.includes('*')) return [];
  const folded = items.map(fold);
  const lacking = (...names: string[]): boolean => !names.some((name) => folded.includes(name));
  return [...(lacking('user') ? ['user'] : []), ...(shared && lacking('id', 'idint') ? ['id'] : [])];
}

const ownRows = ({ name }: Reader): string => `user==${WORD.test(name) ? name : `"${name}"`}`;

const written = (parts: Parts): string =>
  NAMES.flatMap((name) => (parts[name] === undefined ? [] : [`${name}=${encodeURIComponent(parts[name])}`])).join('&');

function checkParts(parts: Parts): void {
  if (parts.limit !== undefined && !LIMIT.test(parts.limit)) throw refused('limit must be a number');
  if (parts.order !== undefined && !listOf(parts.order).every((item) => ORDER.test(item))) {
    throw refused('order must be names of fields with ASC or DESC');
  }
  checkWhere(parts.where ?? '');
}

/** The source as it goes to vovserver. Throws for the set of another user, which holds nothing that may be seen. */
function readSource(
  from: string | undefined,
  { name }: Reader,
): { from: string; jobId: string | null; isSet: boolean } {
  if (from === undefined || !SOURCE.test(from)) throw refused('from must name a set or an object');
  if (JOB_ID.test(from)) return { from: String(Number(from)), jobId: String(Number(from)), isSet: false };
  const user = /^System:User:(.*)$/i.exec(from)?.[1];
  if (user !== undefined && user !== name) {
    throw refused(`from=${from} holds jobs of another account; ask for jobs or System:User:${name}`);
  }
  return { from, jobId: null, isSet: from !== 'jobs' && from !== 'System:jobs' && user === undefined };
}

/**
 * Plans the query string of `/api/v3/query`: rewritten so that the answer tells whose each row is and holds no rows of other
 * accounts, since `limit` and `order` would tell what was left out. On a shared account the limit is kept here, because
 * vovserver cannot tell the callers apart. `open` are further objects that hold nothing of jobs. Always asks for JSON. Throws
 * GW_NOT_FILTERABLE for whatever two programs could read differently.
 */
export function planQuery(query: string, reader: Reader, open: readonly string[]): QueryPlan {
  const parts = readParts(query);
  const source = readSource(parts.from, reader);
  const format = readFormat(parts.format);
  const items = checkSelect(parts.select ?? '*');
  checkParts(parts);
  if (source.jobId === '1' || WITHOUT_JOBS.includes(source.from) || open.includes(source.from)) {
    return { kind: 'plain', target: `/api/v3/query?${written({ ...parts, from: source.from })}` };
  }
  const { where = '', limit } = parts;
  const strip = added(items, reader);
  const more: Parts = {
    select: [...items, ...strip].join(','),
    from: source.from,
    where: where.trim() === '' ? ownRows(reader) : `${ownRows(reader)}&(${where})`,
    ...(reader.shared ? { limit: String(MOST_ROWS + 1) } : {}),
    ...(format === 'json' ? {} : { format: 'json' }),
  };
  return {
    kind: 'rows',
    target: `/api/v3/query?${written({ ...parts, ...more })}`,
    strip,
    limit: reader.shared && limit !== undefined ? Number(limit) : null,
    format,
    jobId: source.jobId,
    isSet: source.isSet,
  };
}
