import { STATUS_CODES } from 'node:http';
import { constants, gzipSync } from 'node:zlib';
import type { FaultKind, FaultRule } from './faults.ts';
import type { Reply } from './reply.ts';

/** Bytes for the socket, and how the connection ends after them. */
export interface RawAnswer {
  readonly pieces: readonly (string | Buffer)[];
  readonly end: 'fin' | 'reset' | 'keep';
  /** Wait between pieces. */
  readonly ms?: number;
}

const FORGED = 'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 17\r\n\r\n{"forged": true}\n';
const MIB = 1_048_576;

const bytesOf = (reply: Reply): Buffer => (typeof reply.body === 'string' ? Buffer.from(reply.body) : reply.body);

/** A status line and headers as text; `length` null leaves Content-Length out. */
function head(reply: Reply, length: number | null, extra: readonly string[] = [], line?: string): string {
  const first = line ?? `HTTP/1.1 ${reply.status} ${STATUS_CODES[reply.status] ?? 'Unknown'}`;
  const lines = [first, `Content-Type: ${reply.contentType}`, ...extra];
  if (length !== null) lines.push(`Content-Length: ${length}`);
  return `${lines.join('\r\n')}\r\n\r\n`;
}

const chunk = (body: Buffer): Buffer =>
  Buffer.concat([Buffer.from(`${body.length.toString(16)}\r\n`), body, Buffer.from('\r\n')]);

function cut(body: Buffer, size: number): Buffer[] {
  const pieces: Buffer[] = [];
  for (let at = 0; at < body.length; at += size) pieces.push(body.subarray(at, at + size));
  return pieces;
}

/** A JSON object with each of its keys twice, the false value first. */
function doubleKeys(body: string): string {
  const value: unknown = JSON.parse(body);
  const entries = Object.entries(typeof value === 'object' && value !== null ? value : { value });
  const twice = entries.flatMap(([key, one]) => [
    `${JSON.stringify(key)}:null`,
    `${JSON.stringify(key)}:${JSON.stringify(one)}`,
  ]);
  return `{${twice.join(',')}}`;
}

function hugeRows(rows: number): string {
  const row = '["000045080","Running","alice"]';
  const columns = '[{"col":0,"field":"ID"},{"col":1,"field":"STATUSNC"},{"col":2,"field":"USER"}]';
  const list = Array.from({ length: rows }, () => row).join(',');
  return `{"startrow":1,"endrow":${rows},"query":"SELECT","errmsg":"","columns":${columns},"rows":[${list}]}`;
}

const whole = (reply: Reply, body: string | Buffer): RawAnswer => {
  const bytes = Buffer.from(body);
  return { pieces: [head(reply, bytes.length), bytes], end: 'keep' };
};

function bomb(reply: Reply, size: number): RawAnswer {
  const packed = gzipSync(Buffer.alloc(size), { level: constants.Z_BEST_COMPRESSION });
  return { pieces: [head(reply, packed.length, ['Content-Encoding: gzip']), packed], end: 'keep' };
}

function withHeaders(reply: Reply, headers: readonly string[]): RawAnswer {
  const body = bytesOf(reply);
  return { pieces: [head(reply, body.length, headers), body], end: 'keep' };
}

const ODD_HEADERS = [
  'Set-Cookie: vovsession=standin-marker; Path=/',
  'Server: vovserver/standin-marker',
  'X-Powered-By: standin-marker',
  'Connection: x-secret, keep-alive',
  'X-Secret: standin-marker',
];

type Maker = (reply: Reply, rule: FaultRule) => RawAnswer;

