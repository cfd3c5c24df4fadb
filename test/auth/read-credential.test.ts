import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { invalidToken, missingToken, readCredential } from '../../src/auth/index.ts';
import { GatewayError } from '../../src/kernel/index.ts';

const TOKEN = 'vgw_abcdefghijkl_0123456789ABCDEFGHIJKLMNOPQRSTUVWX';
const basic = (text: string): string => `Basic ${Buffer.from(text).toString('base64')}`;
const read = (value: string) => readCredential(['Host', 'gateway', 'Authorization', value, 'Accept', '*/*']);

function refusal(headers: readonly string[]): GatewayError {
  try {
    readCredential(headers);
  } catch (error) {
    if (error instanceof GatewayError) return error;
    throw error;
  }
  return assert.fail(`passed: ${JSON.stringify(headers)}`);
}

describe('readCredential', () => {
  for (const value of [
    `Bearer ${TOKEN}`,
    `bearer ${TOKEN}`,
    `BEARER   ${TOKEN}`,
    `Bearer:${TOKEN}`,
    `bearer:${TOKEN}`,
    `Bearer: ${TOKEN}`,
  ]) {
    it(`reads ${JSON.stringify(value)}`, () => {
      assert.deepEqual(read(value), { scheme: 'bearer', username: null, token: TOKEN });
    });
  }

  it('reads the header under any spelling of its name', () => {
    for (const name of ['Authorization', 'authorization', 'AUTHORIZATION']) {
      assert.equal(readCredential([name, `Bearer ${TOKEN}`])?.token, TOKEN);
    }
  });

  it('reads Basic with the token as the password', () => {
    const cases: readonly [string, string, string][] = [
      [`alice:${TOKEN}`, 'alice', TOKEN],
      [`:${TOKEN}`, '', TOKEN],
      ['alice:a:b:c', 'alice', 'a:b:c'],
      ['alice:', 'alice', ''],
      ['müller:x', 'müller', 'x'],
    ];
    for (const [text, username, token] of cases)
      assert.deepEqual(read(basic(text)), { scheme: 'basic', username, token });
    assert.equal(read(basic('alice:x').replace('Basic', 'bAsIc'))?.token, 'x');
    assert.equal(read(basic('al:x').replace(/=+$/, ''))?.username, 'al');
  });

  it('is null without the header', () => {
    assert.equal(readCredential([]), null);
    assert.equal(
      readCredential(['Host', 'gateway', 'X-Authorization', 'Bearer x', 'Cookie', 'Authorization=Bearer x']),
      null,
    );
    assert.equal(readCredential(['Proxy-Authorization', 'Bearer x']), null);
  });

  it('refuses several headers, equal or not, with 400', () => {
    for (const other of ['Authorization', 'authorization']) {
      for (const value of [`Bearer ${TOKEN}`, basic('a:b'), '']) {
        const error = refusal(['Authorization', `Bearer ${TOKEN}`, other, value]);
        assert.equal(error.code, 'GW_BAD_REQUEST');
        assert.match(error.detail, /more than one Authorization/);
      }
    }
  });

  const malformed = [
    '',
    ' ',
    'Bearer',
    'Bearer ',
    'Bearer:',
    'Bearerx',
    `Bearer\t${TOKEN}`,
    `Bearer ${TOKEN}, Basic x`,
  ];
  const others = [
    `Bearer ${TOKEN} x`,
    `Bearer=${TOKEN}`,
    `Bearer::${TOKEN}`,
    TOKEN,
    `Token ${TOKEN}`,
    'Negotiate abc',
    'Digest a="b"',
  ];
  const broken = [
    'Basic',
    'Basic ',
    'Basic !!!',
    'Basic YWxpY2U=',
    'Basic YWxpY2U6eA=x',
    `Basic ${TOKEN}`,
    'Basic YW xpY2U6eA==',
    'Bearer ä',
  ];
  for (const value of [...malformed, ...others, ...broken]) {
    it(`answers ${JSON.stringify(value)} with 401 and the accepted forms`, () => {
      const error = refusal(['Authorization', value]);
      assert.equal(error.code, 'GW_UNAUTHENTICATED');
      assert.match(error.headers['WWW-Authenticate'] ?? '', /^Bearer realm="vov-gateway", error="invalid_token"$/);
      assert.ok(!error.detail.includes(TOKEN), 'the text repeats the credential');
    });
  }

  it('refuses Basic with control characters, broken UTF-8 or two spellings of one value', () => {
    const bytes = (...values: number[]): string => `Basic ${Buffer.from(values).toString('base64')}`;
    for (const value of [
      basic('a\u0000:x'),
      basic('a:x\n'),
      bytes(0x61, 0x3a, 0xff),
      bytes(0xc0, 0xae, 0x3a, 0x61),
      'Basic YTp4eB==',
    ]) {
      assert.equal(refusal(['Authorization', value]).status, 401);
    }
  });

  it('never throws anything else, and never reads a token that was not sent', () => {
    const value = fc.oneof(
      fc.string(),
      fc.string().map((text) => `Bearer ${text}`),
      fc.string().map((text) => basic(text)),
    );
    fc.assert(
      fc.property(value, (text) => {
        try {
          const credential = readCredential(['Authorization', text]);
          assert.ok(credential !== null);
          if (credential.scheme === 'bearer') assert.ok(text.includes(credential.token));
          else
            assert.equal(
              basic(`${credential.username}:${credential.token}`).slice(6),
              text.replace(/^basic +/i, '').trim(),
            );
        } catch (error) {
          assert.ok(error instanceof GatewayError && [400, 401].includes(error.status), String(error));
        }
      }),
      { numRuns: 3000 },
    );
  });
});

describe('challenges', () => {
  it('name an error only when a token was presented (RFC 6750, section 3.1)', () => {
    assert.equal(missingToken().headers['WWW-Authenticate'], 'Bearer realm="vov-gateway"');
    assert.equal(invalidToken().headers['WWW-Authenticate'], 'Bearer realm="vov-gateway", error="invalid_token"');
  });

  it('never offer Basic: a browser would open its password dialogue', () => {
    for (const error of [missingToken(), invalidToken(), refusal(['Authorization', 'x'])]) {
      assert.ok(!JSON.stringify(error.headers).includes('Basic'));
    }
  });
});
