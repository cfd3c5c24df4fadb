import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { gunzipSync } from 'node:zlib';
import fc from 'fast-check';
import { createFaultPicker } from '../../standin/vovserver/fault-picker.ts';
import { changeFaults, type FaultRule, NO_FAULTS } from '../../standin/vovserver/faults.ts';
import type { Transport } from '../../standin/vovserver/index.ts';
import { createManualClock } from '../world/manual-clock.ts';
import { type Client, createPair, job, openRaw, type RawConnection, rawGet } from './client.ts';

const PATH = '/api/v3/project/1/project';
const HEAD_END = '\r\n\r\n';
const TRANSPORTS: readonly Transport[] = ['http', 'https-ca'];

/** Plays one fault on a raw GET and hands over the connection. */
async function play<T>(
  rule: Omit<FaultRule, 'path'>,
  look: (raw: RawConnection, client: Client, jwt: string) => Promise<T>,
  transport: Transport = 'http',
): Promise<T> {
  await using client = await createPair({ transport });
  const jwt = await client.login('alice');
  client.server.addFault({ ...rule, path: '/api/v3/(project|jobs)', times: 1 });
  using raw = openRaw(client.server);
  raw.send(rawGet(PATH, jwt));
  return await look(raw, client, jwt);
}

const GOOD_BODY = '{"startrow":1,"endrow":1,"query":"SELECT project FROM 1"';
const bodyOf = (text: string): string => text.slice(text.indexOf(HEAD_END) + HEAD_END.length);
const headOf = (text: string): string => text.slice(0, text.indexOf(HEAD_END));
const whole = (raw: RawConnection): Promise<string> => raw.until((text) => text.endsWith(']]}'));

