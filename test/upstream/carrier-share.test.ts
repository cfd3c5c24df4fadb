import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { GatewayError } from '../../src/kernel/index.ts';
import type { UpstreamCall, UpstreamToken } from '../../src/upstream/index.ts';
import { CONFIG, codesOf, createFakeRoad, only, type Road, settle, shared } from './fake-upstream.ts';
import { countingCredential, tokenOf } from './rig.ts';

const VERSION = '/api/v3/project/1/version';
const down = new GatewayError('GW_UPSTREAM_DOWN', 'down', { retryAfter: 5 });
const noCredential = new GatewayError('GW_CREDENTIAL_UNAVAILABLE', 'no password');

describe('a caller alone', () => {
  it('is streamed to, with its own call and credential', async () => {
    const road = createFakeRoad();
    const caller = road.call();
    const going = only(road.going);
    assert.deepEqual([going.kind, going.call, road.gate.asked[0]], ['forward', going.call, going.call]);
    going.answer();
    assert.deepEqual(await caller.result, { status: 200, bytesOut: 1, seconds: 0.5, renewed: false, complete: true });
    assert.deepEqual(road.told, ['own']);
    assert.equal(road.gate.done[0]?.ok, true);
  });

  it('is what a second one becomes when nobody else waits', async () => {
    const road = createFakeRoad();
    road.call();
    const second = road.call();
    only(road.going).answer();
    await settle();
    assert.equal(only(road.going).kind, 'forward');
    only(road.going).answer();
    await settle();
    assert.equal(second.ended, 'answered');
    assert.deepEqual(road.told, ['own', 'own']);
  });
});

describe('reads that are not equal', () => {
  const base = ['Host', 'x', 'Accept', 'application/json'];
  const unlike: Record<string, Partial<UpstreamCall>> = {
    'of another account': { account: 'bob' },
    'of another queue': { queue: 'day' },
    'of another target': { target: '/api/v3/jobs/1?a=1' },
    'with another Accept': { rawHeaders: ['Host', 'x', 'Accept', 'text/html'] },
    'with Accept twice': { rawHeaders: [...base, 'accept', 'text/html'] },
    'with another Content-Type': { rawHeaders: [...base, 'Content-Type', 'text/x'] },
    'with another Accept-Language': { rawHeaders: [...base, 'Accept-Language', 'de'] },
    'with Prefer': { rawHeaders: [...base, 'Prefer', 'wait=30'] },
    'with Range': { rawHeaders: [...base, 'Range', 'bytes=0-1'] },
    'with If-None-Match': { rawHeaders: [...base, 'If-None-Match', '"1"'] },
    'with If-Modified-Since': { rawHeaders: [...base, 'if-modified-since', 'x'] },
    'with a Connection header that takes one away': { rawHeaders: [...base, 'Connection', 'accept'] },
    'with a body': { body: { kind: 'bytes', bytes: Buffer.from('x') } },
    'by HEAD': { method: 'HEAD' },
    'that are no reads': { method: 'POST' },
  };
  for (const [what, of] of Object.entries(unlike)) {
    it(`${what} go by themselves`, async () => {
      const road = createFakeRoad();
      road.call({ rawHeaders: base });
      road.call({ rawHeaders: base, ...of });
      await settle();
      assert.deepEqual(
        road.going.map(({ kind }) => kind),
        ['forward', 'forward'],
      );
      assert.equal(road.gate.open, 2);
    });
  }

  it('of another epoch go by themselves', async () => {
    const road = createFakeRoad();
    road.call();
    road.state.epoch = 'epoch-2';
    road.call();
    assert.equal(road.going.length, 2);
  });

  it('conditional or HEAD do not meet each other either, and a write is no read', async () => {
    const road = createFakeRoad();
    for (const method of ['HEAD', 'HEAD', 'PUT', 'PUT']) road.call({ method });
    assert.equal(road.going.length, 4);
    for (const going of [...road.going]) going.answer();
    await settle();
    assert.deepEqual(road.told, ['own', 'own']);
  });

  it('that differ in what does not count share', async () => {
    const road = createFakeRoad();
    const plain = ['Accept', 'a', 'Connection', 'keep-alive'];
    await shared(road, [
      { rawHeaders: ['User-Agent', 'x', ...plain, 'Accept-Encoding', 'gzip'] },
      { rawHeaders: ['ACCEPT', 'a', 'Connection', 'Close', 'Accept-Encoding', 'br'] },
    ]);
  });
});

