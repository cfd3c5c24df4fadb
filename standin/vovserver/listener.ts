import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer as createHttp, type Server as HttpServer, type RequestListener } from 'node:http';
import { createServer as createHttps, type Server as HttpsServer } from 'node:https';
import { type AddressInfo, createServer as createTcp, type Socket } from 'node:net';
import type { SecureContextOptions, TLSSocket } from 'node:tls';
import type { Leaf } from '../certificates.ts';
import type { Connections } from './connections.ts';
import type { Profile } from './profile.ts';
import type { Stats } from './stats.ts';

/** What the TLS side of a listener shows and demands. */
export interface TlsFace {
  readonly leaf: Leaf;
  /** PEM of authorities; with it, clients must show a certificate of theirs. */
  readonly clientCaPem?: string;
}

export interface ListenerParts {
  /** Null for plain HTTP. */
  readonly tls: TlsFace | null;
  readonly host: string;
  readonly profile: () => Profile;
  readonly maxConnections: () => number;
  readonly stats: Stats;
  readonly connections: Connections;
  readonly handle: RequestListener;
  /** Bytes that are no HTTP request. */
  readonly malformed: (socket: Socket, code: string) => void;
}

/** The web port. It can be closed and opened again, and shows a new certificate to new connections at once. */
export interface Listener {
  readonly port: number;
  listen(port: number): Promise<void>;
  close(how: 'fin' | 'reset'): Promise<void>;
  /** `resume`: sessions of the old certificate may still be resumed. */
  show(leaf: Leaf, resume: boolean): void;
  /** Takes over keepAliveMs and the TLS versions of the profile. */
  refresh(): void;
}

const TLS_HANDSHAKE = 0x16;
const MAX_HEADER_BYTES = 65_536;
const BAD_REQUEST = 'HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\nBad Request\n';

function secureOptions(leaf: Leaf, profile: Profile, clientCaPem: string | undefined): SecureContextOptions {
  return {
    cert: leaf.certPem,
    key: leaf.keyPem,
    minVersion: profile.minTls,
    maxVersion: profile.minTls > profile.maxTls ? profile.minTls : profile.maxTls,
    // OpenSSL's default level refuses weak keys, and to show one is the point of a test.
    ciphers: 'DEFAULT@SECLEVEL=0',
    ...(clientCaPem === undefined ? {} : { ca: clientCaPem }),
  };
}

function createPlain(parts: ListenerParts): HttpServer {
  const server = createHttp({ maxHeaderSize: MAX_HEADER_BYTES }, parts.handle);
  watch(server, parts);
  return server;
}

function createSecure(parts: ListenerParts, tls: TlsFace): HttpsServer {
  const mutual = tls.clientCaPem !== undefined;
  const options = { ...secureOptions(tls.leaf, parts.profile(), tls.clientCaPem), ticketKeys: randomBytes(48) };
  const server = createHttps(
    { ...options, maxHeaderSize: MAX_HEADER_BYTES, requestCert: mutual, rejectUnauthorized: mutual },
    parts.handle,
  );
  server.on('tlsClientError', (_error, socket) => {
    parts.stats.tlsFailures += 1;
    socket.destroy();
  });
  server.on('secureConnection', (socket: TLSSocket) => {
    parts.stats.handshakes += 1;
    if (socket.isSessionReused()) parts.stats.resumed += 1;
  });
  watch(server, parts);
  return server;
}

function watch(server: HttpServer | HttpsServer, parts: ListenerParts): void {
  server.keepAliveTimeout = parts.profile().keepAliveMs;
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) => {
    if (error.code === 'ECONNRESET' || !socket.writable) return void socket.destroy();
    parts.malformed(socket, error.code ?? 'unknown');
    socket.end(BAD_REQUEST);
  });
  server.on('connect', (request, socket: Socket) => {
    parts.malformed(socket, `CONNECT ${request.url}`);
    socket.end(BAD_REQUEST);
  });
}

/** Plain HTTP on the TLS port gets what the profile says. */
function plainOnTls(parts: ListenerParts, raw: Socket, first: Buffer, plain: HttpServer, port: number): void {
  if (parts.profile().plainHttp === 'served') {
    raw.unshift(first);
    plain.emit('connection', raw);
    raw.resume();
    return;
  }
  parts.malformed(raw, 'plain HTTP on the TLS port');
  const path = /^[A-Z]+ (\/\S*)/.exec(first.toString('latin1'))?.[1] ?? '/';
  const moved = `HTTP/1.1 301 Moved Permanently\r\nLocation: https://${parts.host}:${port}${path}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`;
  raw.end(parts.profile().plainHttp === 'redirect' ? moved : BAD_REQUEST);
}

/** Hands each TCP connection to the plain or to the TLS server by its first byte. */
function takeConnection(
  parts: ListenerParts,
  raw: Socket,
  plain: HttpServer,
  secure: HttpsServer | null,
  port: number,
): void {
  raw.on('error', () => raw.destroy());
  if (!parts.connections.accept(raw, parts.maxConnections())) return;
  raw.setNoDelay(true);
  if (secure === null) return void plain.emit('connection', raw);
  raw.once('data', (first: Buffer) => {
    raw.pause();
    if (first[0] !== TLS_HANDSHAKE) return plainOnTls(parts, raw, first, plain, port);
    raw.unshift(first);
    secure.emit('connection', raw);
  });
}

/** Makes the web port; it does not listen yet. */
export function createListener(parts: ListenerParts): Listener {
  const plain = createPlain(parts);
  const secure = parts.tls === null ? null : createSecure(parts, parts.tls);
  let { leaf } = parts.tls ?? { leaf: null };
  let port = 0;
  const tcp = createTcp((raw) => takeConnection(parts, raw, plain, secure, port));
  return {
    get port() {
      return port;
    },
    async listen(wanted) {
      tcp.listen(wanted, parts.host);
      await once(tcp, 'listening');
      port = (tcp.address() as AddressInfo).port;
    },
    async close(how) {
      if (!tcp.listening) return;
      const closed = once(tcp, 'close');
      tcp.close();
      parts.connections.closeAll(how);
      await closed;
    },
    show(next, resume) {
      leaf = next;
      const ticketKeys = resume ? secure?.getTicketKeys() : undefined;
      secure?.setSecureContext({
        ...secureOptions(next, parts.profile(), parts.tls?.clientCaPem),
        ticketKeys: ticketKeys ?? randomBytes(48),
      });
    },
    refresh() {
      for (const server of [plain, secure]) if (server !== null) server.keepAliveTimeout = parts.profile().keepAliveMs;
      if (leaf !== null && secure !== null) {
        const options = secureOptions(leaf, parts.profile(), parts.tls?.clientCaPem);
        secure.setSecureContext({ ...options, ticketKeys: secure.getTicketKeys() });
      }
    },
  };
}