describe('faults on the wire', () => {
  for (const transport of TRANSPORTS) {
    it(`reset-before cuts without an answer and without the work (${transport})`, () =>
      play(
        { kind: 'reset-before' },
        async (raw) => {
          assert.equal(await raw.ended, 'reset');
          assert.equal(await raw.until(() => true), '');
        },
        transport,
      ));

    it(`reset-mid-body sends half of the answer (${transport})`, () =>
      play(
        { kind: 'reset-mid-body' },
        async (raw) => {
          const text = await raw.until(() => false);
          assert.equal(await raw.ended, 'reset');
          const length = Number(/content-length: (\d+)/i.exec(text)?.[1]);
          assert.equal(bodyOf(text).length, length >> 1);
        },
        transport,
      ));

    it(`reset-after has done the work (${transport})`, async () => {
      await using client = await createPair({ transport });
      const jwt = await client.login('alice');
      client.server.addFault({ kind: 'reset-after', method: 'POST', path: '/jobs$' });
      const body = JSON.stringify(job('a'));
      const authorization = `Bearer:${jwt}`;
      await assert.rejects(client.call('POST', '/api/v3/jobs', { authorization, body }));
      assert.equal(client.server.ledger.jobs.length, 1);
      assert.equal(client.server.ledger.requests.at(-1)?.status, null);
      assert.equal(client.server.ledger.requests.at(-1)?.fault, 'reset-after');
    });
  }

  it('reset-before leaves a submission undone', async () => {
    await using client = await createPair();
    await client.as('alice', 'GET', PATH);
    client.server.addFault({ kind: 'reset-before', method: 'POST' });
    await assert.rejects(client.as('alice', 'POST', '/api/v3/jobs', job('a')));
    assert.equal(client.server.jobs.size, 0);
    assert.equal(client.server.ledger.requests.at(-1)?.method, 'POST');
  });

  it('truncated-json is good HTTP around bad JSON', () =>
    play({ kind: 'truncated-json' }, async (raw) => {
      const text = await raw.until((one) => one.includes(HEAD_END) && bodyOf(one).length > 20);
      assert.equal(bodyOf(text).length, Number(/content-length: (\d+)/i.exec(text)?.[1]));
      assert.throws(() => JSON.parse(bodyOf(text)), SyntaxError);
    }));

  it('short-body ends before its length', () =>
    play({ kind: 'short-body' }, async (raw) => {
      const text = await raw.until(() => false);
      assert.equal(await raw.ended, 'fin');
      assert.equal(Number(/content-length: (\d+)/i.exec(text)?.[1]), bodyOf(text).length + 10);
    }));

  it('long-body has more than its length', () =>
    play({ kind: 'long-body' }, async (raw) => {
      const text = await raw.until((one) => one.endsWith('trailing bytes'));
      assert.ok(bodyOf(text).length > Number(/content-length: (\d+)/i.exec(text)?.[1]));
    }));

  it('invalid-utf8 is no UTF-8', () =>
    play({ kind: 'invalid-utf8' }, async (raw) => {
      const text = await raw.until((one) => one.endsWith('"}'));
      assert.throws(() => new TextDecoder('utf-8', { fatal: true }).decode(Buffer.from(bodyOf(text), 'latin1')));
    }));

  it('duplicate-keys has each key twice', () =>
    play({ kind: 'duplicate-keys' }, async (raw) => {
      const text = bodyOf(await raw.until((one) => one.endsWith(']]}')));
      assert.equal(text.split('"errmsg":').length, 3);
      assert.equal(JSON.parse(text).errmsg, '');
    }));

  it('huge-rows has that many rows', () =>
    play({ kind: 'huge-rows', rows: 5000 }, async (raw) => {
      assert.equal(JSON.parse(bodyOf(await raw.until((one) => one.endsWith(']]}')))).rows.length, 5000);
    }));

  it('bomb inflates', () =>
    play({ kind: 'bomb', bytes: 1_048_576 }, async (raw) => {
      const text = await raw.until((one) => {
        const length = /content-length: (\d+)/i.exec(one)?.[1];
        return length !== undefined && bodyOf(one).length === Number(length);
      });
      assert.match(headOf(text), /content-encoding: gzip/i);
      assert.ok(bodyOf(text).length < 2000);
      assert.equal(gunzipSync(Buffer.from(bodyOf(text), 'latin1')).length, 1_048_576);
    }));

  it('no-length ends its body with the connection', () =>
    play({ kind: 'no-length' }, async (raw) => {
      const text = await raw.until(() => false);
      assert.doesNotMatch(headOf(text), /content-length/i);
      assert.ok(bodyOf(text).startsWith(GOOD_BODY));
      assert.equal(await raw.ended, 'fin');
    }));

  it('endless-body goes on until the client goes', () =>
    play({ kind: 'endless-body' }, async (raw, client) => {
      const text = await raw.until((one) => one.length > 1_000_000);
      assert.match(headOf(text), /transfer-encoding: chunked/i);
      raw.socket.destroy();
      while (client.server.stats.inFlight > 0) await new Promise((resolve) => setImmediate(resolve));
    }));

  it('slow-body sends its pieces one by one on the clock of waits', async () => {
    const waits = createManualClock();
    await using client = await createPair({ waits });
    const jwt = await client.login('alice');
    client.server.addFault({ kind: 'slow-body', bytes: 10, ms: 1000, path: 'project' });
    using raw = openRaw(client.server);
    raw.send(rawGet(PATH, jwt));
    let text = await raw.until((one) => one.includes(HEAD_END));
    for (const size of [10, 20, 30]) {
      assert.equal(bodyOf(text).length, size - 10);
      await waits.advance(1000);
      text = await raw.until((one) => bodyOf(one).length >= size);
    }
    assert.ok(GOOD_BODY.startsWith(bodyOf(text).slice(0, 30)));
  });

  for (const [kind, pattern] of [
    ['status-line', /^HTTP\/1\.1 099 Odd\r/],
    ['bad-header', /\r\nX-Odd: a\x01b\x00c\r\nno colon at all\r/],
    ['odd-headers', /\r\nSet-Cookie: vovsession=[\s\S]*\r\nServer: vovserver/],
    ['duplicate-length', /\r\nContent-Length: 1\r\nContent-Length: \d\d+$/],
    ['length-and-chunked', /\r\nTransfer-Encoding: chunked\r\nContent-Length: \d+$/],
    ['bad-chunk', /\r\nTransfer-Encoding: chunked$/],
    ['trailers', /\r\nTrailer: X-Trailer/],
  ] as const) {
    it(`${kind} shows in the head`, () =>
      play({ kind }, async (raw) => assert.match(headOf(await raw.until((one) => one.includes(HEAD_END))), pattern)));
  }

  it('bad-chunk breaks after a good chunk', () =>
    play({ kind: 'bad-chunk' }, async (raw) => {
      assert.match(await raw.until((one) => one.endsWith('nonsense\r\n')), /\]\]\}\r\nzz\r\nnonsense/);
    }));

  it('huge-header and many-headers are as large as asked', async () => {
    const size = (rule: FaultRule) =>
      play(rule, async (raw) => headOf(await raw.until((one) => one.includes(HEAD_END))).length);
    assert.ok((await size({ kind: 'huge-header', bytes: 100_000 })) > 100_000);
    assert.ok((await size({ kind: 'many-headers', count: 500 })) > 500 * 10);
  });

  it('informational-flood comes before the answer', () =>
    play({ kind: 'informational-flood', count: 50 }, async (raw) => {
      const text = await whole(raw);
      assert.equal(text.split('HTTP/1.1 103 ').length, 51);
      assert.match(text, /HTTP\/1\.1 200 OK\r/);
    }));

  it('extra-bytes are a forged answer after the true one', () =>
    play({ kind: 'extra-bytes' }, async (raw) => {
      const text = await raw.until((one) => one.includes('forged'));
      assert.match(text, /\]\]\}HTTP\/1\.1 200 OK/);
    }));

  it('raw writes just that', () =>
    play({ kind: 'raw', text: 'SSH-2.0-x\r\n' }, async (raw) =>
      assert.equal(await raw.until(() => false), 'SSH-2.0-x\r\n'),
    ));

  for (const kind of ['odd-headers', 'informational-flood', 'truncated-json', 'trailers', 'huge-header'] as const) {
    it(`after ${kind} the connection serves the next request`, () =>
      play({ kind, bytes: 1000, count: 3 }, async (raw, client, jwt) => {
        await raw.until((one) => one.includes(HEAD_END));
        // The client must have the whole answer before it asks again.
        while (client.server.stats.inFlight > 0) await new Promise((resolve) => setImmediate(resolve));
        raw.send(rawGet('/api/v3/project/1/version', jwt));
        assert.match(await raw.until((one) => one.includes('2024.1.0')), /2024\.1\.0/);
        assert.equal(client.server.ledger.requests.length, 3);
      }));
  }
});

