import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { GatewayError } from '../../src/kernel/index.ts';
import { UpstreamFailure } from '../../src/upstream/failure.ts';
import type { UpstreamCall } from '../../src/upstream/index.ts';
import { passRequest, requestPasses } from '../../src/upstream/request-passes.ts';
import { passResponse, responsePasses } from '../../src/upstream/response-passes.ts';
import { tokenOf } from './rig.ts';

function callWith(rawHeaders: readonly string[]): UpstreamCall {
  return {
    queue: 'night',
    account: 'alice',
    method: 'GET',
    target: '/api/v3/jobs/1',
    route: '/jobs/{id}',
    class: 'read',
    rawHeaders,
    body: { kind: 'none' },
    requestId: 'own-request-id',
    traceparent: 'own-trace',
    signal: new AbortController().signal,
  };
}

const pass = (rawHeaders: readonly string[]): [string, string][] => {
  const flat = passRequest(callWith(rawHeaders), tokenOf('jwt'), 'colon');
  return flat.flatMap((name, at) => (at % 2 === 0 ? [[name, flat[at + 1] ?? ''] as [string, string]] : []));
};
const passed = (rawHeaders: readonly string[]): Record<string, string> => Object.fromEntries(pass(rawHeaders));

const OWN = {
  'accept-encoding': 'identity',
  authorization: 'Bearer:jwt',
  'x-request-id': 'own-request-id',
  traceparent: 'own-trace',
};
const ALLOWED = [
  'accept',
  'accept-language',
  'content-type',
  'if-none-match',
  'if-modified-since',
  'prefer',
  'user-agent',
];

const randomCase = (name: string) =>
  fc
    .array(fc.boolean(), { minLength: name.length, maxLength: name.length })
    .map((upper) => [...name].map((letter, at) => (upper[at] ? letter.toUpperCase() : letter)).join(''));

describe('request passes', () => {
  it('are documented steps in a fixed order', () => {
    assert.deepEqual(
      requestPasses.map(({ name }) => name),
      ['takeAllowed', 'dropConnectionNamed', 'stateLength', 'askIdentity', 'authorize', 'trace'],
    );
  });

  it('let nothing through that is not on the list, whatever its name', () => {
    const name = fc.oneof(
      fc.stringMatching(/^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,24}$/),
      fc.constantFrom(...ALLOWED, 'Authorization', 'Cookie', 'X-Request-Id', 'Traceparent', 'Accept-Encoding', 'Host'),
    );
    fc.assert(
      fc.property(fc.uniqueArray(name, { selector: (text) => text.toLowerCase() }), (names) => {
        const raw = names.flatMap((text) => [text, 'from-the-caller']);
        const allowed = names.map((text) => text.toLowerCase()).filter((text) => ALLOWED.includes(text));
        assert.deepEqual(passed(raw), {
          ...Object.fromEntries(allowed.map((text) => [text, 'from-the-caller'])),
          ...OWN,
        });
      }),
    );
  });

  const never = [
    'Authorization',
    'Proxy-Authorization',
    'Cookie',
    'Connection',
    'Keep-Alive',
    'Proxy-Connection',
    'TE',
    'Trailer',
    'Transfer-Encoding',
    'Content-Length',
    'Upgrade',
    'Expect',
    'Host',
    'Forwarded',
    'X-Forwarded-For',
    'X-Forwarded-Host',
    'X-Forwarded-Proto',
    'X-Forwarded-Uri',
    'X-Real-IP',
    'X-Original-URL',
    'X-Original-Method',
    'X-Rewrite-URL',
    'X-HTTP-Method',
    'X-HTTP-Method-Override',
    'X-Method-Override',
    'Accept-Encoding',
    'Range',
    'X_Request_Id',
    'Content_Type',
    'User_Agent',
    'Via',
    'X-Remote-User',
    'Remote-User',
    'Origin',
    'Referer',
  ];
  for (const name of never) {
    it(`never let ${name} of the caller through, in any spelling`, () => {
      fc.assert(
        fc.property(randomCase(name), (spelt) => {
          assert.deepEqual(passed([spelt, 'x']), OWN);
        }),
        { numRuns: 20 },
      );
    });
  }

  it('drop what Connection names, and keep the rest', () => {
    fc.assert(
      fc.property(fc.subarray(ALLOWED), fc.constantFrom(', ', ',', ' ,  '), fc.boolean(), (named, comma, twice) => {
        const raw = ALLOWED.flatMap((name) => [name, 'v']);
        if (twice) for (const name of named) raw.push('Connection', name.toUpperCase());
        else raw.unshift('connection', ['close', ...named].join(comma));
        const left = ALLOWED.filter((name) => !named.includes(name)).map((name) => [name, 'v']);
        assert.deepEqual(passed(raw), { ...Object.fromEntries(left), ...OWN });
      }),
    );
  });

  it('cannot be told by Connection to drop the gateway’s own headers', () => {
    assert.deepEqual(passed(['Connection', 'authorization, x-request-id, accept-encoding, traceparent']), OWN);
  });

  it('join a list that came in several lines and refuse a second single value', () => {
    assert.equal(passed(['Accept', 'a/b', 'accept', 'c/d']).accept, 'a/b, c/d');
    for (const name of ['content-type', 'user-agent', 'if-modified-since']) {
      assert.throws(
        () => pass([name, 'a', name.toUpperCase(), 'b']),
        (error) => error instanceof GatewayError && error.code === 'GW_BAD_REQUEST' && error.detail.includes(name),
      );
    }
  });

  it('send each header once', () => {
    const line = fc.tuple(fc.constantFrom('accept', 'Accept', 'prefer', 'X-Request-Id', 'authorization'), fc.string());
    fc.assert(
      fc.property(fc.array(line, { maxLength: 8 }), (lines) => {
        const names = pass(lines.flat()).map(([name]) => name);
        assert.equal(new Set(names).size, names.length);
      }),
    );
  });
});

