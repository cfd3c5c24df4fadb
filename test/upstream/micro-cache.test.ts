import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { GatewayError } from '../../src/kernel/index.ts';
import type { CarrierOptions } from '../../src/upstream/carrier.ts';
import { AnswerTooLong, type UpstreamCall, type WholeAnswer } from '../../src/upstream/index.ts';
import { createManualClock } from '../world/manual-clock.ts';
import { callOf } from './calls.ts';
import { type Caller, CONFIG, codesOf, createFakeRoad, type FakeResponse, only, settle } from './fake-upstream.ts';
import { countingCredential } from './rig.ts';

const QUERY = '/api/v3/query';
const VERSION = '/api/v3/project/1/version';
const ROWS: Partial<UpstreamCall> = { target: `${QUERY}?select=id`, route: QUERY };
const JSON_HEAD = ['content-type', 'application/json', 'date', 'Thu, 01 Jan 2026 00:00:00 GMT'];

function cacheRoad(options: Partial<CarrierOptions> = {}, config: Partial<typeof CONFIG> = {}) {
  const clock = createManualClock();
  const road = createFakeRoad({ clock, ...options });
  const cache = [
    { route: QUERY, life: 4000 },
    { route: '/api/v3/project/1/{field}', life: 4000 },
  ];
  road.state.config = { ...CONFIG, cache, ...config };
  /** A read, answered by vovserver when it gets that far. */
  const read = async (of: Partial<UpstreamCall> = {}, answer: Partial<WholeAnswer> = {}): Promise<FakeResponse> => {
    const caller = road.call({ ...ROWS, ...of });
    await settle();
    for (const going of [...road.going]) going.answer({ headers: JSON_HEAD, ...answer });
    await settle();
    assert.equal(caller.ended, 'answered');
    return caller.response;
  };
  return { ...road, clock, read };
}

const fieldOf = ({ rawHead }: FakeResponse, name: string): string | undefined => {
  const at = rawHead.findIndex((field, index) => index % 2 === 0 && field === name);
  return at === -1 ? undefined : rawHead[at + 1];
};
const statusOf = (response: FakeResponse): string | undefined => fieldOf(response, 'cache-status');

describe('a route with a micro-cache', () => {
  it('answers from memory within the life, says so and its age, never a smaller one', async () => {
    const { read, clock, begun, told } = cacheRoad();
    const first = await read({ head: ['x-request-id', 'r1'] });
    assert.deepEqual([statusOf(first), fieldOf(first, 'age')], ['vovgw; fwd=miss; stored', undefined]);
    await clock.advance(1500);
    const second = await read({ head: ['x-request-id', 'r2'] });
    assert.deepEqual(
      [statusOf(second), fieldOf(second, 'age'), fieldOf(second, 'x-request-id'), second.text, second.statusCode],
      ['vovgw; hit; ttl=2', '2', 'r2', first.text, 200],
    );
    assert.equal(fieldOf(second, 'date'), 'Thu, 01 Jan 2026 00:00:00 GMT', 'the date is that of the origin');
    assert.deepEqual([begun.length, told], [1, ['own', 'cached']]);
  });

  it('counts the age from the beginning of the call, and asks again when the life is over', async () => {
    const { read, clock, call, going, begun } = cacheRoad();
    const slow = call(ROWS);
    await settle();
    await clock.advance(3000);
    only(going).answer({ headers: JSON_HEAD });
    await settle();
    assert.equal(slow.ended, 'answered');
    assert.equal(fieldOf(await read(), 'age'), '3');
    await clock.advance(1000);
    assert.equal(statusOf(await read()), 'vovgw; fwd=stale; stored');
    assert.equal(begun.length, 2);
  });

  it('keeps reads of other routes as they are', async () => {
    const { call, going } = cacheRoad();
    const caller = call();
    assert.equal(only(going).kind, 'forward');
    only(going).answer({ headers: JSON_HEAD });
    await settle();
    assert.deepEqual([statusOf(caller.response), fieldOf(caller.response, 'etag')], [undefined, undefined]);
  });

  it('answers those who came for one call as one, and says that they were collapsed', async () => {
    const { call, going, told } = cacheRoad();
    const first = call(ROWS);
    await settle();
    const more = [call(ROWS), call(ROWS)];
    only(going).answer({ headers: JSON_HEAD });
    await settle();
    only(going).answer({ headers: JSON_HEAD });
    await settle();
    assert.deepEqual(
      [first, ...more].map(({ response }) => statusOf(response)),
      ['vovgw; fwd=miss; stored', 'vovgw; fwd=miss; stored', 'vovgw; fwd=miss; stored; collapsed'],
    );
    assert.deepEqual(told, ['own', 'own', 'shared']);
  });

  it('answers a stored one with a date even when vovserver sent none', async () => {
    const { read } = cacheRoad();
    await read({}, { headers: [] });
    assert.equal(fieldOf(await read(), 'date'), 'Thu, 01 Jan 2026 00:00:00 GMT');
  });
});

