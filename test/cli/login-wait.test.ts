import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { beginLogin, type DeviceLogin, type LoginEnd, waitForToken } from '../../src/cli/device-login.ts';
import { type GatewayAnswer, type GatewayClient, GatewayFault } from '../../src/cli/gateway-client.ts';
import { readGatewayUrl } from '../../src/cli/gateway-url.ts';
import { plain, UsageError } from '../../src/cli/verb.ts';
import { createManualClock } from '../world/manual-clock.ts';
import { callVerb } from './login-world.ts';

type Poll = Partial<GatewayAnswer> | Error;

const errorOf = (error: string, status = 400): Poll => ({ status, body: { error } });
const PENDING = errorOf('authorization_pending');
const TOKEN: Poll = {
  status: 200,
  body: { access_token: 'vgw_x', token_type: 'Bearer', expires_in: 3600, scope: 'read' },
};
const AWAY = new GatewayFault('away', 'gone');

/** Polls against answers in a row; gives the seconds at which each poll came, and the end. */
async function waited(polls: readonly Poll[], login: Partial<DeviceLogin> = {}, stopAfter = Number.POSITIVE_INFINITY) {
  const clock = createManualClock(0);
  const at: number[] = [];
  const stop = new AbortController();
  const client: GatewayClient = {
    get: () => Promise.reject(new Error('nothing to get')),
    async post(path, form) {
      assert.equal(path, '/oauth/token');
      assert.deepEqual(form, {
        grant_type: 'urn:ietf:params:oauth:grant-type:device_code',
        client_id: 'vovgw',
        device_code: 'code',
      });
      at.push(clock.now() / 1000);
      if (at.length === stopAfter) stop.abort();
      const poll = polls[at.length - 1] ?? PENDING;
      if (poll instanceof Error) throw poll;
      return { status: 200, body: {}, retryAfter: 0, ...poll };
    },
    [Symbol.asyncDispose]: async () => undefined,
  };
  const whole = { deviceCode: 'code', userCode: 'BCDF-GHJK', page: 'https://x/', wholePage: null, interval: 5 };
  const ends: LoginEnd[] = [];
  const running = waitForToken(client, { ...whole, expiresAt: 600_000, ...login }, clock, stop.signal);
  running.then((end) => ends.push(end)).catch(() => undefined);
  await clock.advance(3_600_000);
  return { at, end: ends[0] ?? (await running) };
}

describe('waiting for the approval', () => {
  it('polls at the interval of the gateway until there is a token', async () => {
    const { at, end } = await waited([PENDING, PENDING, TOKEN], { interval: 7 });
    assert.deepEqual(at, [7, 14, 21]);
    assert.deepEqual(end, { kind: 'token', token: 'vgw_x', expiresAt: 21_000 + 3_600_000 });
  });

  it('waits five seconds more after each slow_down, for all polls that follow', async () => {
    const { at } = await waited([PENDING, errorOf('slow_down'), PENDING, errorOf('slow_down'), PENDING, TOKEN]);
    assert.deepEqual(at, [5, 10, 20, 30, 45, 60]);
  });

  it('does as told by a limit, which is a slow_down with Retry-After', async () => {
    const limited = { status: 429, body: { code: 'GW_RATE_LIMITED' }, retryAfter: 30 };
    const { at } = await waited([limited, TOKEN]);
    assert.deepEqual(at, [5, 35]);
  });

  it('asks ever more seldom while the gateway is away, and goes on when it is back', async () => {
    const { at, end } = await waited([AWAY, AWAY, { status: 503, body: {} }, { status: 502 }, AWAY, TOKEN]);
    assert.deepEqual(at, [5, 15, 35, 75, 135, 195]);
    assert.equal(end.kind, 'token');
  });

  it('ends at once when it was denied, has expired, or the code is not known', async () => {
    for (const [error, kind] of [
      ['access_denied', 'denied'],
      ['expired_token', 'expired'],
      ['invalid_grant', 'failed'],
      ['invalid_client', 'failed'],
      ['something_new', 'failed'],
    ] as const) {
      const { at, end } = await waited([PENDING, errorOf(error)]);
      assert.equal(end.kind, kind);
      assert.equal(at.length, 2);
    }
  });

  it('ends at once when the gateway is no longer believed', async () => {
    const { at, end } = await waited([PENDING, new GatewayFault('certificate', 'not trusted')]);
    assert.deepEqual(end, { kind: 'failed', reason: 'not trusted' });
    assert.equal(at.length, 2);
  });

  it('ends with the code, without a further poll', async () => {
    const { at, end } = await waited([], { expiresAt: 22_000 });
    assert.deepEqual(at, [5, 10, 15, 20]);
    assert.equal(end.kind, 'expired');
  });

  it('gives a token that came during an interruption to the caller, to be ended', async () => {
    assert.equal((await waited([PENDING, TOKEN], {}, 2)).end.kind, 'token');
    const { at, end } = await waited([PENDING, PENDING, TOKEN], {}, 2);
    assert.equal(end.kind, 'interrupted');
    assert.equal(at.length, 2);
  });

  it('takes nothing for a token that is none', async () => {
    for (const body of [{}, { access_token: 7, expires_in: 1 }, { access_token: 'x' }]) {
      assert.equal((await waited([{ status: 200, body }])).end.kind, 'failed');
    }
  });

  it('never polls faster than it was told, whatever the answers', async () => {
    const answer = fc.constantFrom<Poll>(PENDING, errorOf('slow_down'), AWAY, { status: 500 }, { status: 429 });
    await fc.assert(
      fc.asyncProperty(fc.array(answer, { maxLength: 12 }), async (polls) => {
        const { at } = await waited(polls);
        const slowed = polls.map((poll) => !(poll instanceof Error) && poll.body?.error === 'slow_down');
        for (let n = 1; n < at.length; n++) {
          const least = 5 + 5 * slowed.slice(0, n).filter(Boolean).length;
          assert.ok((at[n] ?? 0) - (at[n - 1] ?? 0) >= Math.min(least, 60));
        }
      }),
      { numRuns: 30 },
    );
  });
});

