import type { IncomingMessage } from 'node:http';
import { GatewayError } from '../../kernel/index.ts';
import type { CallBody } from '../../upstream/index.ts';
import type { Scope, Step } from '../scope.ts';

/**
 * Bodies up to this size are read whole before anything is sent: broken framing never reaches vovserver, a slow sender holds
 * none of its connections, and the call can be sent again after a 401.
 */
const WHOLE_BYTES = 1_048_576;
/** What a read may carry along; it is dropped. */
const DROPPED_BYTES = 262_144;
const NONE: CallBody = { kind: 'none' };

function tooLarge(maxBytes: number): GatewayError {
  return new GatewayError('GW_BODY_TOO_LARGE', `The body may have ${maxBytes} bytes.`);
}

/** True when the message carries a body according to its framing (RFC 9112, 6.3). */
export function hasBody(req: IncomingMessage): boolean {
  return req.headers['transfer-encoding'] !== undefined || Number(req.headers['content-length'] ?? 0) > 0;
}

/** Reads the whole body; throws GW_BODY_TOO_LARGE above `maxBytes` and GW_BAD_REQUEST when the caller breaks off. */
export function readBody(req: IncomingMessage, maxBytes: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    const fail = (error: GatewayError): void => {
      req.off('data', onData);
      reject(error);
    };
    const onData = (chunk: Buffer): void => {
      bytes += chunk.length;
      if (bytes > maxBytes) fail(tooLarge(maxBytes));
      else chunks.push(chunk);
    };
    const brokenOff = (): void => fail(new GatewayError('GW_BAD_REQUEST', 'The body ended before it was complete.'));
    req.on('data', onData);
    req.once('end', () => resolve(chunks.length === 1 ? (chunks[0] ?? Buffer.alloc(0)) : Buffer.concat(chunks, bytes)));
    req.once('error', brokenOff);
    req.once('close', () => {
      if (!req.complete) brokenOff();
    });
  });
}

async function collect(scope: Scope, maxBytes: number): Promise<void> {
  const { req, meta } = scope;
  const declared = req.headers['content-length'];
  const length = declared === undefined ? null : Number(declared);
  if (length !== null && length > maxBytes) throw tooLarge(maxBytes);
  if (scope.expectsContinue) scope.res.writeContinue();
  // Some client libraries send `{}` with every GET: read and dropped, since a read has no body for vovserver.
  if (meta.method === 'GET' || meta.method === 'HEAD') {
    await readBody(req, Math.min(maxBytes, DROPPED_BYTES));
  } else if (length === null || length <= WHOLE_BYTES) {
    scope.body = { kind: 'bytes', bytes: await readBody(req, Math.min(maxBytes, WHOLE_BYTES)) };
  } else {
    scope.body = { kind: 'stream', stream: req, maxBytes };
  }
}

/** Takes the body within its limit: small and chunked ones into memory, larger ones of a known length as a stream. */
export function createCollectBody(maxBytes: () => number): Step {
  return (scope) => {
    scope.body = NONE;
    return hasBody(scope.req) ? collect(scope, maxBytes()) : undefined;
  };
}
