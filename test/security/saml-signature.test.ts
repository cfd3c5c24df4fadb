import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { assertRefused, describeAttacks } from './saml/attack.ts';
import { createStage } from './saml/genuine.ts';
import { algorithms, shape, stripped } from './saml/signatures.ts';
import { signAnew } from './saml/signing.ts';

const carol = { stage: createStage, person: 'carol' };
describeAttacks('SAML signatures that are missing or at the wrong place', stripped, carol);
describeAttacks('SAML signatures of another shape', shape, carol);
describeAttacks('SAML signatures by other algorithms and keys', algorithms, carol);

describe('SAML signatures by a key that is trusted for something else', () => {
  it('are refused: the key of the metadata, and a signing key that the provider has retired', async () => {
    await using stage = await createStage();
    const retired = stage.idp.signingKey();
    for (const step of ['announce', 'switch', 'retire'] as const) await stage.idp.rotateKeys(step);
    const known = new Map<string, string>();
    // The new key is found by reading the metadata once more; the old one is no longer in it.
    const good = await stage.genuine();
    assert.equal((await stage.deliver(good)).status, 303);
    const genuine = await stage.genuine();
    const page = await stage.deliver(genuine, signAnew(genuine.xml, { key: retired }));
    assertRefused(stage, genuine, page, { reason: /signed by no known certificate of the provider$/ }, known);
  });
});