describe('a request that comes before the last answer is over', () => {
  for (const kind of ['odd-headers', 'slow-body', 'informational-flood', 'reset-mid-body'] as const) {
    it(`waits for its turn, then plays ${kind} too`, async () => {
      await using client = await createPair();
      const jwt = await client.login('alice');
      client.server.addFault({ kind: 'slow-body', bytes: 20, ms: 2, path: '/project', times: 1 });
      client.server.addFault({ kind, bytes: 40, ms: 1, count: 2, path: '/version' });
      using raw = openRaw(client.server);
      raw.send(rawGet(PATH, jwt) + rawGet('/api/v3/project/1/version', jwt));
      const text = await raw.until((one) => one.includes('2024.1.0'));
      assert.equal(text.split('HTTP/1.1 200 OK').length, 3);
      assert.ok(text.indexOf('"vnc"') < text.lastIndexOf('HTTP/1.1 200 OK'));
    });
  }
});

describe('faults in the answer', () => {
  const status = async (rule: FaultRule, path = PATH) => {
    await using client = await createPair();
    await client.as('alice', 'GET', '/project');
    client.server.addFault(rule);
    const answer = await client.as('alice', 'GET', path);
    return { answer, client };
  };

  for (const code of [200, 500, 502, 503]) {
    it(`answer gives HTML with ${code}`, async () => {
      const { answer } = await status({ kind: 'answer', status: code });
      assert.equal(answer.status, code);
      assert.match(answer.text, /^<!DOCTYPE html>/);
      assert.match(String(answer.headers['content-type']), /html/);
    });
  }

  it('answer gives JSON or nothing', async () => {
    assert.ok((await status({ kind: 'answer', body: 'json' })).answer.json().error);
    assert.equal((await status({ kind: 'answer', body: 'empty' })).answer.text, '');
    assert.deepEqual((await status({ kind: 'answer', status: 200, text: '{"rows":[]}' })).answer.json(), { rows: [] });
  });

  it('answer does the work only when told to', async () => {
    for (const executed of [true, false]) {
      await using client = await createPair();
      client.server.addFault({ kind: 'answer', status: 502, executed, method: 'POST', path: 'jobs' });
      assert.equal((await client.as('alice', 'POST', '/api/v3/jobs', job('a'))).status, 502);
      assert.equal(client.server.jobs.size, executed ? 1 : 0);
    }
  });

  it('redirect points elsewhere', async () => {
    const { answer } = await status({ kind: 'redirect', location: 'https://evil.invalid/x', status: 307 });
    assert.equal(answer.status, 307);
    assert.equal(answer.headers.location, 'https://evil.invalid/x');
  });

  it('refuse-jwt answers as to a bad JWT and says so in the ledger', async () => {
    const { answer, client } = await status({ kind: 'refuse-jwt' });
    assert.equal(answer.status, 401);
    assert.equal(client.server.ledger.requests.at(-1)?.auth, 'refused');
    assert.equal(client.server.ledger.requests.at(-1)?.account, 'alice');
  });

  it('reject-password rejects the right one', async () => {
    await using client = await createPair();
    client.server.addFault({ kind: 'reject-password', times: 1 });
    await assert.rejects(client.login('alice'), /401/);
    assert.equal(client.server.ledger.logins[0]?.result, 'rejected');
    assert.ok(await client.login('alice'));
  });

  it('a login that a fault swallowed is in the ledger too', async () => {
    await using client = await createPair();
    client.server.addFault({ kind: 'answer', path: '^/api/v3/token$' });
    await assert.rejects(client.login('alice'), /500/);
    assert.deepEqual(
      [client.server.ledger.logins[0]?.user, client.server.ledger.logins[0]?.result],
      ['alice', 'fault'],
    );
  });

  it('delay and loginMs wait on the clock of waits', async () => {
    const waits = createManualClock();
    await using client = await createPair({ waits, faults: { loginMs: 500 } });
    client.server.addFault({ kind: 'delay', ms: 250, path: 'token' });
    let done = false;
    const login = client.login('alice').then(() => {
      done = true;
    });
    while (client.server.stats.inFlight === 0) await new Promise((resolve) => setImmediate(resolve));
    await waits.advance(749);
    assert.equal(done, false);
    while (!done) await waits.advance(1);
    await login;
  });

  it('hang never answers', async () => {
    await using client = await createPair();
    const jwt = await client.login('alice');
    client.server.addFault({ kind: 'hang' });
    using raw = openRaw(client.server);
    raw.send(rawGet(PATH, jwt));
    while (client.server.ledger.requests.length < 2) await new Promise((resolve) => setImmediate(resolve));
    assert.equal(await raw.until(() => true), '');
    assert.equal(client.server.stats.inFlight, 1);
  });

  it('a disposed fault is over', async () => {
    await using client = await createPair();
    await client.as('alice', 'GET', PATH);
    {
      using _fault = client.server.addFault({ kind: 'answer' });
      assert.equal((await client.as('alice', 'GET', PATH)).status, 500);
    }
    assert.equal((await client.as('alice', 'GET', PATH)).status, 200);
  });
});

