import assert from 'node:assert/strict';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { describe, it } from 'node:test';
import { ERROR_CODES, type ErrorCode, GatewayError } from '../../src/kernel/index.ts';
import { doorOf } from '../../src/server/app.ts';
import { columnOf, ROAD, type Steps, walk } from '../../src/server/pipeline.ts';
import type { Scope, Step } from '../../src/server/scope.ts';

const names = ROAD.map(([name]) => name);
/** Steps that only note that they ran. */
function notedSteps(ran: string[], over: Partial<Steps> = {}): Steps {
  const entries = names.map((name) => [name, () => void ran.push(name)] as const);
  return { ...(Object.fromEntries(entries) as unknown as Record<keyof Steps, Step>), ...over };
}

/** A scope with a response that keeps what is written to it. */
function fakeScope(method = 'GET', target = '/api/v3/jobs/1') {
  const written = { headers: new Map<string, unknown>(), body: '', status: 0, destroyed: false };
  const res = {
    headersSent: false,
    destroyed: false,
    writeHead(status: number, head: readonly string[]) {
      written.status = status;
      for (let at = 0; at < head.length; at += 2) written.headers.set(head[at] ?? '', head[at + 1]);
    },
    end(text = '') {
      written.body = text;
    },
    destroy() {
      written.destroyed = true;
    },
  };
  const scope = {
    req: { complete: true, headers: {} } as IncomingMessage,
    res: res as unknown as ServerResponse,
    meta: { requestId: 'the-request-id', method, target },
    head: ['X-Request-Id', 'the-request-id'],
    error: null,
  } as unknown as Scope;
  return { scope, written, res };
}

describe('the road', () => {
  const columns = {
    api: [
      ...['beginRecord', 'secureHeaders', 'limitAddress', 'checkMessage', 'authenticate', 'decideRoute'],
      ...[
        'limitIdentity',
        'collectBody',
        'chooseAccount',
        'inspectBody',
        'checkMaintenance',
        'ownJob',
        'submitJob',
        'showOwn',
        'noteJob',
        'forward',
      ],
    ],
    token: ['beginRecord', 'secureHeaders', 'limitAddress', 'checkMessage', 'exchangeToken'],
    login: [
      ...['beginRecord', 'secureHeaders', 'limitAddress', 'checkMessage', 'meetVisitor', 'checkOrigin', 'readForm'],
      'servePage',
    ],
    callback: ['beginRecord', 'secureHeaders', 'limitAddress', 'checkMessage', 'readForm', 'servePage'],
    portal: [
      ...['beginRecord', 'secureHeaders', 'limitAddress', 'checkMessage', 'meetVisitor', 'checkOrigin', 'readForm'],
      'servePage',
    ],
    oauth: ['beginRecord', 'secureHeaders', 'limitAddress', 'checkMessage', 'meetVisitor', 'readForm', 'servePage'],
    vendor: [
      ...['beginRecord', 'secureHeaders', 'limitAddress', 'checkMessage', 'meetVisitor', 'limitIdentity'],
      'serveVendorPage',
    ],
    other: ['beginRecord', 'secureHeaders', 'limitAddress', 'checkMessage', 'refuse'],
  } as const;

  for (const [door, column] of Object.entries(columns)) {
    it(`leads the door ${door} through its column in order`, async () => {
      const ran: string[] = [];
      await walk(
        columnOf(notedSteps(ran), door as keyof typeof columns),
        fakeScope().scope,
        () => assert.fail(),
        () => assert.fail(),
      );
      assert.deepEqual(ran, column);
    });
  }

  it('gives a door without a column the last one, where nothing is served', () => {
    const steps = notedSteps([]);
    assert.deepEqual(columnOf(steps, 'admin' as 'other'), columnOf(steps, 'other'));
  });

  it('names each step once, and forwards last', () => {
    assert.equal(new Set(names).size, names.length);
    assert.equal(names.at(-1), 'forward');
    assert.equal(names[0], 'beginRecord');
  });

  it('takes identity limits after the credential and before the body', () => {
    const order = (name: keyof Steps): number => names.indexOf(name);
    assert.ok(order('authenticate') < order('limitIdentity'));
    assert.ok(order('limitIdentity') < order('collectBody'));
    assert.ok(order('checkMessage') < order('authenticate'));
  });
});

