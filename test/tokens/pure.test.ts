import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { GatewayError, Secret } from '../../src/kernel/index.ts';
import { supersedes } from '../../src/tokens/account-jwt.ts';
import { jwtKey, tagOf } from '../../src/tokens/account-keys.ts';
import { backOff, pauseAfter } from '../../src/tokens/back-off.ts';
import { goodUntil, renewAt, timeClaimsOf, tokenFromLogin } from '../../src/tokens/jwt-life.ts';
import { decodeToken } from '../../src/tokens/jwt-store.ts';
import { createSlots } from '../../src/tokens/login-slots.ts';
import type { UpstreamToken } from '../../src/upstream/index.ts';
import { jwtOf } from './fake-vovserver.ts';

const NOW = Date.UTC(2026, 0, 1);
const DAY = 86_400_000;
const JWT_LIFE = 14_400_000;

/** Life in milliseconds that a login with this JWT is given. */
const lifeOf = (jwt: string, expiresIn: number | null = null): number => {
  const answer = { tokenType: 'Bearer', accessToken: new Secret(jwt), expiresIn };
  const { issuedAt, expiresAt } = tokenFromLogin(answer, { startedAt: NOW, jwtLife: JWT_LIFE });
  assert.equal(issuedAt, NOW);
  return expiresAt - issuedAt;
};
const seconds = (ms: number): number => (NOW + ms) / 1000;
const token = (issuedAt: number, life: number, jwt = 'x'): UpstreamToken => ({
  tokenType: 'Bearer',
  accessToken: new Secret(jwt),
  issuedAt,
  expiresAt: issuedAt + life,
});

describe('the life of a JWT', () => {
  const cases: readonly [what: string, claims: object, expiresIn: number | null, life: number][] = [
    ['its exp', { exp: seconds(20_000) }, null, 20_000],
    ['its exp before expires_in', { exp: seconds(20_000) }, 60, 20_000],
    ['its exp and iat on equal clocks', { iat: seconds(0), exp: seconds(20_000) }, null, 20_000],
    ['exp - iat when vovserver is ahead', { iat: seconds(5000), exp: seconds(25_000) }, null, 20_000],
    ['exp - now when vovserver is a little behind', { iat: seconds(-5000), exp: seconds(15_000) }, null, 15_000],
    ['exp - iat when vovserver is far behind', { iat: seconds(-DAY), exp: seconds(20_000 - DAY) }, null, 20_000],
    [
      'exp - iat when vovserver is far ahead',
      { iat: seconds(90 * DAY), exp: seconds(90 * DAY + 20_000) },
      null,
      20_000,
    ],
    [
      'at most the configured life when the clocks disagree',
      { iat: seconds(-9 * DAY), exp: seconds(-DAY) },
      null,
      JWT_LIFE,
    ],
    ['the configured life for an exp in the past', { exp: seconds(-1000) }, null, JWT_LIFE],
    ['expires_in for an exp in the past', { exp: seconds(-1000) }, 60, 60_000],
    ['the configured life for an exp beyond 30 days', { exp: seconds(31 * DAY) }, null, JWT_LIFE],
    ['the configured life for an exp in milliseconds', { exp: NOW + 20_000 }, null, JWT_LIFE],
    ['its exp when iat is behind it', { iat: seconds(30_000), exp: seconds(20_000) }, null, 20_000],
    ['the configured life for an exp that is text', { exp: String(seconds(20_000)) }, null, JWT_LIFE],
    ['expires_in without exp', { sub: 'alice' }, 60, 60_000],
    ['the configured life for expires_in 0', {}, 0, JWT_LIFE],
    ['the configured life for a negative expires_in', {}, -5, JWT_LIFE],
    ['the configured life for an absurd expires_in', {}, 1e9, JWT_LIFE],
    ['the configured life when nothing says it', {}, null, JWT_LIFE],
  ];
  for (const [what, claims, expiresIn, life] of cases) {
    it(`is ${what}`, () => assert.equal(Math.round(lifeOf(jwtOf(claims), expiresIn)), life));
  }

  it('is the configured one for everything that is no JWT', () => {
    const payload = (text: string): string => `e30.${Buffer.from(text).toString('base64url')}.x`;
    const exp = seconds(1000);
    for (const text of [
      '',
      'opaque',
      'a.b',
      'a.b.c.d',
      payload('null'),
      payload('[1]'),
      payload('{"exp":'),
      payload('7'),
    ]) {
      assert.equal(lifeOf(text), JWT_LIFE, text);
    }
    assert.equal(lifeOf(`${jwtOf({ exp, pad: 'x'.repeat(70_000) })}`), JWT_LIFE);
    assert.deepEqual(timeClaimsOf(payload('{"exp":1e400,"iat":null}')), { exp: null, iat: null });
  });

  it('is sane whatever vovserver says', () => {
    const claim = fc.oneof(
      fc.double(),
      fc.integer(),
      fc.constant(undefined),
      fc.integer({ min: -1e6, max: 1e6 }).map(seconds),
    );
    fc.assert(
      fc.property(claim, claim, fc.option(fc.double()), (exp, iat, expiresIn) => {
        const life = lifeOf(jwtOf({ exp, iat }), expiresIn);
        assert.ok(life >= 999 && life <= 30 * DAY, `${life}`);
      }),
    );
    fc.assert(fc.property(fc.string(), (text) => lifeOf(text) === JWT_LIFE || text.split('.').length === 3));
  });

  it('never goes beyond exp when both clocks agree', () => {
    const life = fc.integer({ min: 1, max: 30 * 86_400 });
    fc.assert(
      fc.property(life, (s) => Math.abs(lifeOf(jwtOf({ iat: seconds(0), exp: seconds(s * 1000) })) - s * 1000) < 1),
    );
  });
});

