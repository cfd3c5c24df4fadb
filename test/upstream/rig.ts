import { createServer, type IncomingHttpHeaders, type IncomingMessage, request, type ServerResponse } from 'node:http';
import { type AddressInfo, connect, createServer as createTcpServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, type TlsOptions, Server as TlsServer } from 'node:tls';
import type { QueueConfig } from '../../src/config/index.ts';
import { queueSchema } from '../../src/config/schema-queue.ts';
import { type Clock, Secret, systemClock, toGatewayError } from '../../src/kernel/index.ts';
import type { CertificateRecord, LogFields, Report, UpstreamRecord } from '../../src/observe/index.ts';
import {
  type CallBody,
  type Credential,
  createUpstream,
  type ForwardResult,
  type Upstream,
  type UpstreamHandle,
  type UpstreamToken,
} from '../../src/upstream/index.ts';

/** What a report was told. */
export interface Told {
  readonly upstream: UpstreamRecord[];
  readonly certificates: CertificateRecord[];
  readonly log: { level: string; fields: LogFields; message: string }[];
  open: number;
  peak: number;
}

export function createToldReport(): Report & { told: Told } {
  const told: Told = { upstream: [], certificates: [], log: [], open: 0, peak: 0 };
  const write = (level: string) => (fields: LogFields, message: string) =>
    void told.log.push({ level, fields, message });
  const ignore = (): void => undefined;
  return {
    told,
    log: { debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error') },
    upstream: (record) => void told.upstream.push(record),
    certificate: (record) => void told.certificates.push(record),
    upstreamConnections(_queue, open) {
      told.open = open;
      told.peak = Math.max(told.peak, open);
    },
    requestStarted: ignore,
    requestEnded: ignore,
    jwtLookup: ignore,
    login: ignore,
    jwtExpiry: ignore,
    limit: ignore,
    attempt: ignore,
    store: ignore,
    storeCommand: ignore,
    signIn: () => undefined,
    turn: () => undefined,
    lane: () => undefined,
    maintenance: () => undefined,
    coalesced: () => undefined,
    upstreamCircuit: () => undefined,
    retry: () => undefined,
    submission: () => undefined,
    policyDecision: () => undefined,
    jobWatchers: () => undefined,
    jobWatchCall: () => undefined,
    credential: () => undefined,
    providerReady: () => undefined,
    configReload: ignore,
  };
}

type QueueInput = Parameters<typeof queueSchema.parse>[0];

/** A queue as it would come from the file; the name is not checked unless asked for. */
export function queueOf(url: string | string[], more: object = {}): QueueConfig {
  const input: QueueInput = {
    name: 'night',
    urls: typeof url === 'string' ? [url] : url,
    checkName: false,
    allowInsecure: true,
    ...more,
  };
  return queueSchema.parse(input);
}

export function tokenOf(text: string): UpstreamToken {
  return { tokenType: 'Bearer', accessToken: new Secret(text), issuedAt: 0, expiresAt: Number.MAX_SAFE_INTEGER };
}

/** A credential that gives `jwt-<account>` and, renewed n times, `jwt-<account>-<n>`. */
export function countingCredential(account: string): Credential & { renewals: number } {
  const credential = {
    renewals: 0,
    get: () => tokenOf(credential.renewals === 0 ? `jwt-${account}` : `jwt-${account}-${credential.renewals}`),
    async renew() {
      credential.renewals += 1;
      return credential.get();
    },
  };
  return credential;
}

/** A caller's answer. `cut` is true when it broke off. */
export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly rawHeaders: string[];
  readonly body: Buffer;
  readonly cut: boolean;
  /** `GW_…` when the gateway answered by itself. */
  readonly code: string | undefined;
  readonly detail: string | undefined;
}

export interface CallOptions {
  readonly method?: string;
  readonly headers?: Record<string, string | string[]>;
  readonly body?: string | Buffer;
  readonly account?: string;
  /** Hand the body over as a stream of at most so many bytes. */
  readonly streamUpTo?: number;
  readonly queue?: string;
  readonly target?: string;
}

export interface Rig extends AsyncDisposable {
  readonly upstream: UpstreamHandle;
  readonly told: Told;
  readonly port: number;
  readonly results: ForwardResult[];
  readonly errors: ReturnType<typeof toGatewayError>[];
  call(options?: CallOptions): Promise<Answer>;
}

export interface RigOptions {
  readonly queues: readonly QueueConfig[];
  readonly clock?: Clock;
  readonly credential?: (account: string) => Credential;
  /** Another road than the upstream's own; its calls carry a head. */
  readonly road?: (upstream: UpstreamHandle) => Upstream['forward'];
}

