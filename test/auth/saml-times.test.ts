import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { SamlFault } from '../../src/auth/saml/fault.ts';
import { checkIssued, checkWindow, durationOf, instantOf } from '../../src/auth/saml/instants.ts';
import { createSamlWorld, failsWith } from './saml-world.ts';

const MINUTE = 60_000;

describe('clocks that differ', () => {
  const accepted = [
    ['the provider is 59 s ahead', 59_000],
    ['the provider is 59 s behind', -59_000],
  ] as const;
  for (const [what, ahead] of accepted)
    it(`${what}: signs in`, async () => {
      await using world = await createSamlWorld();
      const provider = world.replica();
      const begun = await world.begin(provider);
      const now = world.clock.now() + ahead;
      await world.finish(provider, begun, world.respond(begun, { now }));
    });

  const refused = [
    ['ahead by more than the skew', 61_000, 'Response was issued in the future'],
    ['behind by more than a response may be old', -6 * MINUTE, 'Response was issued too long ago'],
  ] as const;
  for (const [what, ahead, reason] of refused)
    it(`the provider is ${what}: refused`, async () => {
      await using world = await createSamlWorld();
      const provider = world.replica();
      const begun = await world.begin(provider);
      const now = world.clock.now() + ahead;
      await assert.rejects(world.finish(provider, begun, world.respond(begun, { now })), failsWith(reason));
    });

  it('the configured skew counts', async () => {
    await using world = await createSamlWorld();
    const strict = world.replica({ clockSkew: 0 });
    const begun = await world.begin(strict);
    const now = world.clock.now() + 1000;
    await assert.rejects(
      world.finish(strict, begun, world.respond(begun, { now })),
      failsWith('Response was issued in the future'),
    );
  });
});

describe('the times of an assertion', () => {
  const at = (name: string, from: RegExp, to: (now: number) => number, reason: string) =>
    it(`${name}: refused`, async () => {
      await using world = await createSamlWorld();
      const provider = world.replica();
      const begun = await world.begin(provider);
      const time = new Date(to(world.clock.now())).toISOString();
      const assertion = (xml: string): string => {
        assert.match(xml, from);
        return xml.replace(from, (_, before: string) => `${before}"${time}"`);
      };
      await assert.rejects(world.finish(provider, begun, world.respond(begun, { assertion })), failsWith(reason));
    });

  at(
    'Conditions not yet valid',
    /(<saml:Conditions NotBefore=)"[^"]+"/,
    (now) => now + 61_000,
    'Conditions not valid yet',
  );
  at(
    'Conditions over',
    /(<saml:Conditions [^>]*NotOnOrAfter=)"[^"]+"/,
    (now) => now - MINUTE,
    'Conditions no longer valid',
  );
  at(
    'confirmation over',
    /(<saml:SubjectConfirmationData NotOnOrAfter=)"[^"]+"/,
    (now) => now - MINUTE,
    'SubjectConfirmationData no longer valid',
  );
  at('authenticated in the future', /(AuthnInstant=)"[^"]+"/, (now) => now + 61_000, 'authenticated in the future');
  at('a session that has ended', /(SessionNotOnOrAfter=)"[^"]+"/, (now) => now - MINUTE, 'the session has ended');
  at('an old assertion', /(IssueInstant=)"[^"]+"/, (now) => now - 6 * MINUTE, 'Assertion was issued too long ago');

  it('must be there, with their zone', async () => {
    await using world = await createSamlWorld();
    const provider = world.replica();
    for (const to of ['', 'NotOnOrAfter="soon"', 'NotOnOrAfter="2026-01-01T00:04:00"']) {
      const begun = await world.begin(provider);
      const assertion = (xml: string): string => xml.replace(/NotOnOrAfter="[^"]+"(?= Recipient)/, to);
      await assert.rejects(
        world.finish(provider, begun, world.respond(begun, { assertion })),
        failsWith(/NotOnOrAfter/),
      );
    }
  });
});

