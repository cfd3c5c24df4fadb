import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import type { Clock } from '../../src/kernel/index.ts';
import { authenticate } from './authenticate.ts';
import type { Connections } from './connections.ts';
import type { FaultPicker } from './fault-picker.ts';
import { comesBeforeWork, playFault } from './fault-play.ts';
import type { FaultRule } from './faults.ts';
import type { RequestEntry } from './ledger.ts';
import { errorReply, type Reply } from './reply.ts';
import { answer, type Twist } from './routes.ts';
import { send } from './send.ts';
import type { ServiceLoop } from './service-loop.ts';
import type { Call, ServerState } from './state.ts';
import type { Stats } from './stats.ts';
import { type UnderWay, workOf } from './under-way.ts';

export interface HandlerParts {
  readonly state: ServerState;
  readonly stats: Stats;
  readonly connections: Connections;
  readonly picker: FaultPicker;
  readonly loop: ServiceLoop;
  readonly underWay: UnderWay;
  /** For delays of faults and service times. */
  readonly waits: Clock;
  /** The read-only port: no login, everyone is READONLY, only GET. */
  readonly guest?: boolean;
}

const GUEST = { auth: 'ok', caller: { user: 'guest', level: 'READONLY', jti: '' } } as const;

const EMPTY = Buffer.alloc(0);
/** `maxBufferSize` of vovserver (H-PROTO). */
const MAX_BODY = 16_777_216;
const NO_TWIST: Twist = { refuseJwt: false, refusePassword: false };
const TOKEN_PATH = '/api/v3/token';

/** Null when the body is too large or ends early. */
function readBody(request: IncomingMessage): Promise<Buffer | null> {
  return new Promise((resolve) => {
    const pieces: Buffer[] = [];
    let size = 0;
    request.on('data', (piece: Buffer) => {
      size += piece.length;
      if (size <= MAX_BODY) pieces.push(piece);
    });
    request.on('end', () => resolve(size <= MAX_BODY ? Buffer.concat(pieces) : null));
    request.on('error', () => resolve(null));
    request.on('aborted', () => resolve(null));
  });
}

function readCall(parts: HandlerParts, request: IncomingMessage, body: Buffer): Call {
  const { state, connections } = parts;
  const target = request.url ?? '';
  const mark = target.indexOf('?');
  const address = request.socket.remoteAddress ?? '';
  return {
    method: request.method ?? '',
    target,
    path: mark < 0 ? target : target.slice(0, mark),
    query: mark < 0 ? '' : target.slice(mark + 1),
    contentType: request.headers['content-type'] ?? '',
    body,
    address,
    connection: connections.idOf(request.socket),
    ...(parts.guest === true ? GUEST : authenticate(state, request.headers.authorization, address)),
  };
}

function enter(state: ServerState, call: Call, rawHeaders: string[], rule: FaultRule | null): RequestEntry | null {
  if (state.ledger === null) return null;
  const entry = {
    at: state.clock.now(),
    account: call.caller?.user ?? null,
    auth: rule?.kind === 'refuse-jwt' ? ('refused' as const) : call.auth,
    jti: call.caller?.jti ?? null,
    method: call.method,
    target: call.target,
    rawHeaders,
    connection: call.connection,
    status: null,
    fault: rule?.kind ?? null,
  };
  return state.ledger.request(entry, call.body);
}

/** Notes a login that a fault answered in the place of the token endpoint. */
function noteLostLogin({ state }: HandlerParts, call: Call): void {
  if (call.path !== TOKEN_PATH || call.method !== 'POST') return;
  const user = new URLSearchParams(call.body.toString('latin1')).get('username') ?? '';
  state.ledger?.login({ at: state.clock.now(), connection: call.connection, user, result: 'fault', jti: null });
}

const twistOf = (rule: FaultRule | null): Twist =>
  rule === null ? NO_TWIST : { refuseJwt: rule.kind === 'refuse-jwt', refusePassword: rule.kind === 'reject-password' };

const isTwist = (rule: FaultRule): boolean => rule.kind === 'refuse-jwt' || rule.kind === 'reject-password';

function lastOnConnection(parts: HandlerParts, request: IncomingMessage): boolean {
  const limit = parts.picker.faults.requestsPerConnection;
  if (limit === 0) return false;
  const count = (served.get(request.socket) ?? 0) + 1;
  served.set(request.socket, count);
  return count >= limit;
}

const served = new WeakMap<object, number>();

/** Does the work, takes its time and answers. Gives the status that was sent. */
async function work(
  parts: HandlerParts,
  call: Call,
  rule: FaultRule | null,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<number | null> {
  const wire = { response, reset: () => parts.connections.reset(request.socket) };
  if (rule !== null && comesBeforeWork(rule)) {
    noteLostLogin(parts, call);
    return playFault(wire, rule, null, parts.waits);
  }
  const closed = parts.guest === true && call.method !== 'GET';
  const reply: Reply = closed ? errorReply(405, 'Method Not Allowed') : answer(parts.state, call, twistOf(rule));
  const busy = parts.loop.serve(reply, parts.picker.faults, workOf(call.method, call.target));
  if (busy !== null) await busy;
  if (rule !== null && !isTwist(rule)) return playFault(wire, rule, reply, parts.waits);
  send(response, reply, lastOnConnection(parts, request));
  return reply.status;
}

async function handle(parts: HandlerParts, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const bodiless =
    request.headers['content-length'] === undefined && request.headers['transfer-encoding'] === undefined;
  const body = bodiless ? EMPTY : await readBody(request);
  if (body === null) return send(response, errorReply(413, 'Body too large'), true);
  const call = readCall(parts, request, body);
  const { picker, waits } = parts;
  const { delayMs, rule } = picker.pick({
    method: call.method,
    target: call.target,
    account: call.caller?.user ?? null,
  });
  if (rule !== null) parts.stats.faults += 1;
  const entry = enter(parts.state, call, request.rawHeaders, rule);
  const wait = delayMs + (call.path === TOKEN_PATH ? picker.faults.loginMs : 0);
  if (wait > 0) await waits.sleep(wait);
  const status = await work(parts, call, rule, request, response);
  if (entry !== null) entry.status = status;
}

/** Makes the request listener of the web port. */
export function createHandler(parts: HandlerParts): RequestListener {
  const { stats, underWay } = parts;
  return (request, response) => {
    const end = underWay.begin(workOf(request.method ?? '', request.url ?? ''));
    stats.requests += 1;
    stats.inFlight += 1;
    stats.inFlightPeak = Math.max(stats.inFlightPeak, stats.inFlight);
    const closed = new Promise<void>((resolve) => {
      response.once('close', () => {
        stats.inFlight -= 1;
        resolve();
      });
    });
    const handled = handle(parts, request, response).catch((error: unknown) => {
      // A fault of the stand-in itself must not look like one of vovserver.
      console.error('standin:', error);
      response.destroy();
    });
    void Promise.all([closed, handled]).then(end);
  };
}
