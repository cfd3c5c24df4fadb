import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { decideNewToken } from '../../src/auth/new-token.ts';
import { GatewayError, SCOPES } from '../../src/kernel/index.ts';
import { checkToken, fieldsOf, freshFields, isWanted, livesOf, type TokenFields } from '../../src/portal/token-form.ts';
import { DAY } from './portal-world.ts';

const LIVES = { maxLife: 90 * DAY, defaultLife: 30 * DAY, derivedLife: DAY };
const ONCE = 'A'.repeat(22);

/** Whether access tokens themselves would take it. */
function isTaken({ label, scopes, life }: TokenFields): boolean {
  try {
    decideNewToken({ user: 'alice', label, scopes: scopes as never, lifeMs: Number(life) }, LIVES);
    return true;
  } catch (error) {
    if (error instanceof GatewayError && error.code === 'GW_BAD_REQUEST') return false;
    throw error;
  }
}

const label = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 70 }),
  fc.string({ unit: 'grapheme', maxLength: 40 }),
  fc.constantFrom('', 'x'.repeat(64), 'x'.repeat(65), 'a\u202eb', 'a\u2028b', 'a\u00adb', '\ud800', '試験', '👩‍🔬'),
);
const scopes = fc.array(fc.constantFrom(...SCOPES, 'admin', ''), { maxLength: 4 });

describe('the check of a token form', () => {
  it('takes a label and scopes exactly when access tokens do', () => {
    fc.assert(
      fc.property(label, scopes, (text, wanted) => {
        const fields = { label: text, scopes: wanted, life: String(DAY), once: ONCE };
        assert.equal(isWanted(checkToken(fields, LIVES)), isTaken(fields));
      }),
    );
  });

  it('takes only lives that access tokens take', () => {
    const lives = fc.record({
      maxLife: fc.integer({ min: 1000, max: 4000 * DAY }),
      defaultLife: fc.integer({ min: 1000, max: 4000 * DAY }),
      derivedLife: fc.constant(1000),
    });
    fc.assert(
      fc.property(lives, (some) => {
        const offered = livesOf(some);
        assert.ok(offered.length > 0);
        assert.ok(offered.every((life) => life > 0 && life <= some.maxLife));
        assert.deepEqual(
          offered,
          [...new Set(offered)].sort((a, b) => a - b),
        );
        assert.ok(offered.includes(some.maxLife));
      }),
    );
  });

  it('takes a fresh form as soon as it has a label', () => {
    const fresh = freshFields(LIVES, ONCE);
    assert.deepEqual(Object.keys(checkToken(fresh, LIVES)), ['label']);
    assert.deepEqual(checkToken({ ...fresh, label: 'ci' }, LIVES), { label: 'ci', scopes: ['read'], lifeMs: 30 * DAY });
  });

  it('reads every form, however strange', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.constantFrom('label', 'scopes', 'life', 'once', '__proto__'), fc.string())),
        (pairs) => {
          const fields = fieldsOf(new URLSearchParams(pairs));
          const checked = checkToken(fields, LIVES);
          if (isWanted(checked)) assert.ok(checked.lifeMs > 0);
          else assert.ok(Object.keys(checked).length > 0);
        },
      ),
    );
  });

  it('keeps scopes in one order, each once', () => {
    const checked = checkToken(
      { label: 'x', scopes: ['control', 'read', 'control'], life: String(DAY), once: ONCE },
      LIVES,
    );
    assert.deepEqual(isWanted(checked) && checked.scopes, ['read', 'control']);
  });

  it('drops blanks around a label', () => {
    assert.equal(fieldsOf(new URLSearchParams({ label: '  ci runner ' })).label, 'ci runner');
  });
});
