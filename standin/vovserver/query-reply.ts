import type { Field } from './object-class.ts';
import type { Profile } from './profile.ts';
import { jsonReply, type Reply } from './reply.ts';
import type { Cell } from './selection-evaluate.ts';

export const FORMATS = ['json', 'csv', 'csv-noheader'] as const;
export type Format = (typeof FORMATS)[number];

/** A column of an answer: the field and the way in which the caller wrote it (null behind `*`). */
export interface Column<T> {
  readonly field: Field<T>;
  readonly requested: string | null;
}

/** What a read found. */
export interface Result<T> {
  readonly query: string;
  readonly columns: readonly Column<T>[];
  readonly items: readonly T[];
  readonly isJob: boolean;
  readonly single: boolean;
}

function heading<T>(profile: Profile, result: Result<T>, { field, requested }: Column<T>): string {
  if (profile.columnCase === 'upper') return field.name;
  if (profile.columnCase === 'lower') return field.name.toLowerCase();
  if (profile.columnCase === 'documented' && result.isJob && !result.single) return field.name;
  return requested ?? (result.isJob ? field.name : field.name.toLowerCase());
}

const csvCell = (cell: Cell): string =>
  /[",\r\n]/.test(String(cell)) ? `"${String(cell).replaceAll('"', '""')}"` : String(cell);

function csv(headings: readonly string[] | null, rows: readonly Cell[][]): Reply {
  const lines = headings === null ? rows : [headings, ...rows];
  const body = lines.map((line) => `${line.map(csvCell).join(',')}\r\n`).join('');
  return { status: 200, contentType: 'text/csv', body, rows: rows.length };
}

/** The answer to a read, with the keys of the tutorial's sample (startrow, endrow, query, errmsg, columns, rows). */
export function queryReply<T>(profile: Profile, result: Result<T>, format: Format): Reply {
  const rows = result.items.map((item) => result.columns.map(({ field }) => field.read(item)));
  const headings = result.columns.map((column) => heading(profile, result, column));
  if (format !== 'json') return csv(format === 'csv' ? headings : null, rows);
  const withRows = rows.length > 0 || profile.emptyRows === 'list';
  const value = {
    startrow: rows.length > 0 ? 1 : 0,
    endrow: rows.length,
    query: result.query,
    [profile.errorKey]: '',
    columns: headings.map((field, col) => ({ col, field })),
    ...(withRows ? { rows } : {}),
  };
  return { ...jsonReply(200, value), rows: rows.length };
}

/** The answer to a read that cannot be done: 200 with the text in `errmsg`, or a status and `error`. */
export function queryError(profile: Profile, query: string, text: string, status: 200 | 400): Reply {
  if (status === 400) return jsonReply(400, { error: text });
  return jsonReply(200, { startrow: 0, endrow: 0, query, [profile.errorKey]: text, columns: [] });
}