describe('whose answers are stored', () => {
  it('each account’s are its own, and each queue’s, and each server’s', async () => {
    const { read, state, begun } = cacheRoad();
    for (const more of [{}, { account: 'bob' }, { queue: 'day' }, { rawHeaders: ['Accept', 'text/html'] }]) {
      const response = await read(more);
      assert.equal(statusOf(response), 'vovgw; fwd=miss; stored');
    }
    state.epoch = 'epoch-2';
    assert.equal(statusOf(await read()), 'vovgw; fwd=miss; stored');
    assert.equal(begun.length, 5);
  });

  it('a path of all accounts is stored once, for whoever has a JWT of its own', async () => {
    const { read, call, begun } = cacheRoad();
    const common = { target: VERSION, route: '/api/v3/project/1/{field}' };
    await read(common);
    assert.equal(statusOf(await read({ ...common, account: 'bob' })), 'vovgw; hit; ttl=4');
    const refused = new GatewayError('GW_CREDENTIAL_UNAVAILABLE', 'no password');
    const credential = { ...countingCredential('carl'), get: () => Promise.reject(refused) };
    const carl = call({ ...common, account: 'carl' }, credential);
    await settle();
    assert.deepEqual([codesOf([carl]), begun.length], [['GW_CREDENTIAL_UNAVAILABLE'], 1]);
  });

  it('an account without a JWT gets none of its own stored answers', async () => {
    const { read, call } = cacheRoad();
    await read();
    const credential = {
      ...countingCredential('alice'),
      get: () => {
        throw new GatewayError('GW_CREDENTIAL_UNAVAILABLE', 'removed');
      },
    };
    const caller = call(ROWS, credential);
    await settle();
    assert.deepEqual(codesOf([caller]), ['GW_CREDENTIAL_UNAVAILABLE']);
  });
});

