import { readMembers } from './job-text.ts';
import type { Answer } from './ports.ts';

/** One row of a reply by the names that were asked for; every cell as text. */
export type Row<F extends string> = Readonly<Record<F, string>>;

/** Names of fields are the same whatever their case and their underscores (Node Fields). */
const folded = (name: string): string => name.replaceAll('_', '').toLowerCase();

function columnsOf(value: unknown): Map<string, number> | null {
  if (!Array.isArray(value)) return null;
  const columns = new Map<string, number>();
  for (const [at, column] of value.entries()) {
    const { col = at, field } = (column ?? {}) as { col?: unknown; field?: unknown };
    if (typeof field !== 'string' || typeof col !== 'number') return null;
    columns.set(folded(field), col);
  }
  return columns;
}

/**
 * The rows of a reply of vovserver, empty when it found none; null when it is not a good answer to what was asked: another
 * status, an error text in it, or another shape.
 */
export function readRows<F extends string>(answer: Answer, fields: readonly F[]): Row<F>[] | null {
  const members = answer.status >= 200 && answer.status < 300 ? readMembers(answer.body) : null;
  if (members === null || (members.errmsg ?? '') !== '' || (members.errormsg ?? '') !== '') return null;
  const columns = columnsOf(members.columns);
  const { rows = [] } = members;
  const places = fields.map((field) => [field, columns?.get(folded(field))] as const);
  if (!Array.isArray(rows) || places.some(([, place]) => place === undefined)) return null;
  const read = rows.map((cells: unknown) => {
    if (!Array.isArray(cells)) return null;
    const row = places.map(([field, place]) => [field, cells[place ?? -1]] as const);
    if (row.some(([, cell]) => typeof cell !== 'string' && typeof cell !== 'number')) return null;
    return Object.fromEntries(row.map(([field, cell]) => [field, String(cell)])) as Row<F>;
  });
  return read.includes(null) ? null : read.filter((row) => row !== null);
}
