import { type Format, MOST_ROWS, type Reader, type RowsPlan, refused } from './visibility-query.ts';
import { invalid, RowScanner } from './visibility-scan.ts';

/** What is left of an answer. */
export interface VisibleAnswer {
  readonly status: number;
  readonly contentType: string;
  readonly body: Buffer;
}

/** Looks at each row of an answer again and keeps those that are the caller's. Every method throws GatewayError. */
export interface RowFilter {
  take(piece: Buffer): void;
  /** Rows of which the gateway's own record must tell whose they are. */
  readonly pending: number;
  /** Bytes of rows that are in memory. */
  readonly held: number;
  /** Their jobs, each once. */
  asked(): readonly string[];
  /** Decides about those: the ones of `mine` stay. */
  decide(mine: ReadonlySet<string>): void;
  /** The answer, once everything was taken and decided. */
  finish(): VisibleAnswer;
}

/** Longest answer that is left: bytes of the caller's own rows. */
export const VISIBLE_BYTES = 16_777_216;

const JOB_ID = /^[0-9]{1,12}$/;
const NAME = /^[\x20-\x7e]{1,256}$/;
const ERROR_KEYS = ['errmsg', 'errormsg', 'error'] as const;
const WITHHELD = 'Its reason is not shown, since it may tell of the jobs of others (jobs.visibility is own);';
/** Of the bare list nothing can be wrong but that this vovserver has none. */
const REFUSED_QUERY = `vovserver refused the query. ${WITHHELD} check the names of the fields, and where.`;
const REFUSED_LIST = `vovserver refused the list. ${WITHHELD} if it has none, ask /api/v3/query?from=jobs.`;

type Cell = string | number | boolean | null;
type Members = Readonly<Record<string, unknown>>;

const fold = (name: string): string => name.toLowerCase().replaceAll('_', '');
const isCell = (cell: unknown): cell is Cell => cell === null || ['string', 'number', 'boolean'].includes(typeof cell);
const utf8 = (latin1: string): string => Buffer.from(latin1, 'latin1').toString('utf8');

function parse(text: string): Members {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Members;
  } catch {
    // Said below.
  }
  throw invalid('it is no JSON object');
}

function readColumns(columns: unknown): string[] {
  if (!Array.isArray(columns)) throw invalid('it has no columns before its rows');
  return columns.map((column: unknown, at) => {
    const { col, field } = (column ?? {}) as { col?: unknown; field?: unknown };
    if (col !== at || typeof field !== 'string' || !NAME.test(field)) {
      throw invalid('its columns are not numbered in order');
    }
    return field;
  });
}

const placesOf = (columns: readonly string[], ...names: string[]): number[] =>
  columns.flatMap((field, at) => (names.includes(fold(field)) ? [at] : []));

function onlyValue(values: readonly (string | null)[]): string | null {
  const [first = null] = values;
  return values.every((value) => value === first) ? first : null;
}

const jobIdOf = (cell: Cell | undefined): string | null => (JOB_ID.test(String(cell)) ? String(Number(cell)) : null);

/** The columns of an answer: which of them tell whose a row is, and which were not asked for by the caller. */
interface Columns {
  readonly names: readonly string[];
  readonly shown: number;
  readonly users: readonly number[];
  readonly ids: readonly number[];
}

function columnsOf(members: Members, strip: readonly string[]): Columns {
  const names = readColumns(members.columns);
  const shown = names.length - strip.length;
  const isThere = strip.every((name, at) => fold(names[shown + at] ?? '') === name);
  if (shown < 1 || !isThere) throw invalid('it lacks the column that tells whose the rows are');
  return { names, shown, users: placesOf(names, 'user'), ids: placesOf(names, 'id', 'idint') };
}