describe('the moments of a JWT', () => {
  const life = fc.integer({ min: 1000, max: 30 * DAY });
  const share = fc.double({ min: 0.5, max: 0.95, noNaN: true });
  const random = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });

  it('come in order: issued, to be renewed, no longer handed out, ended', () => {
    fc.assert(
      fc.property(life, share, share, random, (ms, renewFrom, renewTo, x) => {
        const jwt = token(NOW, ms);
        const due = renewAt(jwt, { renewFrom, renewTo }, x);
        assert.ok(NOW < due && due <= goodUntil(jwt) && goodUntil(jwt) < jwt.expiresAt);
        assert.ok(jwt.expiresAt - goodUntil(jwt) <= 2000);
      }),
    );
  });

  it('put the renewal between the configured shares', () => {
    fc.assert(
      fc.property(life, random, (ms, x) => {
        const due = (renewAt(token(0, ms), { renewFrom: 0.75, renewTo: 0.85 }, x) - 0) / ms;
        assert.ok(due >= 0.75 - 1e-9 && due <= 0.85 + 1e-9);
      }),
    );
  });
});

describe('which of two JWTs is newer', () => {
  const jwt = fc.record({
    token: fc
      .record({ life: fc.integer({ min: 1, max: 1e6 }), text: fc.constantFrom('a', 'b', 'c') })
      .map((t) => token(NOW, t.life, t.text)),
    fence: fc.nat(5),
  });

  it('is decided one way only', () => {
    fc.assert(fc.property(jwt, jwt, (a, b) => !(supersedes(a, b) && supersedes(b, a))));
    fc.assert(fc.property(jwt, (a) => !supersedes(a, a)));
  });

  it('goes by the fence, else by the end', () => {
    const early = token(NOW, 10, 'early');
    const late = token(NOW, 20, 'late');
    assert.equal(supersedes({ token: early, fence: 8 }, { token: late, fence: 7 }), true);
    assert.equal(supersedes({ token: late, fence: 7 }, { token: early, fence: 8 }), false);
    assert.equal(supersedes({ token: late, fence: 0 }, { token: early, fence: 8 }), true);
    assert.equal(supersedes({ token: early, fence: 8 }, { token: late, fence: 0 }), false);
  });
});