describe('a shared answer', () => {
  it('is written to everyone with their own head and a length', async () => {
    const road = createFakeRoad();
    const callers = await shared(road, [{ head: ['x-request-id', 'r1'] }, { head: ['x-request-id', 'r2'] }, {}]);
    only(road.going).answer({ body: Buffer.from('all') });
    await settle();
    const heads = callers.map(({ response }) => response.rawHead.join(' '));
    assert.deepEqual(heads, [
      'x-request-id r1 etag "1" content-length 3',
      'x-request-id r2 etag "1" content-length 3',
      'etag "1" content-length 3',
    ]);
    assert.ok(callers.every(({ response }) => response.text === 'all'));
    assert.deepEqual(road.told, ['own', 'own', 'shared', 'shared']);
    for (const { result } of callers) assert.equal((await result).bytesOut, 3);
  });

  it('of 204 has neither length nor body', async () => {
    const road = createFakeRoad();
    const [caller] = await shared(road, [{}, {}]);
    only(road.going).answer({ status: 204, headers: [], body: Buffer.alloc(0) });
    await settle();
    assert.deepEqual([caller?.response.rawHead, caller?.response.text], [[], '']);
  });

  it('of vovserver’s own error status is shared, and its turn was not well', async () => {
    const road = createFakeRoad();
    const callers = await shared(road, [{}, {}]);
    only(road.going).answer({ status: 500 });
    await settle();
    assert.ok(callers.every(({ response }) => response.statusCode === 500));
    assert.deepEqual(
      road.gate.done.map(({ ok }) => ok),
      [true, false],
    );
  });

  it('is asked for with the longest waiting caller’s id and the flight as its caller', async () => {
    const road = createFakeRoad();
    await shared(road, [{ requestId: 'first' }, { requestId: 'second' }]);
    const { call, maxBytes } = only(road.going);
    assert.deepEqual([call.requestId, maxBytes], ['first', CONFIG.maxBytes]);
  });
});

describe('callers who go away', () => {
  it('leave the others their call, whoever began it', async () => {
    const road = createFakeRoad();
    const [leader, follower] = await shared(road, [{}, {}, {}]);
    leader?.leave();
    await settle();
    assert.ok(leader?.ended instanceof GatewayError);
    only(road.going).answer();
    await settle();
    assert.equal(follower?.ended, 'answered');
    assert.equal(leader.response.text, null);
  });

  it('cancel it when all have gone, also between two attempts', async () => {
    const road = createFakeRoad();
    const callers = await shared(road, [{}, {}]);
    const { signal } = only(road.going).call;
    for (const { leave } of callers) leave();
    await settle();
    assert.deepEqual([road.going.length, signal.aborted, road.gate.open], [0, true, 0]);
    const next = road.call();
    await settle();
    only(road.going).answer();
    await settle();
    assert.equal(next.ended, 'answered');
  });

  it('before it began make no call', async () => {
    const road = createFakeRoad();
    const first = road.call();
    const callers = [road.call(), road.call()];
    for (const { leave } of callers) leave();
    only(road.going).answer();
    await settle();
    assert.deepEqual([first.ended, road.begun.length, road.gate.given], ['answered', 1, 1]);
  });

  it('in the moment of their turn give it back', async () => {
    const road = createFakeRoad();
    road.gate.limit = 0;
    const caller = road.call();
    road.gate.limit = 1;
    for (const { give } of road.gate.waiting) give();
    caller.leave();
    await settle();
    assert.deepEqual([road.begun.length, road.gate.given, road.gate.open], [0, 1, 0]);
  });

  it('leave the place in the queue to who waits with them', async () => {
    const road = createFakeRoad();
    road.gate.limit = 0;
    const leader = road.call({ requestId: 'leader' });
    const follower = road.call({ requestId: 'follower' });
    leader.leave();
    await settle();
    assert.deepEqual(
      [...road.gate.waiting].map(({ call }) => call.requestId),
      ['follower'],
    );
    road.gate.limit = 1;
    for (const { give } of road.gate.waiting) give();
    await settle();
    only(road.going).answer();
    await settle();
    assert.equal(follower.ended, 'answered');
  });

  it('before they came are told at once', async () => {
    const road = createFakeRoad();
    road.call();
    const gone = AbortSignal.abort();
    const caller = road.call({ signal: gone });
    await settle();
    assert.ok(caller.ended instanceof GatewayError);
  });
});

