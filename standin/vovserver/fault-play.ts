import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Clock } from '../../src/kernel/index.ts';
import { type RawAnswer, rawAnswer } from './fault-bytes.ts';
import type { FaultRule } from './faults.ts';
import { errorReply, htmlReply, type Reply } from './reply.ts';
import { send } from './send.ts';

const ENDLESS_PIECE = Buffer.alloc(65_536, 0x20);

function drained(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      socket.off('drain', done);
      socket.off('close', done);
      resolve();
    };
    socket.on('drain', done);
    socket.on('close', done);
  });
}

/** How a fault touches the connection under a response. */
export interface Wire {
  readonly response: ServerResponse;
  /** Cuts the connection by TCP reset, under TLS too. */
  reset(): void;
}

async function playRaw({ response, reset }: Wire, socket: Socket, raw: RawAnswer, waits: Clock): Promise<void> {
  for (const [index, piece] of raw.pieces.entries()) {
    if (index > 0 && raw.ms !== undefined) await waits.sleep(raw.ms);
    if (socket.destroyed) return;
    if (!socket.write(piece)) await drained(socket);
  }
  if (raw.end === 'fin') socket.end();
  else if (raw.end === 'keep')
    // Node did not write this answer; told that it is finished, it serves the next request on the connection.
    response.emit('finish');
  else {
    // What was written should arrive before the reset.
    await waits.sleep(20);
    reset();
  }
}

async function playEndless(response: ServerResponse): Promise<void> {
  response.writeHead(200, { 'Content-Type': 'application/json' });
  const { socket } = response;
  while (socket !== null && !socket.destroyed) {
    if (!response.write(ENDLESS_PIECE)) await drained(socket);
    else await new Promise((resolve) => setImmediate(resolve));
  }
}

function cannedReply(rule: FaultRule): Reply | null {
  if (rule.kind === 'redirect') {
    const headers = { Location: rule.location ?? 'http://elsewhere.invalid/' };
    return { ...htmlReply(rule.status ?? 302, 'Moved'), headers };
  }
  if (rule.kind !== 'answer') return null;
  const status = rule.status ?? 500;
  if (rule.text !== undefined) return { status, contentType: 'application/json', body: rule.text };
  if (rule.body === 'json') return errorReply(status, 'Server error');
  if (rule.body === 'empty') return { status, contentType: 'text/plain', body: '' };
  return htmlReply(status, 'Server error');
}

/** True when the work must not be done before this fault is played. */
export function comesBeforeWork(rule: FaultRule): boolean {
  if (rule.kind === 'answer' || rule.kind === 'hang') return rule.executed !== true;
  return rule.kind === 'redirect' || rule.kind === 'reset-before' || rule.kind === 'endless-body';
}

/**
 * Plays a fault in place of a good answer. `reply` is what would have been sent, or null when the work was not done.
 * Gives the status that a client may see; null when there is none.
 */
export async function playFault(
  wire: Wire,
  rule: FaultRule,
  reply: Reply | null,
  waits: Clock,
): Promise<number | null> {
  const { response } = wire;
  if (rule.kind === 'hang') return null;
  // A request that came before the answer to the last one was over waits for its turn on the connection.
  if (response.socket === null && !response.req.socket.destroyed) await once(response, 'socket');
  const { socket } = response;
  if (socket === null) return null;
  if (rule.kind === 'reset-before' || rule.kind === 'reset-after') {
    wire.reset();
    return null;
  }
  if (rule.kind === 'endless-body') {
    await playEndless(response);
    return 200;
  }
  const canned = cannedReply(rule) ?? reply;
  if (canned === null) return null;
  const raw = rawAnswer(canned, rule);
  if (raw === null) send(response, canned, false);
  else await playRaw(wire, socket, raw, waits);
  return canned.status;
}