describe('what a caller says about stored answers', () => {
  const asks: Record<string, readonly [readonly string[], string]> = {
    'max-age that the age is within': [['Cache-Control', 'max-age=2'], 'vovgw; hit; ttl=2'],
    'max-age that the age is beyond': [['Cache-Control', 'max-age=1'], 'vovgw; fwd=request; stored'],
    'max-age=0': [['Cache-Control', 'max-age=0'], 'vovgw; fwd=request; stored'],
    'no-cache in whatever case': [['cache-control', 'No-Cache'], 'vovgw; fwd=request; stored'],
    'no-cache beside others': [['Cache-Control', 'foo="a, b", no-cache'], 'vovgw; fwd=request; stored'],
    'no-cache in quotes of another': [['Cache-Control', 'foo="no-cache"'], 'vovgw; hit; ttl=2'],
    'no-cache on a second line': [
      ['Cache-Control', 'max-age=9', 'Cache-Control', 'no-cache'],
      'vovgw; fwd=request; stored',
    ],
    'min-fresh that is left': [['Cache-Control', 'min-fresh=2'], 'vovgw; hit; ttl=2'],
    'min-fresh that is not left': [['Cache-Control', 'min-fresh=3'], 'vovgw; fwd=request; stored'],
    'a max-age that is no number': [['Cache-Control', 'max-age=x'], 'vovgw; fwd=request; stored'],
    'Pragma: no-cache': [['Pragma', 'no-cache'], 'vovgw; fwd=request; stored'],
    'Pragma beside Cache-Control': [['Pragma', 'no-cache', 'Cache-Control', 'max-age=60'], 'vovgw; hit; ttl=2'],
    'no-store': [['Cache-Control', 'no-store'], 'vovgw; fwd=bypass'],
    Range: [['Range', 'bytes=0-1'], 'vovgw; fwd=bypass'],
    'If-Modified-Since': [['If-Modified-Since', 'Thu, 01 Jan 2026 00:00:00 GMT'], 'vovgw; fwd=bypass'],
    'max-stale': [['Cache-Control', 'max-stale'], 'vovgw; hit; ttl=2'],
  };
  for (const [what, [headers, status]] of Object.entries(asks)) {
    it(`${what}: ${status}`, async () => {
      const { read, clock, begun } = cacheRoad();
      const rawHeaders = ['Accept', 'application/json'];
      await read({ rawHeaders });
      await clock.advance(1500);
      assert.equal(statusOf(await read({ rawHeaders: [...rawHeaders, ...headers] })), status);
      assert.equal(begun.length, status.includes('hit') ? 1 : 2);
    });
  }

  it('no-store is not stored either', async () => {
    const { read } = cacheRoad();
    await read({ rawHeaders: ['Cache-Control', 'no-store'] });
    assert.equal(statusOf(await read({ rawHeaders: [] })), 'vovgw; fwd=miss; stored');
  });

  it('no-cache waits for a call that begins after it came, whatever join says', async () => {
    const { call, going } = cacheRoad({}, { join: 'running' });
    call(ROWS);
    await settle();
    const joins = call(ROWS);
    const fresh = call({ ...ROWS, rawHeaders: [...callOf().rawHeaders, 'Cache-Control', 'no-cache'] });
    only(going).answer({ headers: JSON_HEAD });
    await settle();
    assert.deepEqual(codesOf([joins, fresh]), ['answered', null]);
    only(going).answer({ headers: JSON_HEAD });
    await settle();
    assert.deepEqual([fresh.ended, fresh.response.text], ['answered', '1']);
  });

  it('no-cache does so under join: running on routes without a cache, too', async () => {
    const { call, going } = cacheRoad({}, { join: 'running', cache: [] });
    call();
    await settle();
    const fresh = call({ rawHeaders: [...callOf().rawHeaders, 'Cache-Control', 'no-cache'] });
    only(going).answer();
    await settle();
    assert.equal(fresh.ended, null);
    only(going).answer();
    await settle();
    assert.equal(fresh.ended, 'answered');
  });
});

