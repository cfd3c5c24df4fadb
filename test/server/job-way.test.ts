import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { GatewayError } from '../../src/kernel/index.ts';
import { createJobWay } from '../../src/server/job-way.ts';
import type { Broker } from '../../src/tokens/index.ts';
import type { Carrier, UpstreamCall, WholeAnswer } from '../../src/upstream/index.ts';

const ANSWER: WholeAnswer = { status: 200, headers: [], body: Buffer.from('{}'), seconds: 0, renewed: false };
const account = { queue: 'night', name: 'alice', shared: false };
const waited = () => new GatewayError('GW_SATURATED', 'The caller went away before its turn came.', { retryAfter: 1 });

/** A way over a carrier that keeps every call waiting until it is told how it ends. */
function rigOf(more: Partial<UpstreamCall> = {}) {
  const caller = new AbortController();
  const asked: { call: UpstreamCall; end: (how: WholeAnswer | Error) => void }[] = [];
  const carrier: Carrier = {
    forward: () => assert.fail('nothing is streamed'),
    ask: (call) =>
      new Promise((resolve, reject) => {
        if (call.signal.aborted) reject(waited());
        call.signal.addEventListener('abort', { handleEvent: () => reject(waited()) });
        asked.push({ call, end: (how) => (how instanceof Error ? reject(how) : resolve(how)) });
      }),
  };
  const broker = { credentialFor: () => ({}) } as unknown as Broker;
  const call: UpstreamCall = {
    ...{
      queue: 'night',
      account: 'alice',
      method: 'POST',
      target: '/api/v3/jobs',
      route: '/api/v3/jobs',
      class: 'submit',
    },
    ...{
      rawHeaders: ['Accept', '*/*'],
      body: { kind: 'none' },
      requestId: 'rid',
      traceparent: 'tp',
      signal: caller.signal,
    },
    ...more,
  };
  return { caller, asked, way: createJobWay(carrier, broker, call, account) };
}

const codeOf = (code: string) => (error: unknown) => error instanceof GatewayError && error.code === code;

describe('the way of a submission', () => {
  it('sends the given bytes, and sees through what was sent', async () => {
    const { asked, way } = rigOf();
    const sending = way.send(Buffer.from('body'));
    const call = asked[0]?.call;
    assert.deepEqual(call?.body, { kind: 'bytes', bytes: Buffer.from('body') });
    assert.equal(call?.seeThrough, true);
    asked[0]?.end(ANSWER);
    assert.equal(await sending, ANSWER);
  });

  it('that is lost while it waits for its turn goes to whoever took it over', async () => {
    const { way } = rigOf();
    const lost = new AbortController();
    const sending = way.send(Buffer.alloc(0), lost.signal);
    lost.abort();
    await assert.rejects(sending, codeOf('GW_KEY_IN_PROGRESS'));
    await assert.rejects(way.send(Buffer.alloc(0), lost.signal), codeOf('GW_KEY_IN_PROGRESS'));
  });

  it('whose caller goes while it waits for its turn ends as one that was not sent', async () => {
    const { caller, way } = rigOf();
    const sending = way.send(Buffer.alloc(0), new AbortController().signal);
    caller.abort();
    await assert.rejects(sending, codeOf('GW_SATURATED'));
  });

  it('that was lost after it may have been executed stays of unknown outcome', async () => {
    const { asked, way } = rigOf();
    const lost = new AbortController();
    const sending = way.send(Buffer.alloc(0), lost.signal);
    asked[0]?.end(new GatewayError('GW_OUTCOME_UNKNOWN', 'lost'));
    lost.abort();
    await assert.rejects(sending, codeOf('GW_OUTCOME_UNKNOWN'));
  });

  it('knows whether its caller has gone', () => {
    const { caller, way } = rigOf();
    assert.equal(way.gone?.(), false);
    caller.abort();
    assert.equal(way.gone?.(), true);
  });

  it('listens to nobody after its end', async () => {
    const { caller, asked, way } = rigOf();
    const sending = way.send(Buffer.alloc(0));
    asked[0]?.end(ANSWER);
    await sending;
    caller.abort();
    assert.equal(asked[0]?.call.signal.aborted, false);
  });

  for (const [cls, lane] of [
    ['submit', 'read'],
    ['control', 'control'],
  ] as const) {
    it(`asks about jobs in the lane ${lane} for the sake of ${cls}, without the caller’s headers`, async () => {
      const { asked, way } = rigOf({ class: cls });
      const reading = way.read('/api/v3/jobs/1/user');
      const { class: asks, method, target, rawHeaders, body } = asked[0]?.call ?? assert.fail();
      assert.deepEqual(
        [asks, method, target, rawHeaders, body],
        [lane, 'GET', '/api/v3/jobs/1/user', [], { kind: 'none' }],
      );
      asked[0]?.end(ANSWER);
      assert.equal((await reading).status, 200);
    });
  }
});
