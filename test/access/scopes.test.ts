import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { checkScope, requiredScope } from '../../src/access/index.ts';
import { GatewayError, SCOPES, type TokenScope } from '../../src/kernel/index.ts';

describe('scopes', () => {
  it('read covers read and list; submit and control stand alone', () => {
    assert.equal(requiredScope('read'), 'read');
    assert.equal(requiredScope('list'), 'read');
    assert.equal(requiredScope('submit'), 'submit');
    assert.equal(requiredScope('control'), 'control');
  });

  for (const needed of SCOPES) {
    it(`${needed} passes with ${needed} and with nothing else`, () => {
      checkScope(new Set([needed]), needed);
      const others = new Set<TokenScope>(SCOPES.filter((scope) => scope !== needed));
      assert.throws(
        () => checkScope(others, needed),
        (error: unknown) => {
          assert.ok(error instanceof GatewayError);
          assert.equal(error.code, 'GW_SCOPE_MISSING');
          assert.ok(error.detail.includes(`"${needed}"`));
          assert.match(
            error.headers['WWW-Authenticate'] ?? '',
            new RegExp(`error="insufficient_scope", scope="${needed}"`),
          );
          return true;
        },
      );
      assert.throws(() => checkScope(new Set(), needed), GatewayError);
    });
  }
});
