import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Credential, createSharedAsk, type UpstreamCall, type WholeAnswer } from '../../src/upstream/index.ts';

const CREDENTIAL = {} as Credential;

/** A carrier whose answers are given by hand. */
function createHand() {
  const asked: { call: UpstreamCall; give(text: string): void; fail(error: Error): void }[] = [];
  const ask = (call: UpstreamCall): Promise<WholeAnswer> => {
    const { promise, resolve, reject } = Promise.withResolvers<WholeAnswer>();
    const give = (text: string): void =>
      resolve({ status: 200, headers: [], body: Buffer.from(text), seconds: 0, renewed: false });
    asked.push({ call, give, fail: reject });
    return promise;
  };
  return { asked, shared: createSharedAsk({ ask }, () => 'e') };
}

const callOf = (changes: Partial<UpstreamCall> = {}): UpstreamCall => ({
  queue: 'q',
  account: 'alice',
  method: 'GET',
  target: '/api/v3/query?a',
  route: 'query',
  class: 'list',
  rawHeaders: [],
  body: { kind: 'none' },
  requestId: 'r',
  traceparent: 't',
  signal: new AbortController().signal,
  ...changes,
});
const textOf = async (answer: Promise<WholeAnswer>): Promise<string> => (await answer).body.toString();
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('a shared ask', () => {
  it('gives who comes while a call runs the answer of the next one, and all of them the same', async () => {
    const { asked, shared } = createHand();
    const first = shared(callOf(), CREDENTIAL, 10);
    const others = [shared(callOf(), CREDENTIAL, 10), shared(callOf(), CREDENTIAL, 10)];
    await settled();
    assert.equal(asked.length, 1);
    asked[0]?.give('one');
    assert.equal(await textOf(first), 'one');
    await settled();
    assert.equal(asked.length, 2);
    const late = shared(callOf(), CREDENTIAL, 10);
    asked[1]?.give('two');
    assert.deepEqual(await Promise.all(others.map(textOf)), ['two', 'two']);
    await settled();
    asked[2]?.give('three');
    assert.equal(await textOf(late), 'three');
    const alone = shared(callOf(), CREDENTIAL, 10);
    asked[3]?.give('four');
    assert.equal(await textOf(alone), 'four');
  });

  it('never meets that of another account, target, Accept, queue or bound, nor a write', async () => {
    const { asked, shared } = createHand();
    const calls = [
      callOf(),
      callOf({ account: 'bob' }),
      callOf({ target: '/api/v3/query?b' }),
      callOf({ queue: 'p' }),
      callOf({ rawHeaders: ['Accept', 'text/csv'] }),
      callOf({ method: 'POST' }),
      callOf({ method: 'POST' }),
    ];
    const all = calls.map((call) => textOf(shared(call, CREDENTIAL, 10)));
    all.push(textOf(shared(callOf(), CREDENTIAL, 11)));
    await settled();
    assert.equal(asked.length, 8);
    for (const [at, { give }] of asked.entries()) give(String(at));
    assert.deepEqual((await Promise.all(all)).sort(), ['0', '1', '2', '3', '4', '5', '6', '7']);
  });

  it('fails for all of its call only, and the next goes', async () => {
    const { asked, shared } = createHand();
    const first = shared(callOf(), CREDENTIAL, 10);
    const next = shared(callOf(), CREDENTIAL, 10);
    asked[0]?.fail(new Error('no'));
    await assert.rejects(first, /no/);
    await settled();
    asked[1]?.give('yes');
    assert.equal(await textOf(next), 'yes');
  });

  it('goes on when its first caller leaves, and is cancelled when the last has left', async () => {
    const { asked, shared } = createHand();
    const gone = [new AbortController(), new AbortController(), new AbortController()];
    const blocker = shared(callOf(), CREDENTIAL, 10);
    const answers = gone.map(({ signal }) => shared(callOf({ signal }), CREDENTIAL, 10));
    asked[0]?.give('');
    await blocker;
    await settled();
    gone[0]?.abort();
    await assert.rejects(answers[0] ?? blocker);
    assert.equal(asked[1]?.call.signal.aborted, false);
    gone[1]?.abort();
    gone[2]?.abort();
    await Promise.allSettled(answers);
    assert.equal(asked[1]?.call.signal.aborted, true);
  });
});
