import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { checkHeaders } from '../../src/access/index.ts';
import { GatewayError } from '../../src/kernel/index.ts';

const HOST = ['Host', 'gateway.example.com:8443'];
const LIMITS = { headerCount: 100 };

const check = (headers: readonly string[], method = 'GET', version = '1.1'): void =>
  checkHeaders(headers, method, version, LIMITS);

function refusal(headers: readonly string[], method = 'GET', version = '1.1'): GatewayError {
  try {
    check(headers, method, version);
  } catch (error) {
    if (error instanceof GatewayError) return error;
    throw error;
  }
  return assert.fail(`passed: ${JSON.stringify(headers)}`);
}

describe('checkHeaders: what passes', () => {
  const good: readonly (readonly string[])[] = [
    HOST,
    ['host', 'gateway'],
    ['HOST', '10.0.0.7'],
    ['Host', '[::1]:8443'],
    ['Host', '[2001:db8::1]'],
    ['Host', 'my_host.example.com'],
    [...HOST, 'Content-Length', '0'],
    [...HOST, 'Content-Length', '12', 'Expect', '100-Continue'],
    [...HOST, 'Transfer-Encoding', 'chunked'],
    [...HOST, 'TE', 'trailers', 'Trailer', 'X-Sum', 'Upgrade', 'websocket', 'Connection', 'upgrade'],
    [...HOST, 'X-Empty', '', 'X-Tab', 'a\tb', 'X-Latin', 'm\xfcller', 'X_Under', 'score'],
    [...HOST, 'Accept', '*/*', 'Accept', 'text/html', 'Cookie', 'a=b', 'Cookie', 'c=d'],
  ];
  for (const headers of good) it(`takes ${JSON.stringify(headers)}`, () => check(headers, 'POST'));

  it('takes HTTP/1.0 with a Host', () => check(HOST, 'GET', '1.0'));

  it('takes as many headers as the limit says', () => {
    const many = Array.from({ length: 99 }, (_, at) => [`X-${at}`, 'v']).flat();
    check([...HOST, ...many]);
  });

  it('has a limit when none is given', () => {
    const many = Array.from({ length: 100 }, (_, at) => [`X-${at}`, 'v']).flat();
    assert.throws(() => checkHeaders([...HOST, ...many], 'GET', '1.1'), { code: 'GW_HEADERS_TOO_LARGE' });
    checkHeaders(HOST, 'GET', '1.1');
  });
});

