import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { createWorld, type World } from '../world/world.ts';
import { type RawAnswer, send } from './raw.ts';

// Every request class of the HTTP front over raw sockets: what the gateway answers, and what reached the stand-in.
const JOB = '{"command":"true","logfile":"L","rundir":"/tmp","env":"BASE"}';
const LENGTH = JOB.length;
const READ = '/api/v3/project/1/version';
const GET = `GET ${READ} HTTP/1.1\r\n`;
const POST = 'POST /api/v3/jobs HTTP/1.1\r\n';

/** What one attack looks like and what may come of it. `reaches` counts requests of the caller at the stand-in. */
interface Attack {
  readonly name: string;
  readonly bytes: string;
  readonly status: number;
  readonly reaches: 0 | 1;
}

const refused = (name: string, bytes: string, status = 400): Attack => ({ name, bytes, status, reaches: 0 });
const carried = (name: string, bytes: string, status = 200): Attack => ({ name, bytes, status, reaches: 1 });

describe('HTTP front', () => {
  let world: World;
  let head: string;
  before(async () => {
    world = await createWorld({
      config: { server: { limits: { headersTimeout: '400ms', requestTimeout: '800ms', bodyBytes: '64KiB' } } },
    });
    const token = await world.token('alice');
    head = `Host: gw\r\nAuthorization: Bearer ${token}\r\nConnection: close\r\n`;
    await world.call('GET', '/api/v3/project/1/project', { token });
    await world.call('POST', '/api/v3/jobs', { token, json: { ...JSON.parse(JOB), logfile: 'first' } });
  });
  after(() => world[Symbol.asyncDispose]());

  /** Requests of the caller that the stand-in saw while `act` ran; the gateway's own logins and checks do not count. */
  async function seenDuring<T>(act: () => Promise<T>) {
    const mark = world.vovserver.ledger.seq;
    const result = await act();
    const requests = world.vovserver.ledger.requests.filter(
      (r) => r.seq > mark && !r.target.includes('/project/1/project'),
    );
    return { result, requests, malformed: world.vovserver.ledger.malformed.filter((m) => m.seq > mark) };
  }

  async function play({ bytes, status, reaches }: Attack): Promise<RawAnswer | undefined> {
    const { result, requests, malformed } = await seenDuring(() => send(world.gateway.port, bytes));
    assert.deepEqual(malformed, []);
    assert.equal(requests.length, reaches, JSON.stringify(requests.map((r) => `${r.method} ${r.target}`)));
    assert.equal(result[0]?.status, status, JSON.stringify(result));
    if (status >= 400 && reaches === 0 && !bytes.startsWith('HEAD')) {
      const problem = JSON.parse(result[0]?.body ?? '');
      assert.match(problem.code, /^GW_/);
      assert.equal(problem.status, status);
      assert.equal(typeof problem.detail, 'string');
    }
    return result[0];
  }

  const framing = (headers: string, body: string): string =>
    `${POST}{head}Content-Type: application/json\r\n${headers}\r\n${body}`;
  const chunked = (body: string): string => framing('Transfer-Encoding: chunked\r\n', body);
  const wholeChunk = `${LENGTH.toString(16)}\r\n${JOB}\r\n0\r\n\r\n`;

  const attacks: readonly Attack[] = [
    refused(
      'Content-Length with Transfer-Encoding',
      framing(`Content-Length: ${LENGTH}\r\nTransfer-Encoding: chunked\r\n`, wholeChunk),
    ),
    refused(
      'Transfer-Encoding with Content-Length',
      framing(`Transfer-Encoding: chunked\r\nContent-Length: 4\r\n`, wholeChunk),
    ),
    refused(
      'two Transfer-Encodings, the second unknown',
      framing('Transfer-Encoding: chunked\r\nTransfer-Encoding: cow\r\n', wholeChunk),
    ),
    refused(
      'two Transfer-Encodings, the first identity',
      framing('Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n', wholeChunk),
    ),
    refused('listed Transfer-Encoding', framing('Transfer-Encoding: gzip, chunked\r\n', wholeChunk)),
    refused('chunked is not the last coding', framing('Transfer-Encoding: chunked, gzip\r\n', wholeChunk)),
    refused('unknown transfer coding', framing('Transfer-Encoding: xchunked\r\n', wholeChunk)),
    refused('Transfer-Encoding with a vertical tab', framing('Transfer-Encoding:\x0bchunked\r\n', wholeChunk)),
    refused('space before the colon', framing('Transfer-Encoding : chunked\r\n', wholeChunk)),
    refused('two different Content-Lengths', framing(`Content-Length: ${LENGTH}\r\nContent-Length: 0\r\n`, JOB)),
    refused('two equal Content-Lengths', framing(`Content-Length: ${LENGTH}\r\nContent-Length: ${LENGTH}\r\n`, JOB)),
    refused('listed Content-Length', framing(`Content-Length: ${LENGTH}, ${LENGTH}\r\n`, JOB)),
    refused('Content-Length with a sign', framing(`Content-Length: +${LENGTH}\r\n`, JOB)),
    refused('negative Content-Length', framing('Content-Length: -1\r\n', JOB)),
    refused('hexadecimal Content-Length', framing(`Content-Length: 0x${LENGTH.toString(16)}\r\n`, JOB)),
    refused(
      'HTTP/1.0 with Transfer-Encoding',
      `POST /api/v3/jobs HTTP/1.0\r\n{head}Transfer-Encoding: chunked\r\n\r\n${wholeChunk}`,
    ),
    refused('bare LF as line end', `GET /api/v3/jobs/1 HTTP/1.1\nHost: gw\n\n`),
    refused('bare CR in a value', `${GET}{head}X-A: a\rX-B: b\r\n\r\n`),
    refused('bare LF in a value', `${GET}{head}X-A: a\nX-B: b\r\n\r\n`),
    refused('folded header line', `${GET}{head}X-A: a\r\n b\r\n\r\n`),
    refused('chunk size with a prefix', chunked(`0x${wholeChunk}`)),
    refused('chunk size with a sign', chunked(`+${wholeChunk}`)),
    refused('chunk size that overflows', chunked(`FFFFFFFFFFFFFFFFF\r\n${JOB}\r\n0\r\n\r\n`)),
    refused('chunk without its line end', chunked(`${LENGTH.toString(16)}\r\n${JOB}X0\r\n\r\n`)),
    refused('chunk size ended by a bare LF', chunked(`${LENGTH.toString(16)}\n${JOB}\r\n0\r\n\r\n`)),
    refused('chunk extension with a bare LF', chunked(`${LENGTH.toString(16)};a=\n${JOB}\r\n0\r\n\r\n`)),
    refused('no Host', `${GET}{noHost}\r\n`),
    refused('two Hosts', `${GET}{head}Host: other\r\n\r\n`),
    refused('Host with a path', `${GET}{noHost}Host: gw/api\r\n\r\n`),
    refused('Host with user information', `${GET}{noHost}Host: a@gw\r\n\r\n`),
    refused('empty Host', `${GET}{noHost}Host:\r\n\r\n`),
    refused('absolute-form target', `GET http://gw/api/v3/jobs/1 HTTP/1.1\r\n{head}\r\n`),
    refused('absolute-form target of another host', `GET http://other/api/v3/jobs/1 HTTP/1.1\r\n{head}\r\n`),
    refused('authority-form target', `GET gw:443 HTTP/1.1\r\n{head}\r\n`),
    refused('asterisk target', `OPTIONS * HTTP/1.1\r\n{head}\r\n`),
    refused('CONNECT', `CONNECT vovserver:6330 HTTP/1.1\r\n{head}\r\n`),
    refused('unknown expectation', `${POST}{head}Expect: the-worst\r\nContent-Length: ${LENGTH}\r\n\r\n${JOB}`),
    refused('TRACE', `TRACE /api/v3/jobs/1 HTTP/1.1\r\n{head}\r\n`, 405),
    refused('PROPFIND', `PROPFIND /api/v3/jobs/1 HTTP/1.1\r\n{head}\r\n`, 405),
    refused('method in lower case', `get /api/v3/jobs/1 HTTP/1.1\r\n{head}\r\n`),
    refused('method with a space', `G ET /api/v3/jobs/1 HTTP/1.1\r\n{head}\r\n`),
    refused('NUL in a header name', `${GET}{head}X\x00A: a\r\n\r\n`),
    refused('NUL in a header value', `${GET}{head}X-A: a\x00b\r\n\r\n`),
    refused('too many headers', `${GET}{head}${'X-A: a\r\n'.repeat(120)}\r\n`, 431),
    refused('headers too large', `${GET}{head}X-A: ${'a'.repeat(20_000)}\r\n\r\n`, 431),
    refused('target too long', `GET /api/v3/query?select=${'a'.repeat(9000)} HTTP/1.1\r\n{head}\r\n`, 414),
    refused('body over its limit', framing('Content-Length: 70000\r\n', 'x'.repeat(70_000)), 413),
    refused('chunked body over its limit', chunked(`11170\r\n${'x'.repeat(70_000)}\r\n0\r\n\r\n`), 413),
    refused('HTTP/2 preface', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
    refused('HTTP/1.2', 'GET /api/v3/jobs/1 HTTP/1.2\r\n{head}\r\n'),
    refused('HTTP/0.9', 'GET /api/v3/jobs/1\r\n\r\n'),
    refused('vendor page', `GET /html/vovrest.html HTTP/1.1\r\n{head}\r\n`, 404),
    refused('another API version', `GET /api/v2/jobs/1 HTTP/1.1\r\n{head}\r\n`, 404),
    refused(
      'health-check user agent without a token',
      `${GET}Host: gw\r\nUser-Agent: GoogleHC/1.0\r\nConnection: close\r\n\r\n`,
      401,
    ),
    refused(
      'spoofed forwarded path',
      `GET /healthz HTTP/1.1\r\n{head}X-Forwarded-Uri: /api/v3/jobs/1\r\nX-Original-URL: /api/v3/jobs/1\r\n\r\n`,
      404,
    ),
    refused('fragment in the target', `GET /api/v3/jobs/1#/../../html HTTP/1.1\r\n{head}\r\n`),
    carried('plain GET', `${GET}{head}\r\n`),
    carried('chunked body', chunked(wholeChunk)),
    carried('chunk extension', chunked(`${LENGTH.toString(16)};a=b\r\n${JOB.replace('"L"', '"M"')}\r\n0\r\n\r\n`)),
    carried('body on GET', `${GET}{head}Content-Length: 2\r\n\r\n{}`),
    carried('chunked body on GET', `${GET}{head}Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n`),
    // The stand-in knows no HEAD; what counts is that the call arrives as one HEAD without a body.
    carried('HEAD with a body', `HEAD ${READ} HTTP/1.1\r\n{head}Content-Length: 2\r\n\r\n{}`, 405),
    carried(
      'Expect: 100-continue',
      framing(`Expect: 100-continue\r\nContent-Length: ${LENGTH}\r\n`, JOB.replace('"L"', '"N"')),
    ),
    carried('HTTP/1.0', `GET ${READ} HTTP/1.0\r\n{head}\r\n`),
    carried('Upgrade', `${GET}{head}Upgrade: websocket\r\n\r\n`),
  ];

  for (const attack of attacks) {
    it(`${attack.status < 400 ? 'carries' : 'refuses'}: ${attack.name}`, async () => {
      const noHost = head.replace('Host: gw\r\n', '');
      await play({ ...attack, bytes: attack.bytes.replace('{head}', () => head).replace('{noHost}', () => noHost) });
    });
  }

  const corpus = readFileSync(join(import.meta.dirname, '../access/bad-targets.txt'), 'utf8').split('\n');
  it('refuses every spelling of a bad target with 400', async () => {
    const targets = corpus
      .filter((line) => line !== '' && !line.startsWith('# '))
      .map((line) =>
        (line.split('\t')[0] ?? '').replace(/\\x([0-9a-f]{2})/gi, (_, hex) =>
          String.fromCharCode(Number.parseInt(hex, 16)),
        ),
      );
    assert.ok(targets.length > 20);
    for (const target of targets) {
      const { result, requests } = await seenDuring(() =>
        send(world.gateway.port, `GET ${target} HTTP/1.1\r\n${head}\r\n`),
      );
      assert.ok(result[0] !== undefined && [400, 404].includes(result[0].status), `${target}: ${result[0]?.status}`);
      assert.equal(requests.length, 0, target);
    }
  });

  it('lets no header through that is not on the list, whatever its spelling', async () => {
    const smuggled = [
      'Cookie: a=b',
      'X-Forwarded-For: 6.6.6.6',
      'Forwarded: for=6.6.6.6',
      'X-Forwarded-Host: evil',
      'X-Original-URL: /html/vovrest.html',
      'X-Rewrite-URL: /html/vovrest.html',
      'X-HTTP-Method-Override: DELETE',
      'X-HTTP-Method: DELETE',
      'X-Method-Override: DELETE',
      'X_Request_Id: underscore',
      'Content_Length: 5',
      'Proxy-Authorization: Basic eDp5',
      'TE: trailers',
      'Trailer: X-Evil',
      'Keep-Alive: timeout=1',
      'Upgrade: h2c',
      'HTTP2-Settings: AAMAAABkAAQAAP__',
      'User: bob',
      'X-Remote-User: bob',
    ];
    const bytes = `${GET}${head.replace('Connection: close', 'Connection: close, X-Named, Accept')}${smuggled.join('\r\n')}\r\nX-Named: 1\r\n\r\n`;
    const { requests } = await seenDuring(() => send(world.gateway.port, bytes));
    assert.equal(requests.length, 1);
    const names = (requests[0]?.rawHeaders ?? []).filter((_, at) => at % 2 === 0).map((name) => name.toLowerCase());
    const allowed = [
      'host',
      'authorization',
      'accept-encoding',
      'connection',
      'x-request-id',
      'traceparent',
      'user-agent',
      'accept',
    ];
    assert.deepEqual(
      names.filter((name) => !allowed.includes(name)),
      [],
    );
    assert.ok(!names.includes('accept'), 'a header that Connection names is dropped');
  });

  it('drops trailers', async () => {
    const body = `${LENGTH.toString(16)}\r\n${JOB.replace('"L"', '"T"')}\r\n0\r\nX-Evil: 1\r\n\r\n`;
    const bytes = `${POST}${head}Content-Type: application/json\r\nTransfer-Encoding: chunked\r\nTrailer: X-Evil\r\n\r\n${body}`;
    const { result, requests } = await seenDuring(() => send(world.gateway.port, bytes));
    assert.equal(result[0]?.status, 200);
    assert.equal(requests.length, 1);
    assert.ok(!JSON.stringify(requests[0]?.rawHeaders).toLowerCase().includes('evil'));
  });

  it('takes a request inside the body of a GET for a body', async () => {
    const inner = 'DELETE /api/v3/jobs/1 HTTP/1.1\r\nHost: gw\r\n\r\n';
    const bytes = `${GET}${head}Content-Length: ${inner.length}\r\n\r\n${inner}`;
    const { result, requests } = await seenDuring(() => send(world.gateway.port, bytes));
    assert.deepEqual(
      result.map((answer) => answer.status),
      [200],
    );
    assert.deepEqual(
      requests.map((request) => request.method),
      ['GET'],
    );
    assert.equal(requests[0]?.bodyBytes, 0);
  });

  it('carries two pipelined requests as two, in order', async () => {
    const keepAlive = head.replace('Connection: close\r\n', '');
    const bytes = `${GET}${keepAlive}\r\nGET ${READ}?format=json HTTP/1.1\r\n${head}\r\n`;
    const { result, requests } = await seenDuring(() => send(world.gateway.port, bytes));
    assert.deepEqual(
      result.map((answer) => answer.status),
      [200, 200],
    );
    assert.deepEqual(
      requests.map((request) => request.target),
      [READ, `${READ}?format=json`],
    );
  });

  it('ends slow headers and slow bodies by its own clock', async () => {
    const slowHead = await send(world.gateway.port, `${GET}Host: gw\r\n`);
    assert.equal(slowHead[0]?.status, 408);
    const { result, requests } = await seenDuring(() =>
      send(world.gateway.port, `${POST}${head}Content-Length: 50\r\n\r\n{`),
    );
    assert.ok([400, 408].includes(result[0]?.status ?? 0), JSON.stringify(result));
    assert.equal(requests.length, 0);
  });

  it('still serves after all that', async () => {
    await play(carried('plain GET', `${GET}${head}\r\n`));
  });
});

describe('a malformed message behind a good one', () => {
  it('neither spoils nor replaces the answer that is under way', async () => {
    await using world = await createWorld({ vovserver: { faults: { serviceMs: 200 } } });
    const token = await world.token('alice');
    const good = `${GET}Host: gw\r\nAuthorization: Bearer ${token}\r\n\r\n`;
    const answers = await send(world.gateway.port, `${good}NOT HTTP AT ALL\r\n\r\n`);
    assert.equal(answers.length, 1);
    assert.equal(answers[0]?.status, 200);
    assert.ok(Array.isArray(JSON.parse(answers[0]?.body ?? '').rows));
  });
});
