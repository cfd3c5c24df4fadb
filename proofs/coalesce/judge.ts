import { counted } from '../pollers.ts';
import type { Met, Reply } from './poller.ts';
import type { Reached, Shown } from './scene.ts';
import type { Version } from './version.ts';

/** Answers 200 of a group. */
export const good = ({ answers }: Met): number => answers['200'] ?? 0;

/** Answers of a group that were not 200, as text; `0` when there are none. */
export function failed({ answers }: Met): string {
  const others = Object.entries(answers).filter(([what]) => what !== '200');
  return counted(new Map(others));
}

/** Reads of a target that reached the stand-in, of one account or of all. */
export const readsOf = ({ reached }: Pick<Shown, 'reached'>, target: string, account?: string): Reached[] =>
  reached.filter(
    (one) => one.method === 'GET' && one.target === target && (account === undefined || one.account === account),
  );

/**
 * Replies with a version that was over, by its successor's answered change, before their request was sent, less the age that
 * they say themselves; and by how much at most, milliseconds.
 */
export function older(replies: readonly Reply[], versions: readonly Version[]): { count: number; worstMs: number } {
  let [count, worstMs] = [0, 0];
  for (const [sent, , version, age] of replies) {
    const overAt = versions[version + 1]?.done ?? Number.POSITIVE_INFINITY;
    const late = sent - Math.max(0, age) * 1000 - overAt;
    // A version that does not exist is no answer of vovserver.
    if (!(late > 0) && version >= 0 && version <= versions.length) continue;
    count += 1;
    worstMs = Math.max(worstMs, late);
  }
  return { count, worstMs };
}

/**
 * Replies older than the call that ran when their request was sent: their version was over when this call came to the
 * stand-in. By the ledger, whose times are whole milliseconds: what is within one of them is not counted.
 */
export function olderByTwo(met: Met, reads: readonly Reached[], versions: readonly Version[]): number {
  const running = (sentAt: number): number => {
    let [low, high] = [0, reads.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((reads[middle]?.at ?? 0) < sentAt) low = middle + 1;
      else high = middle;
    }
    return reads[low - 1]?.at ?? Number.NEGATIVE_INFINITY;
  };
  return met.replies.filter(([, sentAt, told]) => {
    const overAt = versions[told + 1]?.doneAt ?? Number.POSITIVE_INFINITY;
    return overAt + 1 < running(sentAt);
  }).length;
}