describe('checkHeaders: what is refused', () => {
  it('refuses more headers than the limit with 431', () => {
    const many = Array.from({ length: 100 }, (_, at) => [`X-${at}`, 'v']).flat();
    assert.equal(refusal([...HOST, ...many]).status, 431);
  });

  const bad: readonly [string, readonly string[], RegExp][] = [
    ['no Host', [], /Host header is missing/],
    ['no Host among others', ['Accept', '*/*'], /Host header is missing/],
    ['two Hosts', [...HOST, 'host', 'gateway.example.com:8443'], /more than one Host/],
    ['two different Hosts', [...HOST, 'Host', 'evil'], /more than one Host/],
    ['two Content-Lengths', [...HOST, 'Content-Length', '5', 'content-length', '5'], /more than one Content-Length/],
    ['both framings', [...HOST, 'Content-Length', '5', 'Transfer-Encoding', 'chunked'], /exclude each other/],
    ['both framings, other order', [...HOST, 'Transfer-Encoding', 'chunked', 'Content-Length', '0'], /exclude each/],
    [
      'two Transfer-Encodings',
      [...HOST, 'Transfer-Encoding', 'chunked', 'Transfer-Encoding', 'chunked'],
      /more than one T/,
    ],
  ];
  for (const [what, headers, text] of bad) {
    it(`refuses ${what}`, () => {
      const error = refusal(headers, 'POST');
      assert.equal(error.code, 'GW_BAD_REQUEST');
      assert.match(error.detail, text);
    });
  }

  const hosts = [
    '',
    ' ',
    'a b',
    'a,b',
    'user@gateway',
    'gateway/path',
    'http://gateway',
    'gateway:',
    'gateway:x',
    'a:1:2',
  ];
  for (const host of [
    ...hosts,
    'gateway:123456',
    '-x',
    '.',
    '[::1',
    '::1',
    '[zz]',
    'gate\x00way',
    'gätéway',
    'a?b',
    'a#b',
  ]) {
    it(`refuses the Host ${JSON.stringify(host)}`, () => assert.equal(refusal(['Host', host]).status, 400));
  }

  for (const length of [
    '',
    ' 5',
    '5 ',
    '+5',
    '-5',
    '0x5',
    '5,5',
    '5, 5',
    '5.0',
    '5e1',
    '１',
    '1234567890123456',
    'five',
  ]) {
    it(`refuses the Content-Length ${JSON.stringify(length)}`, () => {
      assert.match(refusal([...HOST, 'Content-Length', length], 'POST').detail, /Content-Length must be/);
    });
  }

  const codings = [
    '',
    'Chunked',
    'CHUNKED',
    ' chunked',
    'chunked ',
    'chunked,chunked',
    'gzip, chunked',
    'chunked, identity',
  ];
  for (const coding of [...codings, 'identity', 'gzip', 'x', 'chunked;q=1', '"chunked"', 'xchunked', 'chunke']) {
    it(`refuses the Transfer-Encoding ${JSON.stringify(coding)}`, () => {
      assert.match(refusal([...HOST, 'transfer-encoding', coding], 'POST').detail, /exactly "chunked"/);
    });
  }

  for (const name of [
    '',
    'a b',
    'a:b',
    'a\x00',
    'a\tb',
    'Transfer-Encoding ',
    ' Host',
    'a(b',
    'ä',
    'a"',
    'a\r\nb',
    'a{b',
  ]) {
    it(`refuses the header name ${JSON.stringify(name)}`, () => {
      const error = refusal([...HOST, name, 'v']);
      assert.match(error.detail, /header name/);
      assert.match(error.detail, /^[\x20-\x7e]+$/);
    });
  }

  for (const value of ['a\x00', 'a\r\nb: c', 'a\nb', 'a\r b', '\x1b[2J', 'a\x7f', '\x01', 'a\r\n folded']) {
    it(`refuses the header value ${JSON.stringify(value)}`, () => {
      assert.match(refusal([...HOST, 'X-Test', value]).detail, /"X-Test" holds a control character/);
    });
  }

  for (const expect of ['', '200-ok', '100-continue, x', ' 100-continue']) {
    it(`refuses Expect: ${JSON.stringify(expect)}`, () =>
      assert.equal(refusal([...HOST, 'Expect', expect]).status, 400));
  }

  for (const method of ['', 'get', 'GET ', 'G\x00T', 'A/B', 'X'.repeat(40), '<']) {
    it(`refuses the method ${JSON.stringify(method)}`, () => assert.equal(refusal(HOST, method).status, 400));
  }

  for (const version of ['0.9', '1.2', '2.0', '', '1.10']) {
    it(`refuses HTTP/${version}`, () => assert.equal(refusal(HOST, 'GET', version).status, 400));
  }

  it('refuses a transfer coding in HTTP/1.0', () => {
    assert.match(refusal([...HOST, 'Transfer-Encoding', 'chunked'], 'POST', '1.0').detail, /HTTP\/1\.0/);
  });
});

describe('checkHeaders as a whole', () => {
  const name = fc.constantFrom('Host', 'host', 'Content-Length', 'Transfer-Encoding', 'X-A', 'Expect', 'bad name');
  const value = fc.constantFrom('gateway', '5', 'chunked', '5,5', '', 'a\nb', '100-continue');

  it('never lets ambiguous framing pass, in any order and number', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(name, value), { maxLength: 6 }), (fields) => {
        try {
          check(fields.flat(), 'POST');
        } catch (error) {
          assert.ok(error instanceof GatewayError);
          return;
        }
        const all = (wanted: string): string[] => fields.filter(([n]) => n.toLowerCase() === wanted).map(([, v]) => v);
        assert.equal(all('host').length, 1);
        const [lengths, codings] = [all('content-length'), all('transfer-encoding')];
        assert.ok(lengths.length + codings.length <= 1);
        for (const length of lengths) assert.equal(String(Number(length)), length);
        for (const coding of codings) assert.equal(coding, 'chunked');
      }),
      { numRuns: 5000 },
    );
  });
});
