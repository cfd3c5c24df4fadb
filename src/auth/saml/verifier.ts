import type { X509Certificate } from 'node:crypto';
import { Worker } from 'node:worker_threads';
import { type Clock, GatewayError } from '../../kernel/index.ts';
import { SamlFault, UnknownSigner } from './fault.ts';
import { fromPlain, type IdpMetadata, type Wanted } from './idp-metadata.ts';
import type { LibraryCheck, Parties } from './library.ts';
import type { Result, Task } from './verify-task.ts';

/** What a signature covers. */
export interface Verified {
  /** The signed octets in canonical form: the only thing that may be read. */
  readonly xml: string;
  readonly signer: X509Certificate;
}

/**
 * The costly part of checking documents, on a thread of its own: the libraries need some 100 µs for an element, and
 * nothing that somebody sends may hold the event loop. Every call throws {@link SamlFault}.
 */
export interface Verifier extends AsyncDisposable {
  /** Starts the thread, so that it is there when it is needed. */
  warm(): void;
  /** Throws {@link UnknownSigner} for an intact document that none of the certificates signed. */
  verify(xml: string, certificates: readonly X509Certificate[], algorithms: 'own' | 'library'): Promise<Verified>;
  /** The assertion that node-saml verified. */
  assertion(parties: Parties, check: LibraryCheck): Promise<string>;
  metadata(bytes: Buffer, wanted: Wanted, now: number): Promise<IdpMetadata>;
}

interface Job {
  readonly task: Task;
  resolve(result: Result): void;
  reject(error: unknown): void;
}

/** A document that takes longer is refused and the thread replaced. */
const TIME_LIMIT_MS = 5000;
const MOST_WAITING = 64;

/** The twin of this file that runs on the thread, in TypeScript or compiled as this one. */
const SCRIPT = new URL(`./verify-worker${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url);
const RESOURCES = { maxOldGenerationSizeMb: 128, maxYoungGenerationSizeMb: 32 };

function unwrap<K extends Result['kind']>(result: Result, kind: K): Extract<Result, { kind: K }> {
  if (result.kind === kind) return result as Extract<Result, { kind: K }>;
  if (result.kind !== 'fault') throw new Error('the verifying thread answered something else');
  if (result.unknownSigner) throw new UnknownSigner(result.reason, result.cause);
  throw new SamlFault(result.reason, result.cause);
}

/** Runs tasks one after the other on one thread, which starts with the first and keeps the process alive only while one runs. */
function createThread(clock: Clock): AsyncDisposable & { warm(): void; run(task: Task): Promise<Result> } {
  const waiting: Job[] = [];
  let worker: Worker | null = null;
  let running: Job | null = null;
  let timer: Disposable | null = null;
  let stopped = false;

  const settle = (act: (job: Job) => void): void => {
    timer?.[Symbol.dispose]();
    const job = running;
    running = timer = null;
    worker?.unref();
    if (job !== null) act(job);
    next();
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
    run(task) {
      if (stopped) return Promise.reject(new Error('the gateway is shutting down'));
      if (waiting.length >= MOST_WAITING)
        throw new GatewayError('GW_PROVIDER_UNAVAILABLE', 'Too many sign-ins are being checked right now.', {
          retryAfter: 5,
        });
      return new Promise((resolve, reject) => {
        waiting.push({ task, resolve, reject });
        next();
      });
    },
    async [Symbol.asyncDispose]() {
      stopped = true;
      const ended = new Error('the gateway is shutting down');
      for (const job of waiting.splice(0)) job.reject(ended);
      if (worker !== null) drop(worker, ended);
    },
  };
}

const pems = (certificates: readonly X509Certificate[]): string[] => certificates.map((each) => each.toString());

/** Creates the verifier of a provider. */
export function createVerifier(clock: Clock): Verifier {
  const thread = createThread(clock);
  return {
    warm: () => thread.warm(),
    async verify(xml, certificates, algorithms) {
      const task: Task = { do: 'verify', xml, certificates: pems(certificates), algorithms };
      const result = unwrap(await thread.run(task), 'verified');
      const signer = certificates[result.signer];
      if (signer === undefined) throw new SamlFault('signature does not hold');
      return { xml: result.xml, signer };
    },
    async assertion(parties, check) {
      return unwrap(await thread.run({ do: 'assertion', parties, check }), 'assertion').xml;
    },
    async metadata(bytes, { entityId, trusted }, now) {
      const task: Task = { do: 'metadata', bytes, entityId, trusted: trusted === null ? null : pems(trusted), now };
      return fromPlain(unwrap(await thread.run(task), 'metadata').metadata);
    },
    [Symbol.asyncDispose]: () => thread[Symbol.asyncDispose](),
  };
}