/** Where the commas of a row are that has no lists in it. */
function commasOf(row: string): number[] {
  const commas: number[] = [];
  let inString = false;
  for (let at = 1; at < row.length; at += 1) {
    const char = row[at];
    if (char === '\\') at += 1;
    else if (char === '"') inString = !inString;
    else if (char === ',' && !inString) commas.push(at);
  }
  return commas;
}

/** A row without its last columns, every byte of the others as it came. */
const withoutLast = (row: string, shown: number): string => `${row.slice(0, commasOf(row)[shown - 1])}]`;

function cellsOf(row: string, width: number): Cell[] | null {
  try {
    const cells: unknown = JSON.parse(row);
    return Array.isArray(cells) && cells.length === width && cells.every(isCell) ? cells : null;
  } catch {
    return null;
  }
}

const csvCell = (cell: Cell): string =>
  /[",\r\n]/.test(String(cell)) ? `"${String(cell).replaceAll('"', '""')}"` : String(cell ?? '');

const csvOf = (lines: readonly (readonly Cell[])[]): string =>
  lines.map((line) => `${line.map(csvCell).join(',')}\r\n`).join('');

function writeCsv(columns: readonly string[], rows: readonly string[], format: Format): VisibleAnswer {
  const lines = rows.map((row) => JSON.parse(utf8(row)) as Cell[]);
  const body = Buffer.from(csvOf(format === 'csv' ? [columns, ...lines] : lines));
  return { status: 200, contentType: 'text/csv', body };
}

const json = (status: number, ...parts: Buffer[]): VisibleAnswer => ({
  status,
  contentType: 'application/json',
  body: Buffer.concat(parts),
});

/** A reply as vovserver writes it. Without rows it lacks `rows`, whether there were none or none that may be seen. */
function writeJson(members: Members, columns: readonly string[], rows: readonly string[]): VisibleAnswer {
  const { query } = members;
  const error = ERROR_KEYS.find((name) => typeof members[name] === 'string');
  const value = {
    startrow: rows.length > 0 ? 1 : 0,
    endrow: rows.length,
    ...(typeof query === 'string' ? { query } : {}),
    ...(error === undefined ? {} : { [error]: '' }),
    columns: columns.map((field, col) => ({ col, field })),
  };
  const text = JSON.stringify(value);
  if (rows.length === 0) return json(200, Buffer.from(text));
  return json(200, Buffer.from(`${text.slice(0, -1)},"rows":[`), Buffer.from(`${rows.join(',')}]}`, 'latin1'));
}

const errorKeyOf = (members: Members): string | undefined =>
  ERROR_KEYS.find((name) => typeof members[name] === 'string' && members[name] !== '');

const NOTHING = JSON.stringify({ startrow: 0, endrow: 0, errmsg: '', columns: [] });

/** Keeps to one answer: its columns, and which of its rows may stay. */
class OwnRows implements RowFilter {
  readonly #plan: RowsPlan;
  readonly #shared: boolean;
  /** The name as the bytes of an answer have it. */
  readonly #account: string;
  readonly #scanner: RowScanner;
  #columns: Columns | null = null;
  #count = 0;
  #bytes = 0;
  readonly #rows: string[] = [];
  #asked: { readonly jobId: string; readonly row: string }[] = [];
  #askedBytes = 0;

  constructor(plan: RowsPlan, { name, shared }: Reader) {
    this.#plan = plan;
    this.#shared = shared;
    this.#account = Buffer.from(name).toString('latin1');
    this.#scanner = new RowScanner({ begin: (head) => this.#begin(head), row: (row) => this.#look(row) });
  }

  take(piece: Buffer): void {
    this.#scanner.feed(piece);
  }

  get pending(): number {
    return this.#asked.length;
  }

  get held(): number {
    return this.#bytes + this.#askedBytes;
  }

  asked(): string[] {
    return [...new Set(this.#asked.map(({ jobId }) => jobId))];
  }

  decide(mine: ReadonlySet<string>): void {
    const asked = this.#asked;
    this.#asked = [];
    this.#askedBytes = 0;
    for (const { jobId, row } of asked) if (mine.has(jobId)) this.#keep(row);
  }

  finish(): VisibleAnswer {
    const { strip, format, isSet } = this.#plan;
    const members = parse(utf8(this.#scanner.end()));
    const { rows = [] } = members;
    if (!Array.isArray(rows) || rows.length > 0) throw invalid('its rows are not where they belong');
    const isError = errorKeyOf(members) !== undefined;
    if (isSet && (isError || this.#rows.length === 0)) return nothing(format);
    if (isError) return refusal(members);
    const { columns = [] } = members;
    if (this.#columns === null && Array.isArray(columns) && columns.length === 0) return writeJson(members, [], []);
    const { names, shown } = columnsOf(members, strip);
    if (this.#columns !== null && this.#columns.names.join('\0') !== names.join('\0'))
      throw invalid('it has columns twice');
    const kept = names.slice(0, shown);
    return format === 'json' ? writeJson(members, kept, this.#rows) : writeCsv(kept, this.#rows, format);
  }

  #begin(head: string): void {
    const members = parse(utf8(`${head}]}`));
    const { columns } = members;
    // An empty list of columns goes with an empty list of rows.
    if (Array.isArray(columns) && columns.length === 0) return;
    this.#columns = columnsOf(members, this.#plan.strip);
  }

  #look(row: string): void {
    this.#count += 1;
    if (this.#count > MOST_ROWS) throw refused(`The answer has more than ${MOST_ROWS} rows; narrow it with where`);
    const columns = this.#columns;
    if (columns === null || columns.users.length === 0) throw invalid('it does not tell whose the rows are');
    const cells = cellsOf(row, columns.names.length);
    if (cells === null) {
      // On a shared account it may be the row of somebody else, whose job must not spoil the answers of others.
      if (this.#shared) return;
      throw invalid('a row does not fit its columns');
    }
    const user = onlyValue(columns.users.map((at) => (typeof cells[at] === 'string' ? cells[at] : null)));
    if (user !== this.#account) return;
    const shown = this.#plan.strip.length === 0 ? row : withoutLast(row, columns.shown);
    if (!this.#shared) {
      this.#keep(shown);
      return;
    }
    const jobId = onlyValue(columns.ids.map((at) => jobIdOf(cells[at])));
    if (jobId === null) return;
    this.#asked.push({ jobId, row: shown });
    this.#askedBytes += shown.length;
  }

  #keep(row: string): void {
    const { limit } = this.#plan;
    if (limit !== null && this.#rows.length >= limit) return;
    this.#bytes += row.length;
    if (this.#bytes > VISIBLE_BYTES) {
      throw refused(`Your own rows exceed ${VISIBLE_BYTES} bytes; narrow the answer with select, where or limit`);
    }
    this.#rows.push(row);
  }
}

/** What everybody gets who has nothing in a set, or whose set does not exist. */
const nothing = (format: Format): VisibleAnswer =>
  format === 'json' ? json(200, Buffer.from(NOTHING)) : { status: 200, contentType: 'text/csv', body: Buffer.alloc(0) };

function refusal(members: Members): VisibleAnswer {
  const key = errorKeyOf(members) ?? 'errmsg';
  return json(200, Buffer.from(JSON.stringify({ startrow: 0, endrow: 0, [key]: WITHHELD, columns: [] })));
}

/** Makes the filter of a good answer to a plan. */
export function createRowFilter(plan: RowsPlan, reader: Reader): RowFilter {
  return new OwnRows(plan, reader);
}

/** What is told of an answer of vovserver that is no success: its status, and for a set nothing. */
export function withheld(status: number, { isSet, format, target }: RowsPlan): VisibleAnswer {
  if (isSet && status < 500) return nothing(format);
  const error = target === '/api/v3/jobs' ? REFUSED_LIST : REFUSED_QUERY;
  return json(status, Buffer.from(JSON.stringify({ error })));
}
