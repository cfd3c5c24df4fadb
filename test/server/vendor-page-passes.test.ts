import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { GatewayError } from '../../src/kernel/index.ts';
import {
  checkPage,
  hostsOf,
  judgePage,
  LARGEST_BYTES,
  pagePolicy,
  pageRequestHeaders,
} from '../../src/server/vendor-page-passes.ts';

const codeOf = (step: () => unknown): string => {
  try {
    step();
    return 'passed';
  } catch (error) {
    if (error instanceof GatewayError) return error.code;
    throw error;
  }
};
const AT = { origin: 'https://vov:6330', path: '/html/vovrest.html', extension: 'html' };
const judge = (statusCode: number, headers: Record<string, string> = {}) => judgePage({ statusCode, headers }, AT);
const fieldsOf = (headers: Record<string, string>): Map<string, string> => {
  const { fields } = judge(200, { 'content-type': 'text/html', ...headers });
  return new Map(fields.flatMap((name, i) => (i % 2 === 0 ? [[name, fields[i + 1] ?? '']] : [])));
};

describe('the path of a vendor’s page', () => {
  it('is a static file under /html/, read only', () => {
    for (const target of [
      '/html/vovrest.html',
      '/html/js/swagger-ui.js?v=5',
      '/html/a/b/c.woff2',
      '/html/x~1@2+3.css',
    ]) {
      assert.equal(checkPage('GET', target).path, target.split('?')[0]);
      checkPage('HEAD', target);
    }
    assert.equal(checkPage('GET', '/html/x.min.js').extension, 'js');
  });

  it('is nothing else', () => {
    const refused = [
      '/html/',
      '/html',
      '/html/x',
      '/html/x.cgi',
      '/html/x.php',
      '/html/x.html/',
      '/html/x.HTML',
      '/htmlx/x.html',
      '/HTML/x.html',
      '/html/../project.html',
      '/html/./x.html',
      '/html//x.html',
      '/html/%2e%2e/x.html',
      '/html/x%00.html',
      '/html/x;y.html',
      '/html/x.html#y',
      '/html/constructor',
      '/html/x.constructor',
      `/html/${'x'.repeat(300)}.html`,
      '/api/v3/x.html',
      '//html/x.html',
      'http://vov/html/x.html',
    ];
    for (const target of refused)
      assert.equal(
        codeOf(() => checkPage('GET', target)),
        'GW_NOT_FOUND',
        target,
      );
    for (const query of [`?${'x'.repeat(300)}`, '?<script>', '?a=%0d b', "?'", '?a?b', '?é']) {
      assert.equal(
        codeOf(() => checkPage('GET', `/html/x.html${query}`)),
        'GW_BAD_REQUEST',
        query,
      );
    }
    for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS', 'TRACE', 'get', undefined]) {
      assert.equal(
        codeOf(() => checkPage(method, '/html/x.html')),
        'GW_METHOD_NOT_ALLOWED',
      );
    }
  });

  it('never leads out of /html/, whatever is asked', () => {
    const piece = fc.constantFrom('..', '.', '', 'a', 'x.html', '%2e', '\\', 'html', 'project', '@', '?', '#', ':');
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 6 }), (pieces) => {
        const target = `/html/${pieces.join('/')}.html`;
        if (codeOf(() => checkPage('GET', target)) !== 'passed') return;
        const url = new URL(target, 'http://vov');
        assert.ok(url.pathname.startsWith('/html/'));
        assert.equal(`${url.pathname}${url.search}`, target, 'every parser reads the same');
      }),
      { numRuns: 2000 },
    );
  });
});

