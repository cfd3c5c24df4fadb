import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { readLoginForm } from '../../src/auth/login-form.ts';
import { GatewayError } from '../../src/kernel/index.ts';

const FORM = 'application/x-www-form-urlencoded';
const read = (body: string | Buffer, type: string | undefined = FORM) => readLoginForm(type, Buffer.from(body));

function refusal(body: string | Buffer, type?: string): GatewayError {
  try {
    read(body, type);
  } catch (error) {
    if (error instanceof GatewayError) return error;
    throw error;
  }
  return assert.fail('passed');
}

describe('readLoginForm', () => {
  const good: readonly [string, string, string][] = [
    ['username=alice&password=secret', 'alice', 'secret'],
    ['password=secret&username=alice', 'alice', 'secret'],
    ['username=al%69ce&password=a%26b%3Dc%2Bd+e%25', 'alice', 'a&b=c+d e%'],
    ['username=alice&password=p%C3%A4ss', 'alice', 'päss'],
    ['username=alice&password=päss', 'alice', 'päss'],
    ['username=alice&password=a=b==', 'alice', 'a=b=='],
    ['&username=alice&&password=secret&', 'alice', 'secret'],
    ['username=alice&password=secret&grant_type=password&scope', 'alice', 'secret'],
    ['%75sername=alice&passw%6Frd=secret', 'alice', 'secret'],
  ];
  for (const [body, username, password] of good) {
    it(`reads ${body}`, () => {
      const form = read(body);
      assert.equal(form.username, username);
      assert.equal(form.password.reveal(), password);
      assert.equal(form.tokenId, null);
    });
  }

  it('reads what a form encoder wrote', () => {
    fc.assert(
      fc.property(
        fc.string({ minLength: 1, unit: 'grapheme' }),
        fc.string({ minLength: 1, unit: 'grapheme' }),
        (u, p) => {
          const form = read(new URLSearchParams({ username: u, password: p }).toString());
          assert.equal(form.username, u);
          assert.equal(form.password.reveal(), p);
        },
      ),
    );
  });

  it('wraps the password', () => {
    assert.ok(!JSON.stringify(read('username=alice&password=hunter2')).includes('hunter2'));
  });

  for (const type of [FORM, 'Application/X-WWW-Form-Urlencoded', `${FORM}; charset=utf-8`, `${FORM} ;x=y`]) {
    it(`takes the type ${type}`, () => assert.equal(read('username=a&password=b', type).username, 'a'));
  }

  const types = [
    'application/json',
    'multipart/form-data; boundary=x',
    'text/plain',
    '',
    `${FORM}x`,
    `x, ${FORM}`,
    `"${FORM}"`,
  ];
  for (const type of types) {
    it(`refuses the type ${JSON.stringify(type)} with 415 naming the form type`, () => {
      const error = refusal('{"username":"alice","password":"x"}', type);
      assert.equal(error.status, 415);
      assert.ok(error.detail.includes(FORM));
    });
  }

  it('refuses a body without a type', () => {
    assert.throws(() => readLoginForm(undefined, Buffer.from('username=a&password=b')), {
      code: 'GW_UNSUPPORTED_MEDIA_TYPE',
    });
  });

  const bad: readonly [string, string | Buffer, RegExp][] = [
    ['no password', 'username=alice', /lacks the field "password"/],
    ['no user name', 'password=x', /lacks the field "username"/],
    ['an empty body', '', /lacks the field "username"/],
    ['an empty password', 'username=alice&password=', /"password" of the form is empty/],
    ['a password without a value', 'username=alice&password', /"password" of the form is empty/],
    ['an empty user name', 'username=&password=x', /"username" of the form is empty/],
    ['other spellings of the names', 'Username=alice&Password=x', /lacks the field "username"/],
    ['two passwords', 'username=a&password=x&password=y', /the field "password" more than once/],
    ['two equal passwords', 'username=a&password=x&password=x', /the field "password" more than once/],
    ['two user names', 'username=a&username=b&password=x', /the field "username" more than once/],
    ['the same name in two spellings', 'username=a&user%6Eame=b&password=x', /the field "username" more than once/],
    ['another field twice', 'username=a&password=x&q=1&q=2', /a field more than once/],
    ['a broken escape', 'username=a&password=%zz', /Field 2 of the form is not percent-encoded/],
    ['an escape cut short', 'username=a&password=x%2', /Field 2/],
    ['an escape that is no UTF-8', 'username=%ff&password=x', /Field 1/],
    ['bytes that are no UTF-8', Buffer.from([0x75, 0xff, 0x3d, 0x61]), /not UTF-8/],
    ['JSON under the form type', '{"username":"alice","password":"hunter2"}', /lacks the field "username"/],
  ];
  for (const [what, body, text] of bad) {
    it(`refuses ${what}`, () => {
      const error = refusal(body);
      assert.equal(error.code, 'GW_BAD_BODY');
      assert.match(error.detail, text);
      assert.ok(!error.detail.includes('hunter2'));
    });
  }

  it('never repeats what was sent, and never throws anything else', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 60 }), (text) => {
        try {
          read(text);
        } catch (error) {
          assert.ok(error instanceof GatewayError && error.code === 'GW_BAD_BODY', String(error));
          assert.match(error.detail, /^(The form (lacks|holds|is) |The field "|Field \d+ )/);
        }
      }),
      { numRuns: 2000 },
    );
  });
});
