import type { JobRequest } from './job.ts';
import type { Profile } from './profile.ts';
import { errorReply, Refusal } from './reply.ts';

/** Keys of VOV_JOB_DESC that a body may have beside the required ones (H-JC). `user` and `osgroup` never count. */
const OPTIONAL = new Set([
  'autokill',
  'check,directory',
  'force',
  'group',
  'group,final',
  'inputs',
  'interactive,flag',
  'interactive,useXdisplay',
  'jobclass',
  'jobname',
  'jobproj',
  'mailuser',
  'osgroup',
  'outputs',
  'preemptable',
  'priority,default',
  'priority,exec',
  'priority,sched',
  'proplist',
  'resources',
  'schedule,date',
  'setName',
  'user',
  'wait',
  'wait,options',
  'wrapper',
  'xdur',
]);
const REQUIRED = ['command', 'logfile', 'rundir', 'env'] as const;

const bad = (text: string): Refusal => new Refusal(errorReply(400, text));

/** Parses a JSON object. Throws Refusal 400 `Bad Request`, as for the tutorial's trailing comma. */
export function readJsonObject(body: Buffer): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(body.toString('utf8'));
  } catch {
    throw bad('Bad Request');
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw bad('Bad Request');
  return value as Record<string, unknown>;
}

function text(value: unknown, key: string, fallback: string): string {
  if (value === undefined) return fallback;
  if (typeof value !== 'string') throw bad(`${key}: must be a string`);
  return value;
}

/** Reads a whole number within bounds; a string of digits is one too. */
export function readNumber(
  value: unknown,
  key: string,
  [least, most, fallback]: readonly [number, number, number],
): number {
  if (value === undefined) return fallback;
  const number = typeof value === 'string' && /^\d+$/.test(value) ? Number(value) : value;
  if (typeof number !== 'number' || !Number.isInteger(number) || number < least || number > most) {
    throw bad(`${key}: must be a whole number from ${least} to ${most}`);
  }
  return number;
}

/** The range of job priorities, and what a job has without one. */
export const PRIORITY = [1, 15, 4] as const;
export const AUTOKILL = [0, 31_536_000, 0] as const;

/** Reads the body of a submission. Throws Refusal 400. */
export function readJobRequest(body: Buffer, profile: Profile): JobRequest {
  const value = readJsonObject(body);
  for (const key of REQUIRED) if (value[key] === undefined) throw bad(`${key}: is required`);
  const unknown = Object.keys(value).find((key) => !OPTIONAL.has(key) && !REQUIRED.some((one) => one === key));
  if (unknown !== undefined && profile.unknownJobKey === 'refused') throw bad(`${unknown}: no such key`);
  return {
    command: text(value.command, 'command', ''),
    logfile: text(value.logfile, 'logfile', ''),
    rundir: text(value.rundir, 'rundir', ''),
    env: text(value.env, 'env', ''),
    jobname: text(value.jobname, 'jobname', ''),
    jobclass: text(value.jobclass, 'jobclass', ''),
    jobproj: text(value.jobproj, 'jobproj', ''),
    resources: text(value.resources, 'resources', ''),
    group: value.group === undefined ? null : text(value.group, 'group', ''),
    priority: readNumber(value['priority,sched'], 'priority,sched', PRIORITY),
    autokill: readNumber(value.autokill, 'autokill', AUTOKILL),
  };
}
