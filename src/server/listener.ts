import { randomUUID } from 'node:crypto';
import { createServer as createHttpServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createHttpsServer, Server as HttpsServer, type ServerOptions } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import type { Config } from '../config/index.ts';
import { ERROR_CODES, type ErrorCode, GatewayError } from '../kernel/index.ts';
import type { TlsMaterial } from '../platform/index.ts';
import { problemOf } from './answer.ts';

type ServerConfig = Config['server'];

/** One listening port of the gateway. */
export interface Listener {
  readonly port: number;
  /** Stops accepting; resolves when the last connection has ended. Idle ones are closed at once. */
  close(): Promise<void>;
  /** Closes connections that serve no request right now. */
  closeIdle(): void;
  /** Cuts whatever is still open. */
  cut(): void;
}

/** Faults that Node's HTTP parser finds before there is a request; anything else is a malformed message. */
const PARSER_FAULTS: Readonly<Record<string, ErrorCode>> = {
  HPE_HEADER_OVERFLOW: 'GW_HEADERS_TOO_LARGE',
};

const ANSWER = Symbol('answer');

/** A connection with the answer that it is busy with, or was busy with last. */
interface Busy extends Socket {
  [ANSWER]?: ServerResponse;
}

const detailOf = (code: string | undefined): string => {
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return 'The request did not arrive in time.';
  return code === 'HPE_HEADER_OVERFLOW'
    ? 'The headers exceed server.limits.headerBytes.'
    : 'The message is not well-formed HTTP/1.1.';
};

/** Answers what the HTTP parser refused, and closes: nothing after a malformed message can be believed. */
function answerParserFault(error: NodeJS.ErrnoException, socket: Busy): void {
  const running = socket[ANSWER];
  const underWay = running !== undefined && !running.writableFinished;
  if (underWay && running.req.complete) {
    // The fault came behind a request that is still being answered: that answer is not spoilt, and is the last one.
    running.once('close', () => socket.destroy());
    return;
  }
  if (!socket.writable || error.code === 'ECONNRESET' || (underWay && running.headersSent)) {
    socket.destroy();
    return;
  }
  const timedOut = error.code === 'ERR_HTTP_REQUEST_TIMEOUT';
  const fault = new GatewayError(PARSER_FAULTS[error.code ?? ''] ?? 'GW_BAD_REQUEST', detailOf(error.code));
  const status = timedOut ? 408 : fault.status;
  const requestId = randomUUID();
  const body = `${JSON.stringify({ ...problemOf(fault, requestId, true), status })}\n`;
  socket.end(
    `HTTP/1.1 ${status} ${timedOut ? 'Request Timeout' : ERROR_CODES[fault.code].title}\r\n` +
      `Content-Type: application/problem+json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n` +
      `X-Request-Id: ${requestId}\r\nConnection: close\r\n\r\n${body}`,
  );
  // A peer that never reads or closes must not keep the socket.
  socket.setTimeout(2000, () => socket.destroy());
}

/** Holds the number of open connections of one address within its limit. */
function boundConnections(server: Server, perAddress: () => number): Set<Socket> {
  const open = new Map<string, number>();
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    const address = socket.remoteAddress ?? '';
    const count = (open.get(address) ?? 0) + 1;
    open.set(address, count);
    sockets.add(socket);
    socket.once('close', () => {
      sockets.delete(socket);
      const left = (open.get(address) ?? 1) - 1;
      if (left > 0) open.set(address, left);
      else open.delete(address);
    });
    if (count > perAddress()) socket.destroy();
  });
  return sockets;
}

function applyLimits(server: Server, config: ServerConfig): void {
  const { limits } = config;
  server.maxHeadersCount = 0; // Counted in `check message`, where too many are refused instead of cut off.
  server.maxConnections = limits.connections;
  server.headersTimeout = limits.headersTimeout;
  server.requestTimeout = limits.requestTimeout;
  server.keepAliveTimeout = limits.idleTimeout;
}

function tlsOptions(config: ServerConfig, material: TlsMaterial | null): ServerOptions {
  const { cert, key } = material?.current() ?? {};
  return {
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
    minVersion: config.tls?.minVersion ?? 'TLSv1.2',
    // Mozilla's intermediate profile: forward secrecy and authenticated encryption only.
    ciphers: [
      'TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256',
      'ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384',
      'ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305',
    ].join(':'),
    // Its clients choose: the profile holds nothing weak to be kept from.
    honorCipherOrder: false,
    ecdhCurve: 'X25519MLKEM768:X25519:prime256v1:secp384r1',
    handshakeTimeout: config.limits.headersTimeout,
  };
}

/** Starts listening on one port. `material` is the certificate towards the callers, or null for plain HTTP. */
export async function createListener(
  config: ServerConfig,
  port: number,
  handler: (req: IncomingMessage, res: ServerResponse) => void,
  material: TlsMaterial | null,
): Promise<Listener> {
  const { limits } = config;
  const common = {
    maxHeaderSize: limits.headerBytes,
    // A missing Host is refused by `check message`, in the same shape as every other error.
    requireHostHeader: false,
    keepAlive: true,
    noDelay: true,
    // How often Node looks for requests that are late.
    connectionsCheckingInterval: Math.max(100, Math.min(5000, limits.headersTimeout / 4)),
  };
  const serve = (req: IncomingMessage, res: ServerResponse): void => {
    (req.socket as Busy)[ANSWER] = res;
    handler(req, res);
  };
  const server: Server =
    material === null
      ? createHttpServer(common, serve)
      : createHttpsServer({ ...common, ...tlsOptions(config, material) }, serve);
  applyLimits(server, config);
  const sockets = boundConnections(server, () => config.limits.connectionsPerAddress);
  // `100 Continue` is sent by the step that wants the body, not before the request is accepted.
  server.on('checkContinue', serve);
  // An unknown expectation is refused by `check message`, in the same shape as every other error.
  server.on('checkExpectation', serve);
  // CONNECT asks for a tunnel. Without a listener Node closes the socket in silence.
  server.on('connect', (_req, socket: Socket) => answerParserFault(new Error('CONNECT'), socket));
  server.on('clientError', (error, socket: Socket) => answerParserFault(error, socket));
  const reload = material?.onChange(() => {
    if (server instanceof HttpsServer) server.setSecureContext(tlsOptions(config, material));
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, config.host, resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        reload?.[Symbol.dispose]();
        server.close(() => resolve());
        server.closeIdleConnections();
      }),
    closeIdle: () => server.closeIdleConnections(),
    cut: () => {
      for (const socket of sockets) socket.destroy();
    },
  };
}
