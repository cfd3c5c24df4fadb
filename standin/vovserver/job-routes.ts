import type { Job } from './job.ts';
import { JOB_ACTIONS } from './job-life.ts';
import { AUTOKILL, PRIORITY, readJobRequest, readJsonObject, readNumber } from './job-request.ts';
import { demand, denial, type Operation } from './privilege.ts';
import { answerObject, readFormat } from './query.ts';
import { queryError } from './query-reply.ts';
import { errorReply, jsonReply, Refusal, type Reply } from './reply.ts';
import type { Call, Caller, ServerState } from './state.ts';

const ID = /^\d{1,12}$/;

const idOf = (state: ServerState, job: Job): number | string =>
  state.profile.jobIdType === 'int' ? job.id : String(job.id).padStart(9, '0');

function find(state: ServerState, text: string): Job {
  const job = ID.test(text) ? state.jobs.get(Number(text)) : undefined;
  if (job !== undefined) return job;
  if (state.profile.forgottenJob === '404' || !ID.test(text)) throw new Refusal(errorReply(404, 'Illegal id'));
  throw new Refusal(queryError(state.profile, `SELECT * FROM ${Number(text)}`, '', 200));
}

/** Answers `POST /api/v3/jobs`. The owner is the user of the JWT, whatever the body says. */
export function submitJob(state: ServerState, call: Call, caller: Caller): Reply {
  demand(state.profile, caller, 'CreateJob');
  const request = readJobRequest(call.body, state.profile);
  const conflict = state.jobs.withLogfile(request.rundir, request.logfile) !== undefined;
  if (conflict && state.profile.duplicateLogfile === 'error') {
    throw new Refusal(errorReply(500, `logfile ${request.logfile} is the output of another job`));
  }
  const owner = { user: caller.user, osgroup: state.users.osgroup(caller.user) };
  const job = state.jobs.add(request, owner, conflict);
  const { id, user, command, logfile } = job;
  state.ledger?.job({ at: state.clock.now(), id, user, command, logfile });
  return jsonReply(state.profile.submitStatus, { jobid: idOf(state, job) });
}

/** Answers `GET /api/v3/jobs/{id}`, `/{id}/`, `/{id}/*` (all the same) and `/{id}/{field}`. Everyone sees every job. */
export function readJob(state: ServerState, id: string, field: string | null, query: string): Reply {
  const job = find(state, id);
  const format = query === '' ? 'json' : readFormat(new URLSearchParams(query));
  return answerObject(state, { objects: state.jobClass, item: job, id: job.id, field, isJob: true, format });
}

const operation = (job: Job, caller: Caller, other: Operation): Operation =>
  job.user === caller.user ? 'OwnJob' : other;

/** Answers `PUT /api/v3/jobs/{id}`. The body is not public; `{"action":"stop"}` is a placeholder. */
export function controlJob(state: ServerState, call: Call, caller: Caller, id: string): Reply {
  const job = find(state, id);
  const wanted = readJsonObject(call.body).action;
  const action = JOB_ACTIONS.find((one) => one === wanted);
  if (action === undefined) throw new Refusal(errorReply(400, `action: must be ${JOB_ACTIONS.join(', ')}`));
  demand(state.profile, caller, operation(job, caller, action === 'rerun' ? 'RunJobOther' : 'StopJobOther'));
  if (!state.jobs.control(job, action)) {
    throw new Refusal(errorReply(400, `cannot ${action} a job that is ${job.state}`));
  }
  return jsonReply(200, { jobid: idOf(state, job) });
}

/** Answers `DELETE /api/v3/jobs/{id}`: takes it out of memory, which kills nothing. */
export function forgetJob(state: ServerState, caller: Caller, id: string): Reply {
  const job = find(state, id);
  demand(state.profile, caller, operation(job, caller, 'ForgetJobOther'));
  if (job.state === 'Running' && state.profile.deleteRunning === 'refused') {
    throw new Refusal(errorReply(400, 'cannot forget a running job'));
  }
  state.jobs.remove(job);
  return jsonReply(200, { jobid: idOf(state, job) });
}

/** Body keys of PATCH: which field they set and what follows (H-MOD). */
const CHANGES: Readonly<Record<string, { field: keyof Job; effect: 'invalid' | 'queue' | 'none' }>> = {
  cmd: { field: 'command', effect: 'invalid' },
  command: { field: 'command', effect: 'invalid' },
  dir: { field: 'rundir', effect: 'invalid' },
  rundir: { field: 'rundir', effect: 'invalid' },
  env: { field: 'env', effect: 'invalid' },
  res: { field: 'resources', effect: 'queue' },
  resources: { field: 'resources', effect: 'queue' },
  group: { field: 'group', effect: 'queue' },
  jobclass: { field: 'jobclass', effect: 'queue' },
  jobproj: { field: 'jobproj', effect: 'queue' },
  'priority,sched': { field: 'priority', effect: 'queue' },
  autokill: { field: 'autokill', effect: 'none' },
  jobname: { field: 'jobname', effect: 'none' },
  exit: { field: 'exit', effect: 'none' },
};

function patchOperation(job: Job, caller: Caller, field: keyof Job): Operation {
  if (field === 'resources') return operation(job, caller, 'ModifyJobResourcesOther');
  if (field === 'exit') return operation(job, caller, 'ModifyJobExitOther');
  return operation(job, caller, 'ModifyJobOther');
}

function patchValue(key: string, field: keyof Job, value: unknown): string | number {
  if (field === 'priority') return readNumber(value, key, PRIORITY);
  if (field === 'autokill') return readNumber(value, key, AUTOKILL);
  if (field === 'exit') return readNumber(value, key, [0, 255, 0]);
  if (typeof value !== 'string') throw new Refusal(errorReply(400, `${key}: must be a string`));
  return value;
}

/** Answers `PATCH /api/v3/jobs/{id}`: all of the body, or none of it. */
export function modifyJob(state: ServerState, call: Call, caller: Caller, id: string): Reply {
  const job = find(state, id);
  const members = state.profile.jobModifyGroup;
  if (members !== '' && !members.split(',').includes(caller.user)) throw denial(state.profile);
  const changes = Object.entries(readJsonObject(call.body)).map(([key, value]) => {
    const change = Object.hasOwn(CHANGES, key) ? CHANGES[key] : undefined;
    if (change === undefined) throw new Refusal(errorReply(400, `${key}: cannot be modified`));
    demand(state.profile, caller, patchOperation(job, caller, change.field));
    return { ...change, value: patchValue(key, change.field, value) };
  });
  for (const { field, value } of changes) Object.assign(job, { [field]: value });
  const effects = new Set(changes.map(({ effect }) => effect));
  if (effects.has('invalid') || effects.has('queue')) state.jobs.changed(job, effects.has('invalid'));
  return jsonReply(200, { jobid: idOf(state, job) });
}
