import { posix } from 'node:path';
import { PLAIN } from './job-query.ts';
import { type JobText, lastPart } from './job-text.ts';

const NAME_PART = /[A-Za-z0-9_.-]/;
/** What vovserver, or a shell, may put something else in the place of. */
const EXPANDED = /[$~%@`*?[\]{}]/;

/** Whether a command names this file, not one whose name only holds it. */
export function names(command: string, file: string): boolean {
  for (let at = command.indexOf(file); at >= 0; at = command.indexOf(file, at + 1)) {
    const around = [command[at - 1] ?? ' ', command[at + file.length] ?? ' '];
    if (!around.some((char) => NAME_PART.test(char))) return true;
  }
  return false;
}

/**
 * Whether a command may name the file in any spelling: by another path, or with whatever is odd in its name quoted in an
 * unknown way. One of which nothing is sure may be named by every command.
 */
export function mayName(command: string, file: string): boolean {
  const name = lastPart(file);
  if (PLAIN.test(name)) return names(command, name);
  if (EXPANDED.test(name)) return true;
  let from = 0;
  return (name.match(/[A-Za-z0-9_.-]+/g) ?? []).every((part) => {
    const at = command.indexOf(part, from);
    from = at + part.length;
    return at >= 0;
  });
}

const unquoted = (text: string): string => text.replace(/^(["'])(.*)\1$/, '$2').replace(/\\(.)/g, '$1');

const place = (...path: readonly string[]): string => posix.resolve('/', ...path);

/** What a job runs, after its wrapper, as vovserver stores it (tutorial): `vw <command> > <logfile>`. */
const redirected = (command: string): string => `${command} > `;

/** Whether a job runs this command in this directory into this file, however the paths are spelled. */
export function isTheJob(row: { readonly command: string; readonly dir: string }, job: JobText): boolean {
  const written = redirected(job.command);
  const start = row.command.startsWith(written) ? 0 : row.command.indexOf(' ') + 1;
  if (!row.command.startsWith(written, start) || place(row.dir) !== place(job.rundir)) return false;
  const shown = row.command.slice(start + written.length);
  return shown === job.logfile || place(job.rundir, unquoted(shown)) === place(job.rundir, job.logfile);
}
