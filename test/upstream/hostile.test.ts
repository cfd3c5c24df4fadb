import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { describe, it } from 'node:test';
import { type Answer, createRawServer, createRig, queueOf, type RawRequest, reply } from './rig.ts';

const HEAD = 'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n';

interface Behaviour {
  readonly name: string;
  readonly act: (socket: Socket, request: RawRequest) => void;
  /** What the caller of a GET gets; `cut`: his connection breaks off. */
  readonly get: string | 'cut' | number;
  /** The same for a POST; without it GW_OUTCOME_UNKNOWN. */
  readonly post?: string | 'cut' | number;
  readonly check?: (answer: Answer) => void;
}

const write = (text: string) => (socket: Socket) => void socket.write(text, 'latin1');
const writeEnd = (text: string) => (socket: Socket) => void socket.end(text, 'latin1');
const reset = (text: string) => (socket: Socket) => {
  socket.write(text, 'latin1', () => socket.resetAndDestroy());
};
const INVALID = 'GW_UPSTREAM_INVALID';

const BEHAVIOURS: readonly Behaviour[] = [
  { name: 'status 099', act: write('HTTP/1.1 099 Odd\r\nContent-Length: 0\r\n\r\n'), get: INVALID },
  { name: 'status 000', act: write('HTTP/1.1 000 Odd\r\nContent-Length: 0\r\n\r\n'), get: INVALID },
  { name: 'status 600', act: write('HTTP/1.1 600 Odd\r\nContent-Length: 0\r\n\r\n'), get: INVALID },
  { name: 'status 999', act: write('HTTP/1.1 999 Odd\r\nContent-Length: 0\r\n\r\n'), get: INVALID },
  { name: 'status of two digits', act: write('HTTP/1.1 20 Odd\r\nContent-Length: 0\r\n\r\n'), get: INVALID },
  { name: 'status of four digits', act: write('HTTP/1.1 2000 Odd\r\nContent-Length: 0\r\n\r\n'), get: INVALID },
  { name: 'no HTTP at all', act: write('+PONG\r\n'), get: INVALID },
  { name: 'HTTP/2 preface', act: write('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), get: INVALID },
  {
    name: 'switching protocols unasked',
    act: write('HTTP/1.1 101 Hm\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\nabc'),
    get: INVALID,
  },
  { name: '101 without Upgrade', act: write('HTTP/1.1 101 Hm\r\n\r\n'), get: INVALID },
  {
    name: '100 Continue unasked',
    act: write(`HTTP/1.1 100 Continue\r\n\r\n${HEAD}Content-Length: 2\r\n\r\n{}`),
    get: INVALID,
  },
  {
    name: 'two early hints',
    act: write(`${'HTTP/1.1 103 Hint\r\nLink: </x>\r\n\r\n'.repeat(2)}${HEAD}Content-Length: 2\r\n\r\n{}`),
    get: 200,
    post: 200,
  },
  { name: 'flood of interim answers', act: write('HTTP/1.1 103 Hint\r\nLink: </x>\r\n\r\n'.repeat(500)), get: INVALID },
  { name: 'header without colon', act: write('HTTP/1.1 200 OK\r\nbroken header\r\n\r\n'), get: INVALID },
  {
    name: 'header name with a space',
    act: write('HTTP/1.1 200 OK\r\nX Y: 1\r\nContent-Length: 0\r\n\r\n'),
    get: INVALID,
  },
  { name: 'NUL in a header', act: write('HTTP/1.1 200 OK\r\nX: a\0b\r\nContent-Length: 0\r\n\r\n'), get: INVALID },
  {
    name: 'huge header',
    act: write(`HTTP/1.1 200 OK\r\nX: ${'y'.repeat(70_000)}\r\nContent-Length: 0\r\n\r\n`),
    get: INVALID,
  },
  { name: 'endless headers', act: write(`HTTP/1.1 200 OK\r\n${'X: y\r\n'.repeat(20_000)}`), get: INVALID },
  {
    name: 'two different lengths',
    act: write(`${HEAD}Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}x`),
    get: INVALID,
  },
  {
    name: 'the same length twice',
    act: write(`${HEAD}Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}`),
    get: INVALID,
  },
  { name: 'list of lengths', act: write(`${HEAD}Content-Length: 2, 2\r\n\r\n{}`), get: INVALID },
  { name: 'negative length', act: write(`${HEAD}Content-Length: -2\r\n\r\n{}`), get: INVALID },
  { name: 'hexadecimal length', act: write(`${HEAD}Content-Length: 0x2\r\n\r\n{}`), get: INVALID },
  {
    name: 'length beyond every number',
    act: write(`${HEAD}Content-Length: ${'9'.repeat(30)}\r\n\r\n{}`),
    get: INVALID,
  },
  {
    name: 'length and chunked',
    act: write(`${HEAD}Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n`),
    get: INVALID,
  },
  {
    name: 'chunked and length',
    act: write(`${HEAD}Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n2\r\n{}\r\n0\r\n\r\n`),
    get: INVALID,
  },
  {
    name: 'bad chunk size before any byte',
    act: write(`${HEAD}Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n`),
    get: INVALID,
  },
  {
    name: 'bad chunk size later',
    act: write(`${HEAD}Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\nzz\r\n`),
    get: 'cut',
  },
  {
    name: 'trailers',
    act: write(`${HEAD}Trailer: X-T\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nX-T: secret\r\n\r\n`),
    get: 200,
    post: 200,
    check: ({ rawHeaders }) => assert.ok(!rawHeaders.join().includes('X-T')),
  },
  { name: 'closed without an answer', act: (socket) => void socket.end(), get: 'GW_UPSTREAM_DOWN' },
  { name: 'reset without an answer', act: (socket) => void socket.resetAndDestroy(), get: 'GW_UPSTREAM_DOWN' },
  { name: 'reset in the status line', act: reset('HTTP/1.1 20'), get: INVALID },
  { name: 'reset after the headers', act: reset(`${HEAD}Content-Length: 20\r\n\r\n`), get: INVALID },
  { name: 'short body, then closed', act: writeEnd(`${HEAD}Content-Length: 20\r\n\r\n{"a":`), get: 'cut' },
  {
    name: 'short body, then closed as announced',
    act: writeEnd(`${HEAD}Connection: close\r\nContent-Length: 20\r\n\r\n{"a":`),
    get: 'cut',
  },
  { name: 'short body, then reset', act: reset(`${HEAD}Content-Length: 20\r\n\r\n{"a":`), get: 'cut' },
  {
    name: 'chunked body, then closed',
    act: writeEnd(`${HEAD}Transfer-Encoding: chunked\r\n\r\n5\r\n{"a":\r\n`),
    get: 'cut',
  },
  { name: 'body until close', act: writeEnd(`${HEAD}\r\n{}`), get: 200, post: 200 },
  { name: 'body until close, then reset', act: reset(`${HEAD}\r\n{`), get: 'cut' },
  {
    name: 'HTTP/1.0',
    act: writeEnd('HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n{}'),
    get: 200,
    post: 200,
  },
  {
    name: 'longer body than announced',
    act: write(`${HEAD}Content-Length: 2\r\n\r\n{}{"x":"foreign"}`),
    get: 200,
    post: 200,
  },
  { name: 'a second answer unasked', act: write(`${HEAD}Content-Length: 2\r\n\r\n{}`.repeat(2)), get: 200, post: 200 },
  {
    name: 'redirect to another host',
    act: write('HTTP/1.1 302 Found\r\nLocation: https://evil.example/\r\nContent-Length: 0\r\n\r\n'),
    get: INVALID,
  },
  {
    name: 'redirect without a scheme',
    act: write('HTTP/1.1 302 Found\r\nLocation: //evil.example/\r\nContent-Length: 0\r\n\r\n'),
    get: INVALID,
  },
  {
    name: 'several redirects',
    act: write('HTTP/1.1 302 Found\r\nLocation: /a\r\nLocation: /b\r\nContent-Length: 0\r\n\r\n'),
    get: INVALID,
  },
  {
    name: 'body on 204',
    act: write('HTTP/1.1 204 No\r\nContent-Length: 2\r\n\r\n{}'),
    get: 204,
    post: 204,
    check: ({ body }) => assert.equal(body.length, 0),
  },
  {
    name: 'body on 304',
    act: write('HTTP/1.1 304 No\r\nContent-Length: 2\r\n\r\n{}'),
    get: 304,
    post: 304,
    check: ({ body }) => assert.equal(body.length, 0),
  },
  {
    name: 'a gzip bomb that nobody asked for',
    act: write(`${HEAD}Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}`),
    get: 200,
    post: 200,
    check: ({ body, headers }) => assert.deepEqual([body.toString(), headers['content-encoding']], ['{}', 'gzip']),
  },
  {
    name: 'odd bytes in a header value',
    act: write('HTTP/1.1 200 OK\r\nETag: "\xe9\x80"\r\nContent-Length: 2\r\n\r\n{}'),
    get: 200,
    post: 200,
  },
  {
    name: '__proto__ as a header',
    act: write(`${HEAD}__proto__: x\r\nconstructor: y\r\nContent-Length: 2\r\n\r\n{}`),
    get: 200,
    post: 200,
  },
];

function expect(answer: Answer, wanted: string | number): void {
  if (wanted === 'cut') assert.equal(answer.cut, true, JSON.stringify(answer));
  else if (typeof wanted === 'number') assert.deepEqual([answer.status, answer.cut], [wanted, false]);
  else assert.equal(answer.code, wanted, `${answer.status} ${answer.body}`);
}

const TIMES = 100;

describe('hostile upstream', () => {
  for (const { name, act, get, post = 'GW_OUTCOME_UNKNOWN', check } of BEHAVIOURS) {
    it(`${name}: ${TIMES} times`, async () => {
      await using bad = await createRawServer(act);
      await using good = await createRawServer((socket) => reply(socket, '{"good":1}'));
      const queues = [queueOf(bad.url), { ...queueOf(good.url), name: 'day' }];
      await using rig = await createRig({ queues });
      const one = async (nth: number): Promise<void> => {
        const isGet = nth % 2 === 0;
        const answer = await rig.call(isGet ? {} : { method: 'POST', body: '{}' });
        expect(answer, isGet ? get : post);
        check?.(answer);
        if (answer.status === 200 && get === 200) assert.equal(answer.body.toString(), '{}');
      };
      for (let round = 0; round < TIMES; round += 10) {
        await Promise.all(Array.from({ length: 10 }, (_, nth) => one(round + nth)));
      }
      assert.equal((await rig.call({ queue: 'day' })).body.toString(), '{"good":1}');
      const sent = bad.requests.filter(({ method }) => method === 'POST').length;
      assert.equal(sent, TIMES / 2, 'no POST went twice');
    });
  }
});