describe('an assertion is used once', () => {
  it('over two replicas and two sign-ins of one browser, for as long as its times let it in', async () => {
    await using world = await createSamlWorld();
    const [one, other] = [world.replica({ allowIdpInitiated: true }), world.replica({ allowIdpInitiated: true })];
    const response = world.respond(null);
    await world.finish(one, null, response);
    for (const provider of [other, one]) {
      await assert.rejects(world.finish(provider, null, response), failsWith('an assertion twice'));
      await world.clock.advance(2 * MINUTE);
    }
    await world.clock.advance(MINUTE + 59_000);
    await assert.rejects(world.finish(other, null, response), failsWith('an assertion twice'));
    await world.clock.advance(1000);
    await assert.rejects(world.finish(other, null, response), failsWith('Response was issued too long ago'));
  });

  it('even in another response', async () => {
    await using world = await createSamlWorld();
    const provider = world.replica({ allowIdpInitiated: true });
    await world.finish(provider, null, world.respond(null, { id: '_same' }));
    await assert.rejects(
      world.finish(provider, null, world.respond(null, { id: '_same' })),
      failsWith('an assertion twice'),
    );
  });

  it('and not at all while the store is away', async () => {
    await using world = await createSamlWorld();
    const provider = world.replica({ allowIdpInitiated: true });
    const response = world.respond(null);
    world.store.away = true;
    await assert.rejects(world.finish(provider, null, response), { code: 'GW_STORE_UNAVAILABLE' });
    world.store.away = false;
    await world.finish(provider, null, response);
  });
});

describe('instants and durations', () => {
  it('read what ISO 8601 writes', () => {
    fc.assert(
      fc.property(fc.date({ min: new Date(0), max: new Date('2199-01-01'), noInvalidDate: true }), (date) => {
        assert.equal(instantOf(date.toISOString(), 'it'), date.getTime());
      }),
    );
  });

  it('refuse what is none', () => {
    for (const text of [
      '',
      'now',
      '2026-01-01',
      '2026-01-01T00:00:00',
      '2026-13-01T00:00:00Z',
      ' 2026-01-01T00:00:00Z',
    ])
      assert.throws(() => instantOf(text, 'it'), SamlFault);
    for (const text of ['', 'P', 'PT', '1H', 'P1H', '-PT1H', 'P1DT'])
      assert.throws(() => durationOf(text, 'it'), SamlFault);
  });

  it('count durations', () => {
    assert.equal(durationOf('PT1H30M', 'it'), 90 * MINUTE);
    assert.equal(durationOf('P1DT1S', 'it'), 86_401_000);
    assert.equal(durationOf('P1Y2M', 'it'), (365 + 60) * 86_400_000);
    assert.equal(durationOf('PT0.5S', 'it'), 0);
  });

  it('accept exactly within the window and its skew', () => {
    fc.assert(
      fc.property(fc.integer({ min: -400, max: 400 }), fc.integer({ min: 0, max: 100 }), (offset, skew) => {
        const start = Date.UTC(2026, 0, 1);
        const window = new Map([
          ['NotBefore', new Date(start).toISOString()],
          ['NotOnOrAfter', new Date(start + 200_000).toISOString()],
        ]);
        const present = { now: start + offset * 1000, skew: skew * 1000 };
        const fits = offset >= -skew && offset < 200 + skew;
        if (fits) assert.equal(checkWindow(window, 'it', present), start + 200_000);
        else assert.throws(() => checkWindow(window, 'it', present), SamlFault);
      }),
    );
  });

  it('accept what was issued up to five minutes ago', () => {
    const now = Date.UTC(2026, 0, 1);
    const issued = (ms: number) => () => checkIssued(new Date(now + ms).toISOString(), 'it', { now, skew: 1000 });
    for (const ms of [0, 1000, -300_000, -300_999]) assert.doesNotThrow(issued(ms));
    for (const ms of [1001, -301_000]) assert.throws(issued(ms), SamlFault);
  });
});