const MAKERS: { readonly [K in FaultKind]?: Maker } = {
  'reset-mid-body': (reply) => {
    const body = bytesOf(reply);
    return { pieces: [head(reply, body.length), body.subarray(0, body.length >> 1)], end: 'reset' };
  },
  'slow-body': (reply, { bytes = 1, ms = 100 }) => {
    const body = bytesOf(reply);
    return { pieces: [head(reply, body.length), ...cut(body, Math.max(1, bytes))], end: 'keep', ms };
  },
  'truncated-json': (reply) => whole(reply, bytesOf(reply).subarray(0, bytesOf(reply).length >> 1)),
  'short-body': (reply) => {
    const body = bytesOf(reply);
    return { pieces: [head(reply, body.length + 10), body], end: 'fin' };
  },
  'long-body': (reply) => {
    const body = bytesOf(reply);
    return { pieces: [head(reply, body.length), body, 'trailing bytes'], end: 'keep' };
  },
  'invalid-utf8': (reply) =>
    whole(reply, Buffer.concat([Buffer.from('{"x":"'), Buffer.from([0xc3, 0x28, 0xff]), Buffer.from('"}')])),
  'duplicate-keys': (reply) => whole(reply, doubleKeys(bytesOf(reply).toString())),
  'huge-rows': (reply, { rows = 100_000 }) => whole({ ...reply, status: 200 }, hugeRows(rows)),
  bomb: (reply, { bytes = 64 * MIB }) => bomb(reply, bytes),
  'no-length': (reply) => ({ pieces: [head(reply, null, ['Connection: close']), bytesOf(reply)], end: 'fin' }),
  'status-line': (reply, { line = 'HTTP/1.1 099 Odd' }) => {
    const body = bytesOf(reply);
    return { pieces: [head(reply, body.length, [], line), body], end: 'keep' };
  },
  'bad-header': (reply) => withHeaders(reply, ['X-Odd: a\x01b\x00c', 'no colon at all']),
  'huge-header': (reply, { bytes = MIB }) => withHeaders(reply, [`X-Huge: ${'h'.repeat(bytes)}`]),
  'many-headers': (reply, { count = 10_000 }) =>
    withHeaders(
      reply,
      Array.from({ length: count }, (_, index) => `X-Many-${index}: 1`),
    ),
  'odd-headers': (reply) => withHeaders(reply, ODD_HEADERS),
  'duplicate-length': (reply) => withHeaders(reply, ['Content-Length: 1']),
  'length-and-chunked': (reply) => {
    const body = bytesOf(reply);
    const top = head(reply, body.length, ['Transfer-Encoding: chunked']);
    return { pieces: [top, chunk(body), '0\r\n\r\n'], end: 'keep' };
  },
  'bad-chunk': (reply) => {
    const top = head(reply, null, ['Transfer-Encoding: chunked']);
    return { pieces: [top, chunk(bytesOf(reply)), 'zz\r\nnonsense\r\n'], end: 'keep' };
  },
  trailers: (reply) => {
    const top = head(reply, null, ['Transfer-Encoding: chunked', 'Trailer: X-Trailer']);
    return { pieces: [top, chunk(bytesOf(reply)), '0\r\nX-Trailer: standin-marker\r\n\r\n'], end: 'keep' };
  },
  'informational-flood': (reply, { count = 1000 }) => {
    const body = bytesOf(reply);
    const early = 'HTTP/1.1 103 Early Hints\r\nLink: </>; rel=preload\r\n\r\n'.repeat(count);
    return { pieces: [early, head(reply, body.length), body], end: 'keep' };
  },
  'extra-bytes': (reply, { text = FORGED }) => {
    const body = bytesOf(reply);
    return { pieces: [head(reply, body.length), body, text], end: 'keep', ms: 5 };
  },
  raw: (_reply, { text = 'this is no HTTP\r\n\r\n' }) => ({ pieces: [Buffer.from(text, 'latin1')], end: 'fin' }),
};

/** The bytes of a fault that changes what an answer looks like; null when the kind is not one of those. */
export function rawAnswer(reply: Reply, rule: FaultRule): RawAnswer | null {
  return MAKERS[rule.kind]?.(reply, rule) ?? null;
}