describe('pauses after failures', () => {
  it('grow from a second to a minute', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 5000 }), fc.double({ min: 0, max: 1, noNaN: true }), (failures, x) => {
        const pause = pauseAfter(failures, x);
        assert.ok(pause >= 1000 && pause <= 60_000);
        assert.ok(pauseAfter(failures + 1, x) >= pause);
      }),
    );
    assert.equal(pauseAfter(1, 0), 1000);
    assert.equal(pauseAfter(4, 0), 8000);
  });

  it('count failures in a row and keep the last error', () => {
    const error = new GatewayError('GW_UPSTREAM_DOWN', 'x');
    const first = backOff(null, error, 1000, 0);
    assert.deepEqual(first, { failures: 1, until: 2000, error });
    assert.deepEqual(backOff(first, error, 5000, 0), { failures: 2, until: 7000, error });
  });
});

describe('keys of an account', () => {
  const name = fc.string({ unit: 'binary' });

  it('are one for each queue and account, and carry one hash tag that names nobody', () => {
    const queue = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9_.-]{0,10}$/);
    fc.assert(
      fc.property(queue, name, queue, name, (q1, n1, q2, n2) => {
        assert.equal(tagOf({ queue: q1, name: n1 }) === tagOf({ queue: q2, name: n2 }), q1 === q2 && n1 === n2);
        assert.match(jwtKey(tagOf({ queue: q1, name: n1 }), 'h:1'), /^jwt:\{[A-Za-z0-9_.-]+:[A-Za-z0-9_-]{27}\}:h:1$/);
      }),
    );
  });

  it('differ for names that UTF-8 would make equal', () => {
    assert.notEqual(tagOf({ queue: 'q', name: '\ud800' }), tagOf({ queue: 'q', name: '\ufffd' }));
  });
});

describe('a stored JWT', () => {
  it('is null for anything that the gateway did not write', () => {
    const texts = [
      '',
      '{}',
      '[]',
      'null',
      '[2,"Bearer","x",1,2]',
      '[1,"Bearer","x","1",2]',
      '[1,"Bearer",null,1,2]',
      '[1,7,"x",1,2]',
    ];
    for (const text of texts) assert.equal(decodeToken(text), null, text);
    fc.assert(fc.property(fc.json(), (text) => decodeToken(text) === null || text.startsWith('[1,')));
    assert.equal(decodeToken('[1,"Bearer","x",1,2]')?.expiresAt, 2);
  });
});

describe('login slots', () => {
  const never = new AbortController().signal;

  it('go round in order of arrival and never exceed the limit', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 20 }), async (limit, count) => {
        const slots = createSlots(() => limit);
        const order: number[] = [];
        let running = 0;
        await Promise.all(
          Array.from({ length: count }, async (_, index) => {
            using _slot = await slots.take(never);
            running += 1;
            assert.ok(running <= limit);
            order.push(index);
            await new Promise(setImmediate);
            running -= 1;
          }),
        );
        assert.deepEqual(order, [...order.keys()]);
      }),
      { numRuns: 30 },
    );
  });

  it('let a waiter go whose signal aborts, and do not lose the slot', async () => {
    const slots = createSlots(() => 1);
    const held = await slots.take(never);
    const patience = new AbortController();
    const gone = assert.rejects(slots.take(patience.signal), /enough/);
    const next = slots.take(never);
    patience.abort(new Error('enough'));
    await gone;
    held[Symbol.dispose]();
    held[Symbol.dispose]();
    const second = await next;
    await assert.rejects(slots.take(AbortSignal.abort(new Error('too late'))), /too late/);
    second[Symbol.dispose]();
    (await slots.take(never))[Symbol.dispose]();
  });

  it('follow a limit that grows', async () => {
    let limit = 1;
    const slots = createSlots(() => limit);
    const held = await slots.take(never);
    const waiting = [slots.take(never), slots.take(never)];
    limit = 3;
    held[Symbol.dispose]();
    assert.equal((await Promise.all(waiting)).length, 2);
  });
});
