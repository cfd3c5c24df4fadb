import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { PEOPLE } from '../../standin/idp/index.ts';
import { assertRefused, describeAttacks } from './saml/attack.ts';
import { documents } from './saml/documents.ts';
import { ALICE } from './saml/forgery.ts';
import { createStage } from './saml/genuine.ts';

describeAttacks('SAML documents that two parsers read differently', documents, { stage: createStage, person: 'carol' });

describe('SAML NameIDs with a comment, signed by the provider', () => {
  it('are not cut at the comment, although the signature still holds', async () => {
    const mallory = {
      ...PEOPLE[0],
      name: 'mallory',
      subject: `${ALICE}.mallory`,
      email: 'm@x.test',
      displayName: 'M',
      groups: [],
    };
    await using stage = await createStage({ idp: { people: [...PEOPLE, mallory] } });
    const genuine = await stage.genuine('mallory');
    // Exclusive canonicalisation leaves comments out, so that the digest stays what it was.
    const forged = genuine.xml.replace(`${ALICE}.mallory`, `${ALICE}<!---->.mallory`);
    assert.notEqual(forged, genuine.xml);
    const page = await stage.deliver(genuine, forged);
    assertRefused(stage, genuine, page, { reason: /markup that is not allowed$/ }, new Map());
  });
});
