import { GatewayError } from '../kernel/index.ts';

/** The vovserver account that reads, and whether several identities use it. */
export interface Reader {
  readonly name: string;
  readonly shared: boolean;
}

/** A query that vovserver answers with rows of this account only, as far as it keeps to it: every row is looked at again. */
export interface RewrittenQuery {
  /** Path and query to send. */
  readonly target: string;
  /** Names of the columns that were added at the end and that the caller did not ask for. */
  readonly strip: readonly string[];
  /** Rows that the caller wants at most; null: vovserver was told. */
  readonly limit: number | null;
}

/** Longest answer that is looked through: rows. */
export const MOST_ROWS = 50_000;

const NAMES = ['select', 'from', 'where', 'order', 'limit', 'format'] as const;
type Name = (typeof NAMES)[number];
type Parts = Readonly<Partial<Record<Name, string>>>;

/** Objects that hold nothing of jobs. Whatever else `from` may name is asked and looked through as jobs. */
const WITHOUT_JOBS: ReadonlySet<string> = new Set(['1', 'project', 'objects']);

const SOURCE = /^[A-Za-z0-9_.:/@-]{1,256}$/;
const FIELD = /^[A-Za-z_][A-Za-z0-9_.]{0,127}$/;
const ORDER = /^[A-Za-z_][A-Za-z0-9_.]{0,127}(?: +(?:asc|desc))?$/i;
const LIMIT = /^[0-9]{1,9}$/;
const CONTROL = /\p{C}/u;
const QUOTED = /(^|[\s=<>~^:,(&|!])"[^"]*"(?=[\s,)&|]|$)/g;
const WORD = /^[A-Za-z0-9_]+$/;

/** A read that cannot be filtered. */
export const refused = (detail: string): GatewayError =>
  new GatewayError('GW_BAD_REQUEST', `${detail} (jobs.visibility is own: only reads that can be filtered are served)`);

function decoded(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    throw refused('The query holds an escape that is no UTF-8');
  }
}

const isName = (name: string): name is Name => NAMES.some((one) => one === name);

/** Parameters of a query, each known and there once, decoded. Throws GW_BAD_REQUEST. */
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

const listOf = (text: string): string[] => text.split(',').map((item) => item.trim());

function checkSelect(select: string): string[] {
  const items = listOf(select);
  if (items.every((item) => item === '*' || FIELD.test(item))) return items;
  throw refused('select must be * or names of fields with commas between them');
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

const fold = (name: string): string => name.toLowerCase().replaceAll('_', '');

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
  if (parts.format !== undefined && parts.format !== 'json') throw refused('format must be json');
  if (parts.limit !== undefined && !LIMIT.test(parts.limit)) throw refused('limit must be a number');
  if (parts.order !== undefined && !listOf(parts.order).every((item) => ORDER.test(item))) {
    throw refused('order must be names of fields with ASC or DESC');
  }
  checkWhere(parts.where ?? '');
}

/**
 * Rewrites the query string of `/api/v3/query` so that the answer tells whose each row is and holds no rows of others:
 * without the latter, `limit` and `order` would tell what was left out. On a shared account the limit is kept here, since
 * vovserver cannot tell the callers apart. Null for a read of something else than jobs. Throws GW_BAD_REQUEST for whatever
 * two programs could read differently.
 */
export function rewriteQuery(query: string, reader: Reader): RewrittenQuery | null {
  const parts = readParts(query);
  const { from, select = '*', where = '', limit } = parts;
  if (from === undefined || !SOURCE.test(from)) throw refused('from must name a set or an object');
  const items = checkSelect(select);
  checkParts(parts);
  if (WITHOUT_JOBS.has(from)) return null;
  const strip = added(items, reader);
  const more: Parts = {
    select: [...items, ...strip].join(','),
    where: where.trim() === '' ? ownRows(reader) : `${ownRows(reader)}&(${where})`,
    ...(reader.shared ? { limit: String(MOST_ROWS + 1) } : {}),
  };
  return {
    target: `/api/v3/query?${written({ ...parts, ...more })}`,
    strip,
    limit: reader.shared && limit !== undefined ? Number(limit) : null,
  };
}

/** The query of a read of something else than jobs, spelled in the one way that every program reads alike. */
export const plainQuery = (query: string): string => `/api/v3/query?${written(readParts(query))}`;
