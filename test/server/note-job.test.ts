import assert from 'node:assert/strict';
import { connect, type Socket } from 'node:net';
import { describe, it } from 'node:test';
import type { Scope } from '../../src/server/scope.ts';
import { createNoteJob } from '../../src/server/steps/note-job.ts';
import { type Carrier, createCarrier, type Upstream, type UpstreamCall } from '../../src/upstream/index.ts';
import { createFakeGate } from '../upstream/fake-gate.ts';
import { CONFIG } from '../upstream/fake-upstream.ts';
import {
  countingCredential,
  createRawServer,
  createRig,
  createToldReport,
  queueOf,
  type RawRequest,
  reply,
  until,
} from '../upstream/rig.ts';
import { createManualClock } from '../world/manual-clock.ts';

/** A job in the words of vovserver. */
const jobOf = (status: string): string =>
  JSON.stringify({ columns: [{ col: 0, field: 'statusnc' }], rows: [[status]], error: 0 });

/** The step before the carrier, between real sockets; what is looked at is counted. */
async function createNoting(answer: (socket: Socket, request: RawRequest) => void) {
  const clock = createManualClock();
  const gate = createFakeGate();
  const seen: string[][] = [];
  const looks: UpstreamCall[] = [];
  const server = await createRawServer(answer);
  const road = (upstream: Upstream): Upstream['forward'] => {
    const report = { log: createToldReport().log, coalesced: () => undefined };
    const carrier = createCarrier({ upstream, gate, settings: () => CONFIG, clock, report });
    const ask: Carrier['ask'] = (call, ...how) => {
      looks.push(call);
      return carrier.ask(call, ...how);
    };
    const origins = { saw: (...job: string[]) => void seen.push(job) };
    const step = createNoteJob(origins, { ask }, { credentialFor: ({ name }) => countingCredential(name) }, clock);
    return async (call, credential, response) => {
      const scope = scopeOf(call, response);
      await step(scope);
      return scope.result ?? (await carrier.forward(call, credential, response));
    };
  };
  const rig = await createRig({ queues: [queueOf(server.url)], road });
  const read = (account = 'alice', target = '/api/v3/jobs/7') => rig.call({ account, target });
  const end = async (): Promise<void> => {
    await rig[Symbol.asyncDispose]();
    await server[Symbol.asyncDispose]();
  };
  return { clock, gate, server, rig, seen, looks, read, [Symbol.asyncDispose]: end };
}

function scopeOf(call: UpstreamCall, res: object): Scope {
  const { method, target, requestId, traceparent, rawHeaders, account, queue, body, signal } = call;
  return {
    meta: { method, target, requestId, traceparent },
    req: { rawHeaders, headers: {} },
    route: { template: '/api/v3/jobs/{id}', class: 'read' },
    account: { queue, name: account },
    caller: { identity: { subject: account }, tokenId: null },
    path: target.split('?')[0],
    head: [],
    result: null,
    res,
    body,
    signal,
  } as unknown as Scope;
}

/** A server that holds every answer back until it is told. */
async function createHolding() {
  const held: Socket[] = [];
  const noting = await createNoting((socket) => held.push(socket));
  const give = (status: string): void => {
    const socket = held.shift();
    if (socket !== undefined) reply(socket, jobOf(status));
  };
  return { ...noting, held, give };
}