describe('while a turn is waited for', () => {
  it('who comes is of the same call', async () => {
    const road = createFakeRoad();
    road.gate.limit = 0;
    const callers = [road.call(), road.call(), road.call()];
    road.gate.limit = 1;
    for (const { give } of road.gate.waiting) give();
    await settle();
    only(road.going).answer();
    await settle();
    assert.ok(callers.every(({ ended }) => ended === 'answered'));
    assert.equal(road.begun.length, 1);
  });

  it('a refusal is of the identity that waited, others wait on with a turn of their own', async () => {
    const road = createFakeRoad();
    road.gate.limit = 0;
    const ann = [road.call({ identity: 'ann' }), road.call({ identity: 'ann' })];
    const ben = road.call({ identity: 'ben' });
    for (const { call, refuse } of road.gate.waiting) if (call.identity === 'ann') refuse();
    await settle();
    assert.deepEqual(codesOf([...ann, ben]), ['GW_SATURATED', 'GW_SATURATED', null]);
    road.gate.limit = 1;
    for (const { give } of road.gate.waiting) give();
    await settle();
    only(road.going).answer();
    await settle();
    assert.equal(ben.ended, 'answered');
  });

  it('a refusal at once is the caller’s own and leaves nothing behind', async () => {
    const full = new GatewayError('GW_SATURATED', 'full', { retryAfter: 2 });
    const road = createFakeRoad();
    const { take } = road.gate;
    road.gate.take = () => {
      throw full;
    };
    const callers = [road.call(), road.call({ method: 'POST' }), road.call({ method: 'HEAD' })];
    await settle();
    assert.deepEqual(codesOf(callers), ['GW_SATURATED', 'GW_SATURATED', 'GW_SATURATED']);
    road.gate.take = take;
    const caller = road.call();
    only(road.going).answer();
    await settle();
    assert.equal(caller.ended, 'answered');
  });
});

describe('an error', () => {
  it('is for those of the same call only', async () => {
    const road = createFakeRoad();
    const callers = await shared(road, [{}, {}]);
    const later = road.call();
    only(road.going).fail(down);
    await settle();
    assert.deepEqual(codesOf([...callers, later]), ['GW_UPSTREAM_DOWN', 'GW_UPSTREAM_DOWN', null]);
    only(road.going).answer();
    await settle();
    assert.equal(later.ended, 'answered');
    assert.deepEqual(
      road.gate.done.map(({ ok }) => ok),
      [true, false, true],
    );
  });

  it('of one streamed to is its own', async () => {
    const road = createFakeRoad();
    const first = road.call();
    const second = road.call();
    only(road.going).fail(down);
    await settle();
    only(road.going).answer();
    await settle();
    assert.deepEqual(codesOf([first, second]), ['GW_UPSTREAM_DOWN', 'answered']);
  });

  it('of the credential is for the whole account', async () => {
    const road = createFakeRoad();
    const callers = await shared(road, [{}, {}]);
    only(road.going).fail(noCredential);
    await settle();
    assert.deepEqual(codesOf(callers), ['GW_CREDENTIAL_UNAVAILABLE', 'GW_CREDENTIAL_UNAVAILABLE']);
  });

  it('of settings is the caller’s', async () => {
    const settings = () => {
      throw down;
    };
    const road = createFakeRoad({ settings });
    const caller = road.call();
    await settle();
    assert.deepEqual(codesOf([caller]), ['GW_UPSTREAM_DOWN']);
  });
});