describe('walking', () => {
  const stop = new GatewayError('GW_SCOPE_MISSING', 'no scope', { headers: { 'X-Why': 'this' }, retryAfter: 3 });

  it('ends at the first error, which becomes the answer', async () => {
    const ran: string[] = [];
    const steps = notedSteps(ran, { decideRoute: () => Promise.reject(stop) });
    const { scope, written } = fakeScope();
    await walk(
      columnOf(steps, 'api'),
      scope,
      () => assert.fail(),
      () => assert.fail(),
    );
    assert.equal(ran.at(-1), 'authenticate');
    assert.equal(scope.error, stop);
    assert.equal(written.status, 403);
    assert.equal(written.headers.get('Retry-After'), '3');
    assert.equal(written.headers.get('X-Why'), 'this');
    assert.equal(written.headers.get('X-Request-Id'), 'the-request-id');
    assert.equal(JSON.parse(written.body).error, 'no scope');
  });

  it('says of every 429 and 503 when to come again, of others only what they say themselves', async () => {
    const after = async (error: GatewayError) => {
      const { scope, written } = fakeScope();
      const steps = notedSteps([], { authenticate: () => Promise.reject(error) });
      await walk(
        columnOf(steps, 'api'),
        scope,
        () => assert.fail(),
        () => assert.fail(),
      );
      return written.headers.get('Retry-After');
    };
    for (const [code, { status }] of Object.entries(ERROR_CODES) as [ErrorCode, { status: number }][]) {
      if (code === 'GW_INTERNAL') continue;
      const said = await after(new GatewayError(code, 'x'));
      if (status === 429 || status === 503) assert.match(String(said), /^[1-9][0-9]*$/, code);
      else assert.equal(said, undefined, code);
      assert.equal(await after(new GatewayError(code, 'x', { retryAfter: 7 })), '7', code);
    }
  });

  it('shows nothing of an unknown fault but tells the operator', async () => {
    const told: GatewayError[] = [];
    const { scope, written } = fakeScope();
    const boom = () => {
      throw new Error('secret detail /etc/shadow');
    };
    await walk(
      columnOf(notedSteps([], { checkMessage: boom }), 'api'),
      scope,
      (error) => told.push(error),
      () => assert.fail(),
    );
    assert.equal(written.status, 500);
    assert.doesNotMatch(written.body, /secret|shadow/);
    assert.equal(JSON.parse(written.body).code, 'GW_INTERNAL');
    assert.match(String(told[0]?.cause), /secret detail/);
  });

  it('cuts the connection when an answer has begun', async () => {
    const { scope, written, res } = fakeScope();
    res.headersSent = true;
    await walk(
      columnOf(notedSteps([], { forward: () => Promise.reject(stop) }), 'api'),
      scope,
      () => assert.fail(),
      () => assert.fail(),
    );
    assert.equal(written.destroyed, true);
    assert.equal(written.body, '');
  });

  it('closes the connection when the body was not read', async () => {
    const { scope, written } = fakeScope('POST');
    (scope.req as { complete: boolean }).complete = false;
    await walk(
      columnOf(notedSteps([], { authenticate: () => Promise.reject(stop) }), 'api'),
      scope,
      () => undefined,
      () => assert.fail(),
    );
    assert.equal(written.headers.get('Connection'), 'close');
  });

  it('answers HEAD without a body, with the length of one', async () => {
    const { scope, written } = fakeScope('HEAD');
    await walk(
      columnOf(notedSteps([], { authenticate: () => Promise.reject(stop) }), 'api'),
      scope,
      () => undefined,
      () => assert.fail(),
    );
    assert.equal(written.body, '');
    assert.ok(Number(written.headers.get('Content-Length')) > 50);
  });
});

describe('doors', () => {
  const targets: Readonly<Record<string, string>> = {
    '/api/v3/token': 'token',
    '/api/v3/token?x=1': 'token',
    '/api/v3/token/': 'api',
    '/api/v3/tokens': 'api',
    '/api/v3/TOKEN': 'api',
    '/api/v3/%74oken': 'api',
    '/api/v3/jobs': 'api',
    '/api/v3/': 'api',
    '/api/v3': 'other',
    '/api/v2/token': 'other',
    '/API/v3/jobs': 'other',
    '//api/v3/jobs': 'other',
    '/': 'other',
    '*': 'other',
    'http://gw/api/v3/jobs': 'other',
  };
  for (const [target, door] of Object.entries(targets)) {
    it(`${target} opens ${door}`, () => assert.equal(doorOf(target), door));
  }
});