async function bodyOf(req: IncomingMessage): Promise<CallBody> {
  const upTo = req.headers['x-test-stream'];
  if (upTo !== undefined) return { kind: 'stream', stream: req, maxBytes: Number(upTo) };
  const chunks: Buffer[] = [];
  for await (const chunk of req) chunks.push(chunk);
  const bytes = Buffer.concat(chunks);
  return bytes.length === 0 ? { kind: 'none' } : { kind: 'bytes', bytes };
}

function refuse(res: ServerResponse, error: ReturnType<typeof toGatewayError>): void {
  if (res.headersSent || res.destroyed) return;
  res.writeHead(error.status, {
    'content-type': 'application/problem+json',
    ...(error.retryAfter === undefined ? {} : { 'retry-after': String(error.retryAfter) }),
  });
  res.end(JSON.stringify({ code: error.code, detail: error.detail }));
}

/** Boots an upstream behind a plain HTTP front that hands every request over, as the gateway's pipeline does. */
export async function createRig({ queues, clock = systemClock, credential, road }: RigOptions): Promise<Rig> {
  const report = createToldReport();
  const upstream = createUpstream({ queues, report, clock });
  const forward = road === undefined ? upstream.forward : road(upstream);
  const results: ForwardResult[] = [];
  const errors: ReturnType<typeof toGatewayError>[] = [];
  let id = 0;
  const front = createServer(async (req, res) => {
    const gone = new AbortController();
    res.on('close', () => {
      if (!res.writableFinished) gone.abort();
    });
    const account = String(req.headers['x-test-account'] ?? 'alice');
    res.setHeader('x-frame-options', 'DENY');
    res.setHeader('x-request-id', `rid-${id}`);
    id += 1;
    try {
      const call = {
        queue: String(req.headers['x-test-queue'] ?? queues[0]?.name),
        account,
        method: req.method ?? '',
        target: req.url ?? '',
        route: '/test',
        class: 'read' as const,
        rawHeaders: req.rawHeaders,
        body: await bodyOf(req),
        requestId: `rid-${id}`,
        traceparent: '00-11111111111111111111111111111111-2222222222222222-01',
        signal: gone.signal,
        ...(road === undefined ? {} : { head: ['ratelimit', `"identity";r=${id}`] }),
      };
      results.push(await forward(call, (credential ?? countingCredential)(account), res));
    } catch (error) {
      errors.push(toGatewayError(error));
      refuse(res, toGatewayError(error));
    }
  });
  await new Promise<void>((resolve) => front.listen(0, '127.0.0.1', resolve));
  const { port } = front.address() as AddressInfo;
  return {
    upstream,
    told: report.told,
    port,
    results,
    errors,
    call: (options = {}) => callFront(port, options),
    async [Symbol.asyncDispose]() {
      await upstream[Symbol.asyncDispose]();
      front.closeAllConnections();
      await new Promise((resolve) => front.close(resolve));
    },
  };
}

function callFront(port: number, options: CallOptions): Promise<Answer> {
  const { method = 'GET', headers = {}, body, account, streamUpTo, queue, target = '/api/v3/jobs/1' } = options;
  return new Promise((resolve, reject) => {
    const framed = body === undefined || 'transfer-encoding' in headers;
    const marks = {
      ...(framed ? {} : { 'content-length': String(Buffer.byteLength(body)) }),
      ...(account === undefined ? {} : { 'x-test-account': account }),
      ...(streamUpTo === undefined ? {} : { 'x-test-stream': String(streamUpTo) }),
      ...(queue === undefined ? {} : { 'x-test-queue': queue }),
    };
    const req = request({
      port,
      host: '127.0.0.1',
      method,
      path: target,
      headers: { ...headers, ...marks },
      agent: false,
    });
    let answered = false;
    req.on('error', (error) => {
      if (answered) return;
      const broken = {
        status: 0,
        headers: {},
        rawHeaders: [],
        body: Buffer.alloc(0),
        code: undefined,
        detail: undefined,
      };
      if ('code' in error && error.code === 'ECONNRESET') resolve({ ...broken, cut: true });
      else reject(error);
    });
    req.on('response', (res) => {
      answered = true;
      const chunks: Buffer[] = [];
      res.on('data', (chunk: Buffer) => chunks.push(chunk));
      res.on('error', () => undefined);
      res.on('close', () => {
        const got = Buffer.concat(chunks);
        const own = res.headers['content-type'] === 'application/problem+json' && res.complete;
        const problem = own ? (JSON.parse(got.toString()) as { code: string; detail: string }) : undefined;
        resolve({
          status: res.statusCode ?? 0,
          headers: res.headers,
          rawHeaders: res.rawHeaders,
          body: got,
          cut: !res.complete,
          code: problem?.code,
          detail: problem?.detail,
        });
      });
    });
    req.end(body);
  });
}

