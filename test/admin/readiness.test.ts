import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { type Component, toReadiness } from '../../src/admin/index.ts';

const component: fc.Arbitrary<Component> = fc.record({
  name: fc.constantFrom('store', 'queue:main', 'config'),
  state: fc.constantFrom('ok', 'degraded', 'failed'),
  detail: fc.string(),
});
const life = fc.constantFrom('starting', 'serving', 'draining');

describe('readiness', () => {
  it('is for a serving process without a failed component, and for no other', () => {
    fc.assert(
      fc.property(life, fc.array(component), (state, components) => {
        const { ready } = toReadiness(state, components);
        assert.equal(ready, state === 'serving' && !components.some((one) => one.state === 'failed'));
      }),
    );
  });

  it('does not end because something is degraded', () => {
    const degraded: Component = { name: 'queue:main', state: 'degraded', detail: 'down' };
    assert.deepEqual(toReadiness('serving', [degraded, degraded]), {
      life: 'serving',
      ready: true,
      degraded: true,
      components: [degraded, degraded],
    });
  });

  it('is degraded exactly when a component is not ok', () => {
    fc.assert(
      fc.property(life, fc.array(component), (state, components) => {
        assert.equal(
          toReadiness(state, components).degraded,
          components.filter((one) => one.state !== 'ok').length > 0,
        );
      }),
    );
  });
});