describe('entity tags', () => {
  const conditional = (condition: string): Partial<UpstreamCall> => ({
    rawHeaders: [...callOf().rawHeaders, 'If-None-Match', condition],
  });

  it('are strong, the same for the same answer, and others for another body or type', async () => {
    const { read } = cacheRoad();
    const tag = async (body: string, type: string): Promise<string> => {
      const answer = { body: Buffer.from(body), headers: ['content-type', type] };
      return fieldOf(await read({ rawHeaders: ['Cache-Control', 'no-cache'] }, answer), 'etag') ?? '';
    };
    const tags = [
      await tag('a', 'text/plain'),
      await tag('a', 'text/plain'),
      await tag('b', 'text/plain'),
      await tag('a', 'application/json'),
    ];
    assert.match(tags[0] ?? '', /^"[\w-]{27}"$/);
    assert.deepEqual([tags[0] === tags[1], new Set(tags).size], [true, 3]);
  });

  it('make a 304 of what the caller has: from memory and from vovserver, with what RFC 9110 wants in it', async () => {
    const { read, begun } = cacheRoad();
    const headers = [...JSON_HEAD, 'cache-control', 'max-age=60', 'vary', 'accept', 'content-language', 'en'];
    const tag = fieldOf(await read({}, { headers }), 'etag') ?? '';
    for (const condition of [tag, `W/${tag}`, `"x", ${tag}`, '*']) {
      const response = await read(conditional(condition));
      assert.deepEqual([response.statusCode, response.text, fieldOf(response, 'etag')], [304, '', tag]);
      const names = response.rawHead.filter((_, at) => at % 2 === 0).sort();
      assert.deepEqual(names, ['age', 'cache-control', 'cache-status', 'date', 'etag', 'vary'].sort());
    }
    assert.equal((await read(conditional('"x"'))).statusCode, 200);
    assert.equal(begun.length, 1);
  });

  it('are compared by the gateway: vovserver is asked without the condition', async () => {
    const { read, begun } = cacheRoad();
    const answer = { headers: ['etag', 'W/"v7"', 'content-type', 'text/plain'] };
    const more = [...callOf().rawHeaders, 'If-None-Match', '"v7"', 'If-Modified-Since', 'x'];
    const response = await read({ rawHeaders: more }, answer);
    assert.deepEqual([response.statusCode, fieldOf(response, 'etag')], [304, 'W/"v7"'], 'vovserver’s own tag stays');
    assert.deepEqual(begun[0]?.call.rawHeaders, callOf().rawHeaders);
    assert.equal(statusOf(await read()), 'vovgw; hit; ttl=4', 'who has no condition shares the key');
  });

  it('are no part of what is no 200', async () => {
    const { read } = cacheRoad();
    const response = await read(conditional('*'), { status: 404 });
    assert.deepEqual([response.statusCode, fieldOf(response, 'etag')], [404, undefined]);
  });
});

describe('what is stored', () => {
  const answers: Record<string, readonly [Partial<WholeAnswer>, boolean]> = {
    'an answer 200': [{}, true],
    'an answer 206': [{ status: 206 }, false],
    'an answer 404': [{ status: 404 }, false],
    'an answer 500': [{ status: 500 }, false],
    'no-store of vovserver': [{ headers: ['cache-control', 'no-store'] }, false],
    'no-cache of vovserver': [{ headers: ['cache-control', 'max-age=9, no-cache'] }, false],
    'max-age=0 of vovserver': [{ headers: ['cache-control', 'max-age=0'] }, false],
    'private of vovserver, within an account': [{ headers: ['cache-control', 'private'] }, true],
    'Expires that is over': [{ headers: ['expires', '0', ...JSON_HEAD] }, false],
    'Vary by what is in the key': [{ headers: ['vary', 'Accept, accept-encoding, Authorization'] }, true],
    'Vary by what is not': [{ headers: ['vary', 'accept, User-Agent'] }, false],
    'Vary: *': [{ headers: ['vary', '*'] }, false],
  };
  for (const [what, [answer, stored]] of Object.entries(answers)) {
    it(`${what}: ${stored ? 'yes' : 'no'}`, async () => {
      const { read, begun } = cacheRoad();
      const first = await read({}, answer);
      assert.equal(statusOf(first)?.endsWith('; stored'), stored);
      await read();
      assert.equal(begun.length, stored ? 1 : 2);
    });
  }

  it('as long as vovserver says, when that is shorter', async () => {
    const { read, clock, begun } = cacheRoad();
    await read({}, { headers: ['cache-control', 'max-age=2'] });
    await clock.advance(1999);
    assert.equal(statusOf(await read()), 'vovgw; hit; ttl=0');
    await clock.advance(1);
    await read();
    assert.equal(begun.length, 2);
  });

  it('no errors: they are of their own call', async () => {
    const { call, going, read } = cacheRoad();
    const failed = call(ROWS);
    await settle();
    only(going).fail(new GatewayError('GW_UPSTREAM_TIMEOUT', 'late'));
    await settle();
    assert.deepEqual(codesOf([failed]), ['GW_UPSTREAM_TIMEOUT']);
    assert.equal(statusOf(await read()), 'vovgw; fwd=miss; stored');
  });

  it('up to a number: the oldest goes first', async () => {
    const { read, begun } = cacheRoad({ cacheEntries: 2 });
    for (const id of ['1', '2', '3', '3', '2']) await read({ target: `${QUERY}?id=${id}` });
    assert.equal(begun.length, 3);
    await read({ target: `${QUERY}?id=1` });
    assert.equal(begun.length, 4);
  });

  it('up to a number of bytes', async () => {
    const { read, begun } = cacheRoad({ cacheBytes: 1000 });
    const body = Buffer.alloc(400);
    for (const id of ['1', '2', '3', '3', '2']) await read({ target: `${QUERY}?id=${id}` }, { body });
    assert.equal(begun.length, 3);
    await read({ target: `${QUERY}?id=1` }, { body });
    assert.equal(begun.length, 4);
  });

  it('counts as held memory until it is dropped and its last reader has it', async () => {
    const { read, call, going, clock } = cacheRoad({ heldBytes: 1500 });
    const response = await read({}, { body: Buffer.alloc(600) });
    response.close();
    call({ target: '/a' });
    assert.equal(only(going).kind, 'forward');
    const second = call({ target: '/a' });
    assert.equal(going.length, 2, 'no room to share: 600 bytes are stored');
    for (const one of [...going]) one.answer();
    await clock.advance(4000);
    await settle();
    assert.equal(second.ended, 'answered');
    const last = await read({}, { body: Buffer.alloc(1) });
    last.close();
    call({ target: '/a' });
    call({ target: '/a' });
    assert.equal(going.length, 1, 'who comes waits for the next');
  });

  it('HEAD neither reads nor writes it', async () => {
    const { read, begun } = cacheRoad();
    await read({ method: 'HEAD' });
    await read();
    await read({ method: 'HEAD' });
    assert.equal(begun.length, 3);
  });
});