describe('a look at a job', () => {
  it('is one in many reads; its state is noted and the answer is that of vovserver', async () => {
    await using noting = await createNoting((socket) => reply(socket, jobOf('RUNNING')));
    for (let nth = 0; nth < 20; nth += 1) assert.equal((await noting.read()).body.toString(), jobOf('RUNNING'));
    assert.deepEqual(noting.seen, [['night', '7', 'RUNNING']]);
    assert.equal(noting.looks.length, 1);
    await noting.clock.advance(10_000);
    await noting.read();
    assert.equal(noting.looks.length, 2);
  });

  it('is never beside another one at the same job, however long it lasts', async () => {
    await using noting = await createHolding();
    const first = noting.read();
    await until(() => noting.held.length === 1);
    await noting.clock.advance(30_000);
    const others = ['bob', 'carol'].map((account) => noting.read(account));
    await until(() => noting.held.length === 3);
    assert.equal(noting.looks.length, 1);
    for (const status of ['QUEUED', 'RUNNING', 'DONE']) noting.give(status);
    const answers = await Promise.all([first, ...others]);
    assert.ok(answers.every(({ status }) => status === 200));
    assert.deepEqual(noting.seen, [['night', '7', 'QUEUED']]);
    const next = noting.read('bob');
    await until(() => noting.held.length === 1);
    noting.give('DONE');
    await next;
    assert.equal(noting.looks.length, 2);
  });

  it('is beside one at another job', async () => {
    await using noting = await createHolding();
    const first = noting.read();
    await until(() => noting.held.length === 1);
    await noting.clock.advance(25);
    const other = noting.read('alice', '/api/v3/jobs/8');
    await until(() => noting.held.length === 2);
    assert.equal(noting.looks.length, 2);
    noting.give('DONE');
    noting.give('DONE');
    await Promise.all([first, other]);
    assert.equal(noting.gate.peak, 2);
  });

  it('gives nobody the answer of another account, and each read a turn of its own', async () => {
    const told: string[] = [];
    await using noting = await createNoting((socket, { headers }) => {
      told.push(headers.get('authorization') ?? '');
      reply(socket, jobOf(told.at(-1) ?? ''));
    });
    const answers = await Promise.all(['alice', 'bob', 'carol'].map((account) => noting.read(account)));
    for (const [nth, account] of ['alice', 'bob', 'carol'].entries()) {
      assert.equal(answers[nth]?.body.toString(), jobOf(`Bearer:jwt-${account}`));
    }
    assert.equal(noting.gate.given, 3);
  });

  it('that fails fails for its caller only, and the next one goes when it is due', async () => {
    await using noting = await createHolding();
    const first = noting.read();
    await until(() => noting.held.length === 1);
    noting.held.shift()?.write('HTTP/1.1 2OO\r\n\r\n');
    assert.equal((await first).code, 'GW_UPSTREAM_INVALID');
    await noting.clock.advance(10_000);
    const next = noting.read();
    await until(() => noting.held.length === 1);
    noting.give('DONE');
    assert.equal((await next).status, 200);
    assert.equal(noting.looks.length, 2);
    assert.deepEqual(noting.seen, [['night', '7', 'DONE']]);
  });

  it('whose caller left is looked at again when it is due', async () => {
    await using noting = await createHolding();
    const caller = connect(noting.rig.port, '127.0.0.1');
    caller.write('GET /api/v3/jobs/7 HTTP/1.1\r\nHost: x\r\n\r\n');
    await until(() => noting.held.length === 1);
    caller.destroy();
    await until(() => noting.looks[0]?.signal.aborted === true);
    noting.give('RUNNING');
    await until(() => noting.gate.open === 0 && noting.rig.errors.length + noting.rig.results.length > 0);
    await noting.clock.advance(10_000);
    const next = noting.read();
    await until(() => noting.held.length === 1);
    noting.give('DONE');
    assert.equal((await next).status, 200);
    assert.equal(noting.looks.length, 2);
  });

  it('is none when the answer is too long to be held', async () => {
    const long = JSON.stringify({ text: 'x'.repeat(300_000) });
    await using noting = await createNoting((socket) => reply(socket, long));
    assert.equal((await noting.read()).body.toString(), long);
    assert.equal(noting.looks.length, 1);
    assert.deepEqual(noting.seen, []);
    assert.equal(noting.server.requests.length, 2);
    assert.equal((await noting.read()).body.toString(), long);
    assert.equal(noting.server.requests.length, 3);
  });
});
