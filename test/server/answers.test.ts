import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { ERROR_CODES, type ErrorCode } from '../../src/kernel/index.ts';
import { createWorld, type World } from '../world/world.ts';

interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly code: ErrorCode;
  readonly request_id: string;
  readonly error?: string;
}
const JOB = { command: 'true', logfile: 'L', rundir: '/tmp', env: 'BASE' };
const READ = '/api/v3/project/1/version';
const UUID = /^[0-9a-f]{32}$/;

describe('what the gateway answers by itself', () => {
  let world: World;
  let token: string;
  let readOnly: string;
  before(async () => {
    world = await createWorld();
    token = await world.token('alice');
    readOnly = await world.token('alice', ['read']);
  });
  after(() => world[Symbol.asyncDispose]());

  async function problem(answer: Promise<Response>): Promise<Problem & { headers: Headers }> {
    const response = await answer;
    assert.equal(response.headers.get('content-type'), 'application/problem+json');
    assert.equal(response.headers.get('cache-control'), 'no-store');
    const body = (await response.json()) as Problem;
    assert.equal(body.status, response.status);
    assert.equal(body.type, `urn:vov-gateway:error:${body.code}`);
    assert.equal(body.title, ERROR_CODES[body.code].title);
    assert.equal(body.status, ERROR_CODES[body.code].status);
    assert.equal(body.request_id, response.headers.get('x-request-id'));
    return { ...body, headers: response.headers };
  }

  const cases: readonly [string, () => Promise<Response>, ErrorCode][] = [
    ['no token', () => world.call('GET', READ), 'GW_UNAUTHENTICATED'],
    ['an encoded slash', () => world.call('GET', '/api/v3/jobs/1%2f2', { token }), 'GW_BAD_PATH'],
    ['a scope too few', () => world.call('POST', '/api/v3/jobs', { token: readOnly, json: JOB }), 'GW_SCOPE_MISSING'],
    ['an unknown write', () => world.call('POST', '/api/v3/alerts', { token, json: {} }), 'GW_ROUTE_CLOSED'],
    ['GET of the token endpoint', () => world.call('GET', '/api/v3/token'), 'GW_METHOD_NOT_ALLOWED'],
    ['a form without a type', () => world.call('POST', '/api/v3/token', { body: 'x' }), 'GW_UNSUPPORTED_MEDIA_TYPE'],
  ];
  for (const [name, call, code] of cases) {
    it(`${name}: a problem document with the vendor’s error string`, async () => {
      const found = await problem(call());
      assert.equal(found.code, code);
      assert.equal(found.error, found.detail);
    });
  }

  it('outside /api/ the problem document has no vendor string', async () => {
    for (const path of ['/nothing', '/html/vovrest.html', '/healthz', '/metrics', '/readyz', '/apix']) {
      const found = await problem(world.call('GET', path, { token }));
      assert.equal(found.code, 'GW_NOT_FOUND');
      assert.equal('error' in found, false);
    }
  });

  it('everything carries the headers of a careful API', async () => {
    for (const path of ['/nothing', READ, '/api/v3/token']) {
      const { headers } = await world.call('GET', path, path === READ ? { token } : {});
      assert.equal(headers.get('x-content-type-options'), 'nosniff');
      assert.equal(headers.get('content-security-policy'), "default-src 'none';frame-ancestors 'none'");
      assert.equal(headers.get('x-frame-options')?.toUpperCase(), 'DENY');
      assert.equal(headers.get('x-powered-by'), null);
      assert.equal(headers.get('server'), null);
      assert.equal(headers.get('strict-transport-security'), null, 'only over TLS');
    }
  });

  const AGENTS = ['Mozilla/5.0 (X11; Linux) Firefox/140.0', 'python-requests/2.32', 'curl/8.9', ''];
  const ACCEPTS = ['text/html,application/xhtml+xml', '*/*', 'application/json', 'image/png', 'nonsense'];
  const CREDENTIALS = [
    '',
    'Bearer nonsense',
    'Bearer:nonsense',
    'Basic YWxpY2U6eA==',
    'Basic ?',
    'Digest x',
    'Bearer ',
  ];
  it('401 with WWW-Authenticate, never HTML or a redirect, whoever asks for what', async () => {
    for (const agent of AGENTS) {
      for (const accept of ACCEPTS) {
        for (const authorization of CREDENTIALS) {
          const headers = { 'user-agent': agent, accept, ...(authorization === '' ? {} : { authorization }) };
          const found = await problem(world.call('GET', READ, { headers: { ...headers, 'x-requested-with': 'x' } }));
          assert.ok(['GW_UNAUTHENTICATED', 'GW_LOGIN_LIMITED'].includes(found.code), found.code);
          assert.equal(found.headers.get('location'), null);
          if (found.status === 401)
            assert.match(found.headers.get('www-authenticate') ?? '', /^Bearer realm="vov-gateway"/);
        }
      }
    }
  });

  it('HEAD gets the same status and no body', async () => {
    const answer = await world.call('HEAD', '/nowhere');
    assert.equal(answer.status, 404);
    assert.equal(await answer.text(), '');
    assert.ok(Number(answer.headers.get('content-length')) > 0);
  });
});

