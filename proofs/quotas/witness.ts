import type { WitnessedJob } from './site.ts';

/** Jobs of these people whose log file begins so. */
export const jobsOf = (
  jobs: readonly WitnessedJob[],
  people: readonly string[],
  prefix: string,
): readonly WitnessedJob[] => jobs.filter(({ user, logfile }) => people.includes(user) && logfile.startsWith(prefix));

/** The most that were submitted in any `ms`. */
export function mostWithin(jobs: readonly WitnessedJob[], ms: number): number {
  const times = jobs.map(({ submittedAt }) => submittedAt).sort((a, b) => a - b);
  let [first, most] = [0, 0];
  for (const [at, time] of times.entries()) {
    while ((times[first] ?? time) <= time - ms) first += 1;
    most = Math.max(most, at - first + 1);
  }
  return most;
}

/** The most that lived at once; a job that ends in the moment in which another begins has made place for it. */
export function mostLive(jobs: readonly WitnessedJob[]): number {
  const steps = jobs.flatMap(({ submittedAt, endedAt }) => [
    [submittedAt, 1] as const,
    [endedAt ?? Number.POSITIVE_INFINITY, -1] as const,
  ]);
  let [live, most] = [0, 0];
  for (const [, by] of steps.sort(([a, x], [b, y]) => a - b || x - y)) {
    live += by;
    most = Math.max(most, live);
  }
  return most;
}
