import { IncomingMessage, ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import { GatewayError, systemClock } from '../../src/kernel/index.ts';
import { type CarrierOptions, createCarrier } from '../../src/upstream/carrier.ts';
import type { CoalesceConfig, Credential, ForwardResult, UpstreamCall, WholeAnswer } from '../../src/upstream/index.ts';
import { callOf } from './calls.ts';
import { createFakeGate } from './fake-gate.ts';
import { countingCredential, createToldReport } from './rig.ts';

/** A call under way at the fake upstream. */
export interface Going {
  readonly kind: 'forward' | 'ask';
  readonly call: UpstreamCall;
  readonly credential: Credential;
  readonly maxBytes: number;
  /** Ends it; the body names the order in which it began. */
  answer(more?: Partial<WholeAnswer>): void;
  fail(error: Error): void;
}

/** A response that nobody reads over a socket; `text` is what was written. */
export class FakeResponse extends ServerResponse {
  text: string | null = null;
  rawHead: readonly string[] = [];
  override closed = false;
  stuck = false;
  /** Bytes that its reader took. */
  taken = 0;

  constructor() {
    super(new IncomingMessage(new Socket()));
    Object.defineProperty(this, 'socket', { get: () => ({ bytesWritten: this.taken }) });
    Object.defineProperty(this, 'writableNeedDrain', { get: () => this.stuck });
  }

  override writeHead(status: number, ...more: unknown[]): this {
    this.statusCode = status;
    const [head] = more;
    this.rawHead = Array.isArray(head) ? head.map(String) : [];
    return this;
  }

  override end(body?: unknown): this {
    this.text = body instanceof Buffer ? body.toString() : '';
    return this;
  }

  /** The gateway cut the connection. */
  override destroy(): this {
    this.destroyed = true;
    this.close();
    return this;
  }

  /** The reader took everything, or went. */
  close(): void {
    this.closed = true;
    this.emit('close');
  }
}

/** One caller of the carrier. */
export interface Caller {
  readonly response: FakeResponse;
  readonly result: Promise<ForwardResult>;
  /** How it ended, once it has. */
  ended: 'answered' | Error | null;
  leave(): void;
}

export const CONFIG: CoalesceConfig = {
  join: 'next',
  maxBytes: 1000,
  shared: ['/api/v3/project/1/version'],
  cache: [],
};

/** Lets everything run that is ready. */
export const settle = async (): Promise<void> => {
  for (let turn = 0; turn < 4; turn += 1) await new Promise<void>((resolve) => setImmediate(resolve));
};

/** A carrier over an upstream that is played by hand. */
export function createFakeRoad(options: Partial<CarrierOptions> = {}) {
  const going: Going[] = [];
  const begun: Going[] = [];
  const told: string[] = [];
  const report = createToldReport();
  const gate = createFakeGate();
  const state = { config: CONFIG, epoch: 'epoch-1' };

  const begin = <T>(
    one: Pick<Going, 'kind' | 'call' | 'credential' | 'maxBytes'>,
    finish: (answer: WholeAnswer) => T,
  ): Promise<T> =>
    new Promise((resolve, reject) => {
      const leave = (): void => {
        if (going.includes(entry)) going.splice(going.indexOf(entry), 1);
        one.call.signal.removeEventListener('abort', gone);
      };
      const body = Buffer.from(String(begun.length));
      const entry: Going = {
        ...one,
        answer(more = {}) {
          leave();
          resolve(finish({ status: 200, headers: ['etag', '"1"'], body, seconds: 0.5, renewed: false, ...more }));
        },
        fail(error) {
          leave();
          reject(error);
        },
      };
      const gone = { handleEvent: () => entry.fail(new Error('cancelled')) };
      one.call.signal.addEventListener('abort', gone);
      going.push(entry);
      begun.push(entry);
    });

  const carrier = createCarrier({
    upstream: {
      epoch: () => state.epoch,
      ask: (call, credential, maxBytes) => begin({ kind: 'ask', call, credential, maxBytes }, (answer) => answer),
      forward: (call, credential, response) =>
        begin({ kind: 'forward', call, credential, maxBytes: 0 }, ({ status, headers, body, seconds, renewed }) => {
          response.writeHead(status, [...(call.head ?? []), ...headers]);
          response.end(body);
          return { status, bytesOut: body.length, seconds, renewed, complete: true };
        }),
    },
    gate,
    settings: () => state.config,
    clock: systemClock,
    report: { log: report.log, coalesced: (_queue, _route, how) => void told.push(how) },
    ...options,
  });

  const call = (more: Partial<UpstreamCall> = {}, credential = countingCredential(more.account ?? 'alice')): Caller => {
    const gone = new AbortController();
    const response = new FakeResponse();
    response.once('close', () => {
      if (response.destroyed) gone.abort();
    });
    const result = carrier.forward(callOf({ signal: gone.signal, ...more }), credential, response);
    const caller: Caller = { response, result, ended: null, leave: () => gone.abort() };
    result.then(
      () => {
        caller.ended = 'answered';
      },
      (error: Error) => {
        caller.ended = error;
      },
    );
    return caller;
  };
  return { carrier, gate, state, going, begun, told, log: report.told.log, call };
}

/** The call that is under way, the only one. */
export function only(going: readonly Going[]): Going {
  const [one, more] = going;
  if (one === undefined || more !== undefined) throw new Error(`${going.length} calls are under way`);
  return one;
}

export type Road = ReturnType<typeof createFakeRoad>;

/** A call for a first caller comes and goes, and one for `more` who waited for the next one runs. */
export async function shared(road: Road, more: readonly Partial<UpstreamCall>[]): Promise<Caller[]> {
  const first = road.call(more[0]);
  const callers = more.map((of) => road.call(of));
  await settle();
  only(road.going).answer();
  await settle();
  if (first.ended !== 'answered' || only(road.going).kind !== 'ask') throw new Error('no shared call runs');
  return callers;
}

/** How callers ended: an error's code, `answered`, or null for not yet. */
export const codesOf = (callers: readonly Caller[]): unknown[] =>
  callers.map(({ ended }) => (ended instanceof GatewayError ? ended.code : ended));