describe('correlation', () => {
  let world: World;
  let token: string;
  before(async () => {
    world = await createWorld();
    token = await world.token('alice');
  });
  after(() => world[Symbol.asyncDispose]());

  /** The ids that the caller got back and those that vovserver saw. */
  async function ids(headers: Record<string, string>, path = READ) {
    const mark = world.vovserver.ledger.seq;
    const answer = await world.call('GET', path, { token, headers });
    await answer.text();
    const raw = world.vovserver.ledger.requests.findLast((r) => r.seq > mark && r.target === path)?.rawHeaders ?? [];
    const seen = (name: string): string | undefined => {
      const at = raw.findIndex((value, index) => index % 2 === 0 && value.toLowerCase() === name);
      return at === -1 ? undefined : raw[at + 1];
    };
    return {
      id: answer.headers.get('x-request-id') ?? '',
      trace: answer.headers.get('traceparent') ?? '',
      upstreamId: seen('x-request-id'),
      upstreamTrace: seen('traceparent'),
    };
  }

  const TRACE = 'a'.repeat(32);
  const SPAN = 'b'.repeat(16);

  it('takes over a harmless X-Request-Id and hands it to vovserver', async () => {
    for (const given of ['abcdefgh', 'A-1_b.c-22', 'x'.repeat(128)]) {
      const { id, upstreamId } = await ids({ 'x-request-id': given });
      assert.deepEqual([id, upstreamId], [given, given]);
    }
  });

  it('replaces an X-Request-Id that is too short, too long or odd', async () => {
    for (const given of ['', 'short', 'x'.repeat(129), 'with space', 'semi;colon', 'ü'.repeat(10), '{"a":"bcdefg"}']) {
      const { id, upstreamId } = await ids({ 'x-request-id': given });
      assert.match(id, UUID);
      assert.equal(upstreamId, id);
    }
  });

  it('gives every request another id', async () => {
    const found = await Promise.all(Array.from({ length: 50 }, () => ids({})));
    assert.equal(new Set(found.map(({ id }) => id)).size, 50);
    assert.equal(new Set(found.map(({ trace }) => trace.slice(3, 35))).size, 50);
  });

  it('goes on with the caller’s trace in a span of its own', async () => {
    const { trace, upstreamTrace } = await ids({ traceparent: `00-${TRACE}-${SPAN}-01` });
    assert.match(trace, new RegExp(`^00-${TRACE}-[0-9a-f]{16}-01$`));
    assert.notEqual(trace.slice(36, 52), SPAN);
    assert.equal(upstreamTrace, trace);
  });

  it('begins a trace where the caller’s is none', async () => {
    const bad = [
      ...['', 'nonsense', `00-${TRACE}-${SPAN}`, `ff-${TRACE}-${SPAN}-01`, `00-${'0'.repeat(32)}-${SPAN}-01`],
      ...[`00-${TRACE}-${'0'.repeat(16)}-01`, `00-${TRACE.toUpperCase()}-${SPAN}-01`, `00-${TRACE}-${SPAN}-01-more`],
    ];
    for (const traceparent of bad) {
      const { trace } = await ids({ traceparent });
      assert.match(trace, /^00-[0-9a-f]{32}-[0-9a-f]{16}-00$/);
      assert.ok(!trace.includes(TRACE));
    }
  });

  it('returns the ids on refusals, too, and puts them into the log', async () => {
    const given = 'refused-request-1';
    const answer = await world.call('GET', '/nowhere', { headers: { 'x-request-id': given } });
    assert.equal(answer.headers.get('x-request-id'), given);
    assert.match(answer.headers.get('traceparent') ?? '', /^00-/);
    await answer.text();
    await world.gateway.drain({ wait: false });
    assert.ok(world.log.some((line) => line.includes(given) && line.includes('GW_NOT_FOUND')));
  });
});