describe('a write', () => {
  const write = (road: ReturnType<typeof cacheRoad>, of: Partial<UpstreamCall> = {}): Caller =>
    road.call({ method: 'POST', target: '/api/v3/jobs', route: '/api/v3/jobs', class: 'submit', ...of });

  it('ends what is stored for its account, so that who wrote reads what it wrote', async () => {
    const road = cacheRoad();
    await road.read();
    await road.read({ account: 'bob' });
    write(road);
    await settle();
    only(road.going).answer();
    await settle();
    assert.equal(statusOf(await road.read()), 'vovgw; fwd=miss; stored');
    assert.equal(statusOf(await road.read({ account: 'bob' })), 'vovgw; hit; ttl=4');
  });

  it('ends what is the same for all accounts, too', async () => {
    const road = cacheRoad();
    const common = { target: VERSION, route: '/api/v3/project/1/{field}' };
    await road.read(common);
    write(road, { method: 'PUT' });
    await settle();
    only(road.going).answer();
    await settle();
    assert.equal(statusOf(await road.read({ ...common, account: 'bob' })), 'vovgw; fwd=miss; stored');
  });

  for (const end of ['answer', 'fail'] as const) {
    it(`keeps what was read before or beside it from being stored (${end})`, async () => {
      const road = cacheRoad();
      const before = road.call(ROWS);
      await settle();
      const [reading] = road.going;
      write(road);
      await settle();
      const writing = road.going.find(({ call }) => call.method === 'POST');
      const beside = road.call({ ...ROWS, target: `${QUERY}?beside` });
      await settle();
      road.going.find(({ call }) => call.target.endsWith('beside'))?.answer({ headers: JSON_HEAD });
      await settle();
      assert.equal(beside.ended, 'answered');
      if (end === 'answer') writing?.answer();
      else writing?.fail(new GatewayError('GW_OUTCOME_UNKNOWN', 'lost'));
      await settle();
      reading?.answer({ headers: JSON_HEAD });
      await settle();
      assert.equal(statusOf(before.response), 'vovgw; fwd=miss');
      assert.equal(statusOf(await road.read({ target: `${QUERY}?beside` })), 'vovgw; fwd=miss; stored');
    });
  }

  it('into memory counts as well', async () => {
    const road = cacheRoad();
    await road.read();
    const asked = road.carrier.ask(callOf({ method: 'PUT' }), countingCredential('alice'), 100);
    await settle();
    only(road.going).answer();
    await asked;
    assert.equal(statusOf(await road.read()), 'vovgw; fwd=miss; stored');
  });
});

