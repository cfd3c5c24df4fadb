import { count } from '../pollers.ts';
import type { Fate } from './client.ts';
import type { WitnessedJob } from './site.ts';

/** What the jobs of vovserver say of what the clients were told. */
export interface Judgement {
  /** Jobs beyond one of the same submission. */
  readonly duplicates: readonly string[];
  /** Submissions that were told a job which is not there, or is another's. */
  readonly lost: readonly string[];
  /** Submissions that were told two jobs. */
  readonly torn: readonly string[];
  /** Submissions that were told that nothing was executed, and have a job. */
  readonly denied: readonly string[];
  /** Submissions whose outcome nobody knows. */
  readonly open: readonly string[];
  readonly jobs: number;
}

const nameOf = ({ logfile }: WitnessedJob): string => logfile.replace('JOBLOG.', '');

/** Holds what clients were told against the jobs that there are. */
export function judge(fates: readonly Fate[], jobs: readonly WitnessedJob[]): Judgement {
  const byName = new Map<string, WitnessedJob[]>();
  for (const job of jobs) byName.set(nameOf(job), [...(byName.get(nameOf(job)) ?? []), job]);
  const own = ({ name }: Fate): WitnessedJob[] => byName.get(name) ?? [];
  const which = (holds: (fate: Fate) => boolean): string[] => fates.filter(holds).map(({ name }) => name);
  return {
    duplicates: fates.flatMap((fate) => own(fate).slice(1)).map(nameOf),
    lost: which((fate) => fate.end === 'job' && !own(fate).some(({ id }) => fate.jobIds.includes(id))),
    torn: which(({ jobIds }) => jobIds.length > 1),
    denied: which((fate) => fate.end === 'refused' && own(fate).length > 0),
    open: which(({ end }) => end === 'open'),
    jobs: fates.reduce((sum, fate) => sum + own(fate).length, 0),
  };
}

/** How often each answer was met. */
export function answersOf(fates: readonly Fate[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const what of fates.flatMap(({ seen }) => seen)) count(counts, what);
  return counts;
}

/** Later fates in the place of earlier ones of the same submission. */
export function merged(earlier: readonly Fate[], later: readonly Fate[]): Fate[] {
  const again = new Map(later.map((fate) => [fate.name, fate]));
  return earlier.map((fate) => {
    const next = again.get(fate.name);
    return next === undefined ? fate : { ...next, seen: [...fate.seen, ...next.seen] };
  });
}

/** The first few of a list, for a table. */
export const few = (names: readonly string[]): string =>
  names.length === 0 ? '0' : `${names.length} (${names.slice(0, 3).join(', ')}${names.length > 3 ? ', …' : ''})`;