const ORIGIN = 'https://vov.example:6330';
type Received = Record<string, string | string[]>;

function answered(received: Received, status = 200, target = '/api/v3/jobs/1'): Record<string, string> {
  const flat = passResponse({ method: 'GET', target, origin: ORIGIN, status, received, headers: [] });
  return Object.fromEntries(flat.flatMap((name, at) => (at % 2 === 0 ? [[name, flat[at + 1] ?? '']] : [])));
}
const isInvalid = (error: unknown): boolean => error instanceof UpstreamFailure && error.kind === 'invalid';
const DOWN = [
  'content-type',
  'content-encoding',
  'content-language',
  'cache-control',
  'etag',
  'last-modified',
  'expires',
  'vary',
  'date',
  'retry-after',
  'allow',
  'content-length',
];

describe('response passes', () => {
  it('are documented steps in a fixed order', () => {
    assert.deepEqual(
      responsePasses.map(({ name }) => name),
      ['refuseOddStatus', 'refuseAmbiguousLength', 'keepAllowed', 'keepLength', 'refuseRedirect', 'neutralType'],
    );
  });

  it('let nothing through that is not on the list', () => {
    const name = fc
      .stringMatching(/^[a-z0-9!#$%&'*+.^_`|~-]{1,24}$/)
      .filter((text) => !DOWN.includes(text) && text !== 'location');
    fc.assert(
      fc.property(fc.dictionary(name, fc.string(), { noNullPrototype: true }), (received) => {
        assert.deepEqual(answered({ ...received, etag: '"1"' }), { etag: '"1"' });
      }),
    );
  });

  it('never let cookies, server banners, challenges and hop-by-hop headers through', () => {
    const names = [
      'set-cookie',
      'server',
      'x-powered-by',
      'www-authenticate',
      'proxy-authenticate',
      'connection',
      'keep-alive',
      'trailer',
      'upgrade',
      'transfer-encoding',
      'access-control-allow-origin',
      'strict-transport-security',
      'via',
      'content-security-policy',
      'x-request-id',
      'ratelimit',
      'refresh',
      'link',
      'alt-svc',
      'clear-site-data',
    ];
    assert.deepEqual(answered(Object.fromEntries(names.map((name) => [name, 'x']))), {});
  });

  it('accept every status from 200 to 599 but redirects', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 9999 }), (status) => {
        const redirects = status >= 300 && status <= 399 && status !== 304;
        if (status >= 200 && status <= 599 && !redirects) assert.deepEqual(answered({}, status), {});
        else assert.throws(() => answered({}, status), isInvalid);
      }),
    );
  });

  it('accept one plain length and refuse every other', () => {
    assert.deepEqual(answered({ 'content-length': '12' }), { 'content-length': '12' });
    for (const length of ['', '-1', '+1', '1 ', '0x1', '1,1', '1e3', '9'.repeat(20), ['1', '1']]) {
      assert.throws(() => answered({ 'content-length': length }), isInvalid, String(length));
    }
    assert.throws(() => answered({ 'content-length': '1', 'transfer-encoding': 'chunked' }), isInvalid);
  });

  it('give no length for 204 and 304', () => {
    for (const status of [204, 304]) assert.deepEqual(answered({ 'content-length': '12' }, status), {});
  });

  it('refuse every redirect, wherever it leads', () => {
    fc.assert(
      fc.property(fc.oneof(fc.webUrl(), fc.string()), fc.integer({ min: 300, max: 399 }), (location, status) => {
        if (status === 304) assert.deepEqual(answered({ location }, status), {});
        else assert.throws(() => answered({ location }, status), isInvalid);
      }),
    );
    assert.throws(() => answered({ location: ['/a', '/b'] }, 302), isInvalid);
    assert.throws(() => answered({}, 302), isInvalid);
  });

  it('call what a browser would run plain text, and leave every other type', () => {
    for (const type of ['text/html', 'TEXT/HTML', ' text/html', 'application/xhtml+xml', 'image/svg+xml', 'text/xml']) {
      assert.deepEqual(answered({ 'content-type': type }), { 'content-type': 'text/plain' }, type);
    }
    assert.deepEqual(answered({ 'content-type': 'text/html;charset="utf-8"' }), {
      'content-type': 'text/plain;charset="utf-8"',
    });
    for (const type of ['application/json', 'text/csv', 'text/htmlx', 'application/octet-stream']) {
      assert.deepEqual(answered({ 'content-type': type }), { 'content-type': type }, type);
    }
  });

  it('keep no location outside of redirects', () => {
    for (const status of [200, 201, 202, 304, 404, 503]) assert.deepEqual(answered({ location: '/x' }, status), {});
  });
});