describe('beginning a login', () => {
  const begin = (answer: Partial<GatewayAnswer>) => {
    const client: GatewayClient = {
      get: () => Promise.reject(new Error('nothing to get')),
      post: async () => ({ status: 200, body: {}, retryAfter: 0, ...answer }),
      [Symbol.asyncDispose]: async () => undefined,
    };
    return beginLogin(client, { scope: null, host: 'hpc1' }, createManualClock(0));
  };
  const BODY = {
    device_code: 'code',
    user_code: 'BCDF-GHJK',
    verification_uri: 'https://gw.example.com/ui/device',
    expires_in: 600,
  };

  it('polls every five seconds where the gateway names no interval (RFC 8628, section 3.2)', async () => {
    const login = await begin({ body: BODY });
    assert.equal(login.interval, 5);
    assert.equal(login.expiresAt, 600_000);
    assert.equal(login.wholePage, null);
  });

  it('shows no page that is none, and nothing that a terminal would obey', async () => {
    for (const page of ['javascript:alert(1)', 'https://x/\u001b[2J', 'file:///etc/passwd', 7]) {
      await assert.rejects(begin({ body: { ...BODY, verification_uri: page } }), /is a vov-gateway at this URL/);
    }
    assert.equal((await begin({ body: { ...BODY, user_code: 'A\u001b[1mB\u202eC' } })).userCode, 'A?[1mB?C');
  });

  it('passes on what a refusal says', async () => {
    await assert.rejects(begin({ status: 400, body: { error: 'invalid_scope' } }), /invalid_scope \(400\)/);
    await assert.rejects(begin({ status: 503, body: { detail: 'The store is away.' } }), /The store is away\. \(503\)/);
  });
});

describe('the URL of a gateway', () => {
  it('is reduced to scheme, host and port', () => {
    for (const [given, origin] of [
      ['https://GW.example.com:8443/', 'https://gw.example.com:8443'],
      ['https://gw.example.com/api/v3', 'https://gw.example.com'],
      ['https://gw.example.com:443', 'https://gw.example.com'],
      ['http://localhost:8080', 'http://localhost:8080'],
      ['http://127.0.0.1:8080', 'http://127.0.0.1:8080'],
      ['http://[::1]:8080', 'http://[::1]:8080'],
    ] as const) {
      assert.equal(readGatewayUrl(given, '--url'), origin);
    }
  });

  it('is never one that sends the token in clear, holds a password or is no URL', () => {
    for (const given of [
      'http://gw.example.com',
      'http://127.0.0.1.example.com',
      'http://localhost.example.com',
      'http://10.0.0.1',
      'https://alice:secret@gw.example.com',
      'gw.example.com:8443',
      'ftp://gw.example.com',
      '',
    ]) {
      assert.throws(
        () => readGatewayUrl(given, '--url'),
        (error) => {
          assert.ok(error instanceof UsageError, given);
          assert.ok(error.message.startsWith('--url ') && !error.message.includes('secret'));
          return true;
        },
      );
    }
  });
});

describe('text from the network', () => {
  it('loses whatever a terminal would obey, and stays readable otherwise', () => {
    assert.equal(plain('Zoë 文字 ok'), 'Zoë 文字 ok');
    fc.assert(fc.property(fc.string({ unit: 'binary' }), (text) => !/[\p{C}\p{Zl}\p{Zp}]/u.test(plain(text))));
    for (const other of [undefined, null, 7, {}, ['x']]) assert.equal(plain(other), '');
  });
});

describe('vovgw login, called wrongly', () => {
  it('says how, with exit code 2', async () => {
    const env = { HOME: '/nonexistent' };
    const cases: [string[], RegExp][] = [
      [[], /where is the gateway\?/],
      [['--url', 'http://gw.example.com'], /--url would send the token in clear; write https:\/\/gw\.example\.com/],
      [['--url', 'https://gw.example.com', '--scope', 'read,admin'], /there is no scope “admin”/],
      [['--url', 'https://gw.example.com', '--scope', ' , '], /--scope names none/],
      [['--insecure'], /insecure/],
      [['https://gw.example.com'], /gw\.example\.com/],
    ];
    for (const [argv, pattern] of cases) {
      const { code, out, err } = await callVerb(['login', ...argv], env);
      assert.equal(code, 2, argv.join(' '));
      assert.match(err, pattern);
      assert.match(err, /vovgw login \[--url URL\]/);
      assert.equal(out, '');
    }
    for (const verb of ['login', 'logout', 'whoami', 'print']) {
      const help = await callVerb([verb, '--help'], env);
      assert.equal(help.code, 0);
      assert.match(help.out, /^vovgw /);
      assert.equal((await callVerb([verb, '--nonsense'], env)).code, 2);
    }
  });
});