describe('what the gateway itself asked for', () => {
  const look = async (road: ReturnType<typeof cacheRoad>, answer: Partial<WholeAnswer>): Promise<void> => {
    const asked = road.carrier.ask(callOf(ROWS), countingCredential('alice'), 1000);
    await settle();
    only(road.going).answer(answer);
    await asked;
  };

  it('is never answered from memory, and takes the place of what is there', async () => {
    const road = cacheRoad();
    await road.read({}, { body: Buffer.from('old') });
    await look(road, { body: Buffer.from('new'), headers: JSON_HEAD });
    assert.equal((await road.read()).text, 'new');
  });

  it('ends what is older when it cannot be stored itself: nobody sees time go back', async () => {
    const road = cacheRoad();
    await road.read({}, { body: Buffer.from('old') });
    await look(road, { status: 404 });
    assert.equal(statusOf(await road.read()), 'vovgw; fwd=miss; stored');
  });
});

describe('calls that cross', () => {
  it('store nothing, since it is not known whose answer is older, and end what is there', async () => {
    const road = cacheRoad();
    const asks = [1, 2].map(() => road.carrier.ask(callOf(ROWS), countingCredential('alice'), 1000));
    await settle();
    for (const going of [...road.going]) going.answer({ headers: JSON_HEAD });
    await Promise.all(asks);
    assert.equal(statusOf(await road.read()), 'vovgw; fwd=miss; stored');
  });

  it('that fail cross nobody', async () => {
    const road = cacheRoad();
    const failing = road.carrier.ask(callOf(ROWS), countingCredential('alice'), 1000);
    await settle();
    const [first] = road.going;
    const reading = road.call(ROWS);
    await settle();
    first?.fail(new GatewayError('GW_UPSTREAM_TIMEOUT', 'late'));
    await assert.rejects(failing);
    only(road.going).answer({ headers: JSON_HEAD });
    await settle();
    assert.equal(statusOf(reading.response), 'vovgw; fwd=miss; stored');
  });

  it('a read with no-store ends what is older', async () => {
    const road = cacheRoad();
    await road.read({}, { body: Buffer.from('old') });
    await road.read({ rawHeaders: [...callOf().rawHeaders, 'Cache-Control', 'no-store'] });
    assert.equal(statusOf(await road.read()), 'vovgw; fwd=miss; stored');
  });

  it('a fresh answer that is not stored ends what is older', async () => {
    const road = cacheRoad();
    await road.read({}, { body: Buffer.from('old') });
    const fresh = { rawHeaders: [...callOf().rawHeaders, 'Cache-Control', 'no-cache'] };
    assert.equal((await road.read(fresh, { status: 404 })).statusCode, 404);
    assert.equal(statusOf(await road.read()), 'vovgw; fwd=miss; stored');
  });
});

describe('an answer that cannot be shared', () => {
  it('is given to the first only when it varies by what equal reads may differ in', async () => {
    const { call, going, told } = cacheRoad();
    call();
    const callers = [call({ requestId: 'a' }), call({ requestId: 'b' })];
    await settle();
    only(going).answer();
    await settle();
    only(going).answer({ headers: ['vary', 'user-agent'] });
    await settle();
    assert.deepEqual(codesOf(callers), ['answered', null]);
    assert.deepEqual([only(going).kind, only(going).call.requestId], ['forward', 'b']);
    only(going).answer();
    await settle();
    assert.deepEqual(told, ['own', 'own', 'own']);
  });

  it('is not tried to be shared for a while when it is too long', async () => {
    const { read, call, going } = cacheRoad();
    const first = call(ROWS);
    await settle();
    only(going).fail(new AnswerTooLong(1000));
    await settle();
    only(going).answer();
    await settle();
    assert.equal(first.ended, 'answered');
    assert.equal(statusOf(await read()), 'vovgw; fwd=bypass');
  });
});