describe('a path that is the same for every account', () => {
  const three = ['alice', 'bob', 'bob'].map((account) => ({ account, target: VERSION }));

  it('is asked once for all of them', async () => {
    const road = createFakeRoad();
    const callers = await shared(road, three);
    only(road.going).answer();
    await settle();
    assert.deepEqual(codesOf(callers), ['answered', 'answered', 'answered']);
    assert.equal(road.begun.length, 2);
  });

  it('is exact: with a query it is each account’s own', async () => {
    const road = createFakeRoad();
    for (const account of ['alice', 'bob']) road.call({ account, target: `${VERSION}?x=1` });
    assert.equal(road.going.length, 2);
  });

  for (const [what, end] of [
    ['an error of one credential', (road: Road) => only(road.going).fail(noCredential)],
    ['a denial of one account', (road: Road) => only(road.going).answer({ status: 403 })],
  ] as const) {
    it(`does not carry ${what} to others, who go by themselves`, async () => {
      const road = createFakeRoad();
      const callers = await shared(road, three);
      end(road);
      await settle();
      assert.deepEqual(
        road.going.map(({ call }) => call.account),
        ['bob', 'bob'],
      );
      for (const going of [...road.going]) going.answer();
      await settle();
      assert.deepEqual(codesOf(callers.slice(1)), ['answered', 'answered']);
      assert.ok(callers.slice(1).every(({ response }) => response.statusCode === 200));
    });
  }

  it('is for whoever has a JWT of its own: who has none gets that error, who must log in waits for it', async () => {
    const road = createFakeRoad();
    const first = road.call({ account: 'alice', target: VERSION });
    const refused = road.call(
      { account: 'mallory', target: VERSION },
      { ...countingCredential('mallory'), get: () => Promise.reject(noCredential) },
    );
    const { promise, resolve } = Promise.withResolvers<UpstreamToken>();
    const late = road.call({ account: 'bob', target: VERSION }, { ...countingCredential('bob'), get: () => promise });
    await settle();
    only(road.going).answer();
    await settle();
    assert.deepEqual(codesOf([first, refused, late]), ['answered', 'GW_CREDENTIAL_UNAVAILABLE', null]);
    assert.equal(road.going.length, 0, 'nobody is asked before it is known who asks');
    resolve(tokenOf('bob'));
    await settle();
    only(road.going).answer();
    await settle();
    assert.deepEqual([late.ended, late.response.text], ['answered', '1']);
  });

  it('gives others nothing but a 200', async () => {
    const road = createFakeRoad();
    const callers = await shared(road, three);
    only(road.going).answer({ status: 204, headers: [], body: Buffer.alloc(0) });
    await settle();
    assert.deepEqual(codesOf(callers), ['answered', null, null]);
    for (const going of [...road.going]) going.answer();
    await settle();
    assert.deepEqual(codesOf(callers), ['answered', 'answered', 'answered']);
  });

  it('tells everyone when vovserver is down', async () => {
    const road = createFakeRoad();
    const callers = await shared(road, three);
    only(road.going).fail(down);
    await settle();
    assert.deepEqual(codesOf(callers), ['GW_UPSTREAM_DOWN', 'GW_UPSTREAM_DOWN', 'GW_UPSTREAM_DOWN']);
    assert.equal(road.going.length, 0);
  });
});
