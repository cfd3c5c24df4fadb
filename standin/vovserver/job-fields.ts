import { INTERNAL_STATUS, type Job, ranMs } from './job.ts';
import { createObjectClass, type ObjectClass } from './object-class.ts';
import type { Cell } from './selection-evaluate.ts';

const PRIORITY_WORDS: readonly string[] = ['none', 'low', 'low', 'low', 'normal', 'normal', 'normal', 'normal', 'high'];

const priorityWord = (priority: number): string => PRIORITY_WORDS[priority] ?? 'top';

/** `31s`, `2m05s`, `1h02m`: the way of DURATIONPP. */
export function prettyDuration(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  const two = (n: number): string => String(n).padStart(2, '0');
  if (seconds < 60) return `${seconds}s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m${two(seconds % 60)}s`;
  return `${Math.floor(seconds / 3600)}h${two(Math.floor((seconds % 3600) / 60))}m`;
}

const seconds = (ms: number | null): number => (ms === null ? 0 : Math.floor(ms / 1000));

/** COMMAND as it is stored: wrapped, with the log file (tutorial, sample of nc_list). */
const wrapped = (job: Job): string => `vw ${job.command} > ${job.logfile}`;

/** The object class of jobs; `now` is milliseconds since the epoch. */
export function createJobClass(now: () => number): ObjectClass<Job> {
  const readers: Record<string, (job: Job) => Cell> = {
    ID: (job) => String(job.id).padStart(9, '0'),
    IDINT: (job) => job.id,
    USER: (job) => job.user,
    GROUP: (job) => job.group,
    OSGROUP: (job) => job.osgroup,
    COMMAND: wrapped,
    COMMANDLENGTH: (job) => wrapped(job).length,
    DIR: (job) => job.rundir,
    ENV: (job) => job.env,
    STATUS: (job) => INTERNAL_STATUS[job.state],
    STATUSNC: (job) => job.state,
    HOST: (job) => job.host,
    PRIORITY: (job) => job.priority,
    PRIORITYPP: (job) => priorityWord(job.priority),
    DURATION: (job) => seconds(ranMs(job, now())),
    DURATIONPP: (job) => prettyDuration(ranMs(job, now())),
    AGE: (job) => seconds(now() - job.submittedAt),
    AGEPP: (job) => prettyDuration(now() - job.submittedAt),
    SUBMITTIME: (job) => seconds(job.submittedAt),
    STARTED: (job) => seconds(job.startedAt),
    ENDED: (job) => seconds(job.endedAt),
    EXIT: (job) => job.exit ?? 0,
    AUTOKILL: (job) => job.autokill,
    RESOURCES: (job) => job.resources,
    JOBNAME: (job) => job.jobname,
    JOBCLASS: (job) => job.jobclass,
    JOBPROJ: (job) => job.jobproj,
    ISJOB: () => 1,
  };
  return createObjectClass('jobs', readers);
}
