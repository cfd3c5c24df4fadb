import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createSubmissionPolicy } from '../../src/access/index.ts';
import type { RouteClass } from '../../src/kernel/index.ts';
import type { Scope } from '../../src/server/scope.ts';
import { createInspectBody } from '../../src/server/steps/inspect-body.ts';
import { jobsWith, member } from '../access/policy-world.ts';

interface Call {
  readonly method: string;
  readonly class: RouteClass;
  readonly body?: unknown;
  readonly query?: string;
  readonly headers?: Record<string, string>;
}

/** A call as far as the step looks at it. */
function scopeOf({ method, class: cls, body = {}, query = '', headers = {} }: Call): Scope {
  const scope = {
    req: { headers: { 'content-type': 'application/json', ...headers } },
    head: [],
    meta: { method, target: `/api/v3/sets/1${query}`, requestId: 'r' },
    caller: { identity: member() },
    account: { queue: 'chips', name: 'alice', shared: false },
    route: { template: '/api/v3/sets/{id}', class: cls },
    body: { kind: 'bytes', bytes: Buffer.from(JSON.stringify(body)) },
    result: null,
  };
  return scope as unknown as Scope;
}

const rules = createSubmissionPolicy(jobsWith({ denyKeys: ['wrapper'], fields: { env: { oneOf: ['BASE'] } } }));
const step = createInspectBody(
  () => rules,
  { check: async () => [] },
  { log: { debug() {}, info() {}, warn() {}, error() {} }, policyDecision() {} },
);

describe('a write of whatever class', () => {
  for (const method of ['POST', 'PUT', 'DELETE']) {
    for (const cls of ['read', 'list', 'control'] as const) {
      it(`${method} of class ${cls} meets the policy, and no dry run of it is executed`, () => {
        const call = { method, class: cls };
        assert.throws(() => step(scopeOf({ ...call, body: { wrapper: 'x' } })), { code: 'GW_POLICY' });
        assert.throws(() => step(scopeOf({ ...call, body: { env: 'EVIL' } })), { code: 'GW_POLICY' });
        assert.throws(() => step(scopeOf({ ...call, headers: { 'x-dry-run': 'true' } })), { code: 'GW_BAD_REQUEST' });
        assert.equal(step(scopeOf({ ...call, body: { action: 'stop', env: 'BASE' } })), undefined);
      });
    }
  }

  it('is a change with PATCH', () => {
    assert.throws(() => step(scopeOf({ method: 'PATCH', class: 'read', body: { env: 'EVIL' } })), {
      code: 'GW_POLICY',
    });
  });

  it('is none with GET and HEAD', () => {
    for (const method of ['GET', 'HEAD']) {
      assert.equal(step(scopeOf({ method, class: 'list', body: { wrapper: 1 }, query: '?x' })), undefined);
    }
  });
});