/** A GET by hand, whose answer can be looked at while it runs. */
export function openCall(port: number, target = '/api/v3/jobs'): { text: () => string; closed: Promise<unknown> } {
  const socket = connect(port, '127.0.0.1');
  let text = '';
  socket.on('data', (chunk: Buffer) => {
    text += chunk.toString('latin1');
  });
  socket.on('error', () => undefined);
  socket.write(`GET ${target} HTTP/1.1\r\nHost: x\r\n\r\n`);
  return { text: () => text, closed: new Promise((resolve) => socket.on('close', resolve)) };
}

/** One request as it arrived on the wire. */
export interface RawRequest {
  readonly head: string;
  readonly method: string;
  readonly target: string;
  readonly headers: Map<string, string>;
  readonly body: Buffer;
}

export interface RawServer extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  readonly sockets: Set<Socket>;
  /** Connections accepted so far. */
  accepted: number;
  readonly requests: RawRequest[];
  /** Everything that came in, per connection. */
  readonly received: Buffer[][];
  /** TLS only: shown from the next handshake on. */
  setCertificate(options: TlsOptions): void;
}

export type RawHandler = (socket: Socket, request: RawRequest, nth: number) => void;

function parseHead(head: string): Omit<RawRequest, 'body'> {
  const [line = '', ...lines] = head.split('\r\n');
  const [method = '', target = ''] = line.split(' ');
  const headers = new Map<string, string>();
  for (const text of lines) {
    const at = text.indexOf(':');
    headers.set(text.slice(0, at).toLowerCase(), text.slice(at + 1).trim());
  }
  return { head, method, target, headers };
}

/** Takes complete requests (by Content-Length or chunked end) off the front of `data`. */
function takeRequest(data: Buffer): { request: RawRequest; rest: Buffer } | null {
  const end = data.indexOf('\r\n\r\n');
  if (end < 0) return null;
  const head = parseHead(data.subarray(0, end).toString('latin1'));
  const after = data.subarray(end + 4);
  if (head.headers.get('transfer-encoding') === 'chunked') {
    const last = after.indexOf('0\r\n\r\n');
    if (last < 0) return null;
    return { request: { ...head, body: after.subarray(0, last + 5) }, rest: after.subarray(last + 5) };
  }
  const length = Number(head.headers.get('content-length') ?? 0);
  if (after.length < length) return null;
  return { request: { ...head, body: after.subarray(0, length) }, rest: after.subarray(length) };
}

/** A TCP or TLS server that answers with the very bytes of its handler. */
export async function createRawServer(handler: RawHandler, tls?: TlsOptions, at = 0): Promise<RawServer> {
  const requests: RawRequest[] = [];
  const received: Buffer[][] = [];
  const sockets = new Set<Socket>();
  const onSocket = (socket: Socket): void => {
    raw.accepted += 1;
    const bytes: Buffer[] = [];
    received.push(bytes);
    sockets.add(socket);
    let pending: Buffer = Buffer.alloc(0);
    socket.on('error', () => undefined);
    socket.on('close', () => sockets.delete(socket));
    socket.on('data', (chunk: Buffer) => {
      bytes.push(chunk);
      pending = Buffer.concat([pending, chunk]);
      for (let taken = takeRequest(pending); taken !== null; taken = takeRequest(pending)) {
        pending = taken.rest;
        requests.push(taken.request);
        handler(socket, taken.request, requests.length);
      }
    });
  };
  const server: Server = tls === undefined ? createTcpServer(onSocket) : createTlsServer(tls, onSocket);
  server.on('tlsClientError', () => undefined);
  const all = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    all.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => all.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(at, resolve));
  const { port } = server.address() as AddressInfo;
  const raw: RawServer = {
    url: `${tls === undefined ? 'http' : 'https'}://localhost:${port}`,
    port,
    sockets,
    accepted: 0,
    requests,
    received,
    setCertificate(options) {
      if (server instanceof TlsServer) server.setSecureContext(options);
    },
    async [Symbol.asyncDispose]() {
      for (const socket of all) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return raw;
}

/** An answer with a length, the usual case. */
export function reply(socket: Socket, body: string, status = '200 OK', headers: readonly string[] = []): void {
  const lines = [`HTTP/1.1 ${status}`, 'Content-Type: application/json', ...headers];
  socket.write(`${lines.join('\r\n')}\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
}

/** Waits until `seen` holds; the test's own time limit ends an endless wait. */
export async function until(seen: () => boolean): Promise<void> {
  while (!seen()) await new Promise((resolve) => setTimeout(resolve, 5));
}
