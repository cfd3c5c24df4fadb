import type { Answer } from './ports.ts';
import { readRows } from './query-rows.ts';

/** What the answer to a read of one job says of its state, in the scheduler's words; null when it does not. */
export function seenStatus(answer: Answer): string | null {
  for (const field of ['statusnc', 'status'] as const) {
    const rows = readRows(answer, [field]);
    if (rows !== null) return rows[0]?.[field] ?? null;
  }
  return null;
}
