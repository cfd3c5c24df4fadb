import { Worker } from 'node:worker_threads';
import type { Clock } from '../../kernel/index.ts';
import { SamlFault } from './fault.ts';
import type { Result, Task } from './verify-task.ts';

/** A thread that does one task after the other. */
export interface VerifyThread extends AsyncDisposable {
  /** Starts the thread, so that it is there when it is needed. */
  warm(): void;
  /** `first`: before all that wait. Throws {@link SamlFault} for what takes too long. */
  run(task: Task, first?: boolean): Promise<Result>;
}

interface Job {
  readonly task: Task;
  resolve(result: Result): void;
  reject(error: unknown): void;
}

/** A document that takes longer is refused and the thread replaced. */
const TIME_LIMIT_MS = 5000;

/** The twin of this file that runs on the thread, in TypeScript or compiled as this one. */
const SCRIPT = new URL(`./verify-worker${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url);
const RESOURCES = { maxOldGenerationSizeMb: 128, maxYoungGenerationSizeMb: 32 };

/**
 * Creates a thread, which starts with the first task and keeps the process alive only while one runs. After `idleMs`
 * without a task (null: never) it ends, and starts again with the next.
 */
export function createVerifyThread(clock: Clock, idleMs: number | null): VerifyThread {
  const waiting: Job[] = [];
  let worker: Worker | null = null;
  let running: Job | null = null;
  let timer: Disposable | null = null;
  let stopped = false;

  const quiet = (): void => {
    timer?.[Symbol.dispose]();
    timer = null;
  };
  const settle = (act: (job: Job) => void): void => {
    quiet();
    const job = running;
    running = null;
    worker?.unref();
    if (job !== null) act(job);
    next();
    if (running === null && worker !== null && idleMs !== null) timer = clock.after(idleMs, rest);
  };
  const rest = (): void => {
    const idle = worker;
    worker = timer = null;
    void idle?.terminate();
  };
  const drop = (gone: Worker, error: unknown): void => {
    if (worker !== gone) return;
    worker = null;
    void gone.terminate();
    settle((job) => job.reject(error));
  };
  const start = (): Worker => {
    const started = new Worker(SCRIPT, { resourceLimits: RESOURCES });
    started.on('message', (result: Result) => worker === started && settle((job) => job.resolve(result)));
    started.on('error', (error) => drop(started, error));
    started.on('exit', () => drop(started, new Error('the verifying thread ended')));
    // After the listeners: each may have taken hold of the event loop again.
    started.unref();
    return started;
  };
  const next = (): void => {
    const job = running === null ? waiting.shift() : undefined;
    if (job === undefined) return;
    quiet();
    running = job;
    worker ??= start();
    const busy = worker;
    timer = clock.after(TIME_LIMIT_MS, () => drop(busy, new SamlFault('message: takes too long to verify')));
    busy.ref();
    busy.postMessage(job.task);
  };
  return {
    warm() {
      if (!stopped) worker ??= start();
    },
    run(task, first = false) {
      if (stopped) return Promise.reject(new Error('the gateway is shutting down'));
      return new Promise((resolve, reject) => {
        const job = { task, resolve, reject };
        if (first) waiting.unshift(job);
        else waiting.push(job);
        next();
      });
    },
    async [Symbol.asyncDispose]() {
      stopped = true;
      const ended = new Error('the gateway is shutting down');
      for (const job of waiting.splice(0)) job.reject(ended);
      if (worker !== null) drop(worker, ended);
      quiet();
    },
  };
}