describe('the headers of a vendor’s page', () => {
  it('towards vovserver are six of the caller’s, in bounds', () => {
    const name = fc.oneof(
      fc.constantFrom('cookie', 'authorization', 'trailer', 'te', 'connection', 'x-real-ip', 'range', 'content-length'),
      fc.constantFrom('accept', 'user-agent', 'if-none-match', 'accept-encoding'),
      fc.string(),
    );
    const allowed = /^(accept(-encoding|-language)?|if-(none-match|modified-since)|user-agent)$/;
    fc.assert(
      fc.property(fc.dictionary(name, fc.string({ maxLength: 2000 })), (headers) => {
        for (const [kept, value] of Object.entries(pageRequestHeaders(headers))) {
          assert.match(kept, allowed);
          assert.equal(value, headers[kept]);
          assert.ok(value.length <= 1024);
        }
      }),
    );
  });

  it('towards the caller are of an allow-list, whatever vovserver sends', () => {
    const allowed = new Set(['Cache-Control', 'Vary', 'ETag', 'Last-Modified', 'Content-Type', 'Content-Encoding']);
    for (const name of ['Content-Length', 'Location']) allowed.add(name);
    const name = fc.oneof(
      fc.constantFrom('etag', 'last-modified', 'cache-control', 'content-type', 'content-encoding', 'content-length'),
      fc.constantFrom('location', 'set-cookie', 'server', 'refresh', 'link', 'clear-site-data'),
    );
    const value = fc.oneof(
      fc.string(),
      fc.constantFrom('text/html', '"v1"', 'gzip', '12', 'max-age=5', '/html/y.html'),
    );
    const status = fc.oneof(fc.constantFrom(200, 302, 304), fc.integer({ min: -1, max: 1000 }));
    fc.assert(
      fc.property(status, fc.dictionary(name, value), (code, headers) => {
        if (codeOf(() => judge(code, headers)) !== 'passed') return;
        const { status: given, fields } = judge(code, headers);
        assert.ok([200, 302, 304].includes(given));
        fields.forEach((field, i) => {
          if (i % 2 === 0) assert.ok(allowed.has(field), field);
          else assert.match(field, /^[\x20-\x7e]*$/, 'nothing that could end a header');
        });
      }),
      { numRuns: 2000 },
    );
  });

  it('say a type of the list, also when vovserver says none', () => {
    assert.equal(fieldsOf({}).get('Content-Type'), 'text/html; charset=utf-8');
    assert.equal(
      fieldsOf({ 'content-type': 'TEXT/CSS; Charset="ISO-8859-1"' }).get('Content-Type'),
      'text/css; charset=iso-8859-1',
    );
    assert.equal(fieldsOf({ 'content-type': 'image/png' }).get('Content-Type'), 'image/png');
    const js = judgePage({ statusCode: 200, headers: {} }, { ...AT, path: '/html/x.js', extension: 'js' });
    assert.ok(js.fields.includes('text/javascript; charset=utf-8'));
    for (const type of ['', 'text/xml', 'application/octet-stream', 'text/html\t', 'multipart/mixed', 'text/html/x']) {
      const code = codeOf(() => fieldsOf({ 'content-type': type }));
      assert.equal(code, type === 'text/html\t' ? 'passed' : 'GW_UPSTREAM_INVALID', type);
    }
  });

  it('are private, and never older than an hour', () => {
    const of = (text: string) => fieldsOf({ 'cache-control': text }).get('Cache-Control');
    assert.equal(of('public, max-age=600'), 'private, max-age=600');
    assert.equal(of('max-age=31536000, immutable'), 'private, max-age=3600');
    assert.equal(of('no-store'), 'private, no-store');
    for (const odd of ['', 'max-age=-1', 'max-age=x', 's-maxage=60', 'no-cache'])
      assert.equal(of(odd), 'private, no-cache');
  });

  it('carry marks only when they are well-formed', () => {
    assert.equal(fieldsOf({ etag: 'W/"a"' }).get('ETag'), 'W/"a"');
    for (const etag of ['a', '"a', '"a" x', '"a\u00e9"']) assert.equal(fieldsOf({ etag }).get('ETag'), undefined);
    const modified = 'Wed, 25 Nov 2026 03:20:37 GMT';
    assert.equal(fieldsOf({ 'last-modified': modified }).get('Last-Modified'), modified);
    assert.equal(fieldsOf({ 'last-modified': 'yesterday' }).get('Last-Modified'), undefined);
  });

  it('bound the length', () => {
    assert.equal(fieldsOf({ 'content-length': String(LARGEST_BYTES) }).get('Content-Length'), String(LARGEST_BYTES));
    for (const length of [String(LARGEST_BYTES + 1), '-1', '1e3', '', '9'.repeat(20)]) {
      assert.equal(
        codeOf(() => fieldsOf({ 'content-length': length })),
        'GW_UPSTREAM_INVALID',
        length,
      );
    }
  });

  it('lead on only within the documentation', () => {
    const to = (location: string) => codeOf(() => judge(301, { location }));
    for (const location of ['/html/x.html', 'x.html', 'https://vov:6330/html/x.html?y=1', '//vov:6330/html/x.js']) {
      assert.equal(to(location), 'passed', location);
    }
    for (const location of [
      'http://vov:6330/html/x.html',
      'https://vov/html/x.html',
      'https://vov:6330@evil/html/x.html',
    ]) {
      assert.equal(to(location), 'GW_UPSTREAM_INVALID', location);
    }
    for (const location of ['/project', '/html/', '../project', 'x.cgi', '/api/v3/jobs']) {
      assert.equal(to(location), 'GW_NOT_FOUND', location);
    }
  });
});

describe('the policy of a vendor’s page', () => {
  it('names the hosts that the browser knows the gateway by, and nothing that a header could smuggle in', () => {
    const of = (host: string | undefined, publicUrl?: string) =>
      hostsOf({ headers: host === undefined ? {} : { host } } as Parameters<typeof hostsOf>[0], publicUrl);
    assert.deepEqual(of('GW.example:8443'), ['gw.example:8443']);
    assert.deepEqual(of('gw.example', 'https://nc.example/'), ['gw.example', 'nc.example']);
    assert.deepEqual(of('gw.example', 'https://gw.example'), ['gw.example']);
    assert.deepEqual(of('[2001:db8::1]:443'), ['[2001:db8::1]:443']);
    assert.deepEqual(of('x; script-src *', 'https://nc.example'), ['nc.example']);
    for (const host of [undefined, '', 'x y', "x;'unsafe-eval'", 'x, *', '*', 'x/y', 'x:y']) {
      assert.equal(
        codeOf(() => of(host)),
        'GW_BAD_REQUEST',
      );
    }
  });

  it('opens the API and the documentation, and closes everything else', () => {
    const directives = new Map(
      pagePolicy(['gw.example', 'nc.example'])
        .split('; ')
        .map((text) => {
          const [name = '', ...values] = text.split(' ');
          return [name, values.join(' ')];
        }),
    );
    assert.equal(
      directives.get('connect-src'),
      'gw.example/api/v3/ nc.example/api/v3/ gw.example/html/ nc.example/html/',
    );
    for (const name of ['default-src', 'worker-src', 'form-action', 'frame-ancestors', 'base-uri']) {
      assert.equal(directives.get(name), "'none'", name);
    }
    assert.doesNotMatch(directives.get('sandbox') ?? '', /popups|top-navigation/);
    for (const values of directives.values()) assert.doesNotMatch(values, /\*|'self'|https?:|eval/);
  });
});
