import { posix } from 'node:path';

/** What a submission says of its job, as far as the job can be found again by it. */
export interface JobText {
  readonly rundir: string;
  readonly logfile: string;
  readonly command: string;
}

/** The members of a body that is a JSON object; null for anything else. */
export function readMembers(body: Buffer): Readonly<Record<string, unknown>> | null {
  try {
    const value: unknown = JSON.parse(body.toString('utf8'));
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : null;
  } catch {
    return null;
  }
}

/** Null when the body does not say all three. */
export function readJobText(body: Buffer): JobText | null {
  const { rundir, logfile, command } = readMembers(body) ?? {};
  if (typeof rundir !== 'string' || typeof logfile !== 'string' || typeof command !== 'string') return null;
  return rundir === '' || logfile === '' || command === '' ? null : { rundir, logfile, command };
}

/** The last part of a path, which is the same whatever stands before it. */
export const lastPart = (path: string): string => posix.basename(posix.normalize(path));