describe('choosing a fault', () => {
  const target = { method: 'GET', target: '/api/v3/jobs/1', account: 'alice' };
  const picker = (rules: FaultRule[], random = () => 0) => {
    const made = createFaultPicker(random);
    made.set(changeFaults(NO_FAULTS, { rules }));
    return made;
  };

  it('looks at path, method and account', () => {
    for (const [rule, hits] of [
      [{ path: '/jobs/\\d' }, true],
      [{ path: '^/jobs' }, false],
      [{ method: 'GET' }, true],
      [{ method: 'POST' }, false],
      [{ account: 'alice' }, true],
      [{ account: 'bob' }, false],
    ] as const) {
      assert.equal(picker([{ kind: 'hang', ...rule }]).pick(target).rule !== null, hits, JSON.stringify(rule));
    }
  });

  it('hits exactly `times`, after `skip`', () => {
    fc.assert(
      fc.property(fc.nat(5), fc.nat(5), fc.nat(15), (times, skip, calls) => {
        const made = picker([{ kind: 'hang', times, skip }]);
        const hits = Array.from({ length: calls }, () => made.pick(target).rule !== null);
        assert.equal(hits.filter(Boolean).length, Math.max(0, Math.min(times, calls - skip)));
        assert.equal(hits.slice(0, skip).some(Boolean), false);
      }),
    );
  });

  it('hits by probability', () => {
    const numbers = [0.5, 0.009, 0.01, 0.99];
    const made = picker([{ kind: 'refuse-jwt', probability: 0.01 }], () => numbers.shift() ?? 1);
    const hits = Array.from({ length: 4 }, () => made.pick(target).rule !== null);
    assert.deepEqual(hits, [false, true, false, false]);
  });

  it('adds up delays and takes the first other rule', () => {
    const made = picker([
      { kind: 'delay', ms: 5 },
      { kind: 'hang', times: 1 },
      { kind: 'delay', ms: 7 },
      { kind: 'answer' },
    ]);
    assert.deepEqual([made.pick(target).delayMs, made.faults.rules.length], [5, 4]);
    const second = made.pick(target);
    assert.deepEqual([second.delayMs, second.rule?.kind], [12, 'answer']);
  });

  it('keeps the counts of a rule when another is added', () => {
    const once: FaultRule = { kind: 'hang', times: 1 };
    const made = picker([once]);
    assert.ok(made.pick(target).rule);
    made.set({ ...NO_FAULTS, rules: [once, { kind: 'answer' }] });
    assert.equal(made.pick(target).rule?.kind, 'answer');
  });

  it('refuses what cannot be meant, all at once', () => {
    const change = { rules: [{ kind: 'nope', path: '(', times: 'x', colour: 1 }, 7], serviceMs: -1, speed: 1 };
    assert.throws(
      () => changeFaults(NO_FAULTS, change),
      (error: Error) =>
        ['[0].kind', '[0].path', '[0].times', '[0].colour', '[1]: must', 'serviceMs', 'speed'].every((word) =>
          error.message.includes(word),
        ),
    );
    assert.throws(() => changeFaults(NO_FAULTS, { rules: 'x' }), /rules/);
  });
});
