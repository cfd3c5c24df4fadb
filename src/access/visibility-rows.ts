import { GatewayError } from '../kernel/index.ts';
import { MOST_ROWS } from './visibility-query.ts';

/** What is known of a row: both as vovserver tells them, the id without leading zeros; null: no column has it. */
export interface JobRow {
  readonly jobId: string | null;
  readonly user: string;
}

/** Whether a row is the caller's; `ask`: the gateway's own record must tell. */
export type IsOwn = (row: JobRow) => boolean | 'ask';

export type Cells = readonly (string | number | boolean | null)[];

/** A reply to a query in its parts. */
export interface Reply {
  readonly texts: Readonly<Record<string, string>>;
  readonly columns: readonly string[];
  readonly rows: readonly Cells[];
}

/** Members of a reply that tell nothing of rows. */
const TEXTS = ['query', 'errmsg', 'errormsg', 'error'] as const;
const JOB_ID = /^[0-9]{1,12}$/;

const invalid = (what: string): GatewayError =>
  new GatewayError('GW_UPSTREAM_INVALID', `The answer of vovserver cannot be filtered: ${what}.`);

const fold = (name: string): string => name.toLowerCase().replaceAll('_', '');

const isCell = (cell: unknown): boolean => cell === null || ['string', 'number', 'boolean'].includes(typeof cell);

function readColumns(columns: unknown): string[] {
  if (!Array.isArray(columns)) throw invalid('it has no columns');
  return columns.map((column: unknown, at) => {
    const { col, field } = (column ?? {}) as { col?: unknown; field?: unknown };
    if (col !== at || typeof field !== 'string') throw invalid('its columns are not numbered in order');
    return field;
  });
}

function readRows(rows: unknown, width: number): Cells[] {
  if (!Array.isArray(rows)) throw invalid('its rows are no list');
  if (rows.length > MOST_ROWS) throw invalid(`it has more than ${MOST_ROWS} rows; narrow the query with where`);
  for (const row of rows as unknown[]) {
    if (!Array.isArray(row) || row.length !== width || !row.every(isCell))
      throw invalid('a row does not fit its columns');
  }
  return rows as Cells[];
}

function parse(body: Buffer): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body));
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  } catch {
    // Said below.
  }
  throw invalid('it is no JSON object');
}

/** Reads a reply; one with an error text may lack columns. Throws GW_UPSTREAM_INVALID. */
export function readReply(body: Buffer): Reply {
  const members = parse(body);
  const texts = Object.fromEntries(
    TEXTS.flatMap((name) => (typeof members[name] === 'string' ? [[name, members[name]]] : [])),
  ) as Record<string, string>;
  if (members.columns === undefined && members.rows === undefined) return { texts, columns: [], rows: [] };
  const columns = readColumns(members.columns);
  return { texts, columns, rows: readRows(members.rows ?? [], columns.length) };
}

const placesOf = (columns: readonly string[], ...names: string[]): number[] =>
  columns.flatMap((field, at) => (names.includes(fold(field)) ? [at] : []));

function onlyValue(values: readonly (string | null)[]): string | null {
  const [first = null] = values;
  return values.every((value) => value === first) ? first : null;
}

const jobIdOf = (cell: Cells[number] | undefined): string | null =>
  JOB_ID.test(String(cell)) ? String(Number(cell)) : null;

/** Tells of each row whose it is; null for one that does not say so in one way. Throws GW_UPSTREAM_INVALID. */
export function rowReader({ columns, rows }: Reply): (cells: Cells) => JobRow | null {
  const users = placesOf(columns, 'user');
  const owners = users.length > 0 ? users : placesOf(columns, 'owner');
  const ids = placesOf(columns, 'id', 'idint');
  if (owners.length === 0 && rows.length > 0) throw invalid('it does not tell whose the rows are');
  return (cells) => {
    const user = onlyValue(owners.map((at) => (typeof cells[at] === 'string' ? cells[at] : null)));
    return user === null || user === '' ? null : { user, jobId: onlyValue(ids.map((at) => jobIdOf(cells[at]))) };
  };
}

/** Takes the added columns off again. Throws GW_UPSTREAM_INVALID when they are not where they were put. */
export function withoutColumns(reply: Reply, strip: readonly string[]): Reply {
  const end = reply.columns.length - strip.length;
  if (reply.columns.length === 0 || strip.length === 0) return reply;
  const isThere = strip.every((name, at) => fold(reply.columns[end + at] ?? '') === name);
  if (end < 1 || !isThere) throw invalid('it lacks the column that tells whose the rows are');
  return { ...reply, columns: reply.columns.slice(0, end), rows: reply.rows.map((cells) => cells.slice(0, end)) };
}

/** A reply as vovserver writes it. Without rows it lacks `rows`, whether there were none or none that may be seen. */
export function writeReply({ texts, columns, rows }: Reply): Buffer {
  const { query, ...errors } = texts;
  const value = {
    startrow: rows.length > 0 ? 1 : 0,
    endrow: rows.length,
    ...(query === undefined ? {} : { query }),
    ...errors,
    columns: columns.map((field, col) => ({ col, field })),
    ...(rows.length > 0 ? { rows } : {}),
  };
  return Buffer.from(JSON.stringify(value));
}
