import { createDueHeap } from './due-heap.ts';
import { isResting, type Job, type JobState, workOf } from './job.ts';
import type { Profile } from './profile.ts';

/** What may be done with a job by PUT. */
export const JOB_ACTIONS = ['stop', 'suspend', 'resume', 'rerun'] as const;
export type JobAction = (typeof JOB_ACTIONS)[number];

type Next = 'queue' | 'ready' | 'end' | 'forget';

interface Parts {
  readonly now: () => number;
  readonly profile: () => Profile;
  readonly forgotten: (job: Job) => void;
}

const KILLED = 137;
const STOPPED = 143;
const PRIORITIES = 16;

/**
 * The life of jobs: Idle > Queued > Running > Done | Failed > forgotten. Nothing here waits; `settle` lets happen what
 * fell due since the last look, in order of time, so that any clock will do.
 */
export class JobLife {
  readonly #parts: Parts;
  readonly #due = createDueHeap<{ job: Job; turn: number; next: Next }>();
  /** Queued long enough and waiting for a slot, by priority. */
  readonly #ready = Array.from({ length: PRIORITIES }, () => new Set<Job>());
  #running = 0;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  settle(): void {
    const now = this.#parts.now();
    for (let due = this.#due.pop(now); due !== null; due = this.#due.pop(now)) {
      const { job, turn, next } = due.item;
      if (turn !== job.turn) continue;
      this.#happen(job, next, due.at);
      this.dispatch(due.at);
    }
  }

  /** Starts the life of a job that was just submitted. */
  born(job: Job): void {
    this.#later(job, 'queue', this.#parts.now() + this.#parts.profile().idleMs);
  }

  /** Goes on with a job of another server; what waited or ran there begins again. */
  adopted(job: Job): void {
    if (isResting(job) && job.state !== 'Idle') this.#enter(job, job.state, this.#parts.now());
    else {
      // It holds no slot of this server.
      job.state = 'Idle';
      this.born(job);
    }
  }

  sleep(job: Job): void {
    this.#enter(job, 'Sleeping', this.#parts.now());
  }

  /** Fills free slots, the highest priority first, then the longest waiting. */
  dispatch(at = this.#parts.now()): void {
    const { schedulerSuspended, slots } = this.#parts.profile();
    if (schedulerSuspended) return;
    for (let priority = PRIORITIES - 1; priority >= 0; priority -= 1) {
      for (const job of this.#ready[priority] ?? []) {
        if (this.#running >= slots) return;
        this.#run(job, at);
      }
    }
  }

  /** False when the state of the job does not allow the action. */
  control(job: Job, action: JobAction): boolean {
    const at = this.#parts.now();
    const done = this.#control(job, action, at);
    this.dispatch(at);
    return done;
  }

  /** After a change of what is run (`invalid`) or only of what it needs. */
  changed(job: Job, invalid: boolean): void {
    const at = this.#parts.now();
    if (invalid) this.#enter(job, 'Idle', at);
    else if (job.state === 'Queued') this.#queue(job, at);
    this.dispatch(at);
  }

  forget(job: Job): void {
    this.#leave(job, this.#parts.now());
    job.turn += 1;
    this.#parts.forgotten(job);
  }

  #control(job: Job, action: JobAction, at: number): boolean {
    if (action === 'stop') {
      if (job.state === 'Running' || job.state === 'Suspended') this.#end(job, STOPPED, at);
      else if (job.state === 'Queued') this.#enter(job, 'Idle', at);
      else return false;
    } else if (action === 'suspend' && job.state === 'Running') this.#enter(job, 'Suspended', at);
    else if (action === 'resume' && job.state === 'Suspended') this.#run(job, at);
    else if (action === 'rerun' && isResting(job)) this.#again(job, at);
    else return false;
    return true;
  }

  #happen(job: Job, next: Next, at: number): void {
    if (next === 'forget') this.forget(job);
    else if (next === 'queue') this.#queue(job, at);
    else if (next === 'ready') this.#ready[job.priority]?.add(job);
    else this.#finish(job, at);
  }

  #finish(job: Job, at: number): void {
    const work = workOf(job.command);
    const killed = job.autokill > 0 && work.ms > job.autokill * 1000;
    this.#end(job, killed ? KILLED : work.exit, at);
  }

  #leave(job: Job, at: number): void {
    for (const set of this.#ready) set.delete(job);
    if (job.state !== 'Running') return;
    job.ranMs += at - job.since;
    this.#running -= 1;
  }

  #enter(job: Job, state: JobState, at: number): void {
    this.#leave(job, at);
    job.state = state;
    job.since = at;
    job.turn += 1;
    const { forgetDoneMs, forgetOthersMs } = this.#parts.profile();
    if (isResting(job)) this.#later(job, 'forget', at + (state === 'Done' ? forgetDoneMs : forgetOthersMs));
  }

  #queue(job: Job, at: number): void {
    this.#enter(job, 'Queued', at);
    this.#later(job, 'ready', at + this.#parts.profile().queuedMs);
  }

  #run(job: Job, at: number): void {
    this.#enter(job, 'Running', at);
    this.#running += 1;
    job.host = `farm${(job.id % 4) + 1}`;
    job.startedAt ??= at;
    const { ms } = workOf(job.command);
    const allowed = job.autokill > 0 ? Math.min(ms, job.autokill * 1000) : ms;
    this.#later(job, 'end', at + Math.max(0, allowed - job.ranMs));
  }

  #end(job: Job, exit: number, at: number): void {
    this.#enter(job, exit === 0 ? 'Done' : 'Failed', at);
    job.exit = exit;
    job.endedAt = at;
  }

  #again(job: Job, at: number): void {
    Object.assign(job, { ranMs: 0, exit: null, startedAt: null, endedAt: null, host: '' });
    this.#queue(job, at);
  }

  #later(job: Job, next: Next, at: number): void {
    this.#due.push(at, { job, turn: job.turn, next });
  }
}
