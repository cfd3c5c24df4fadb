import type { Idp } from '../../standin/idp/index.ts';
import { type Attack, describeAttacks } from './saml/attack.ts';
import { encryptedFor } from './saml/encrypted.ts';
import { assertionOf, evilOf, OUTER, withOuter } from './saml/forgery.ts';
import { createStage, type Stage } from './saml/genuine.ts';
import { assertionAttacks, responseAttacks } from './saml/wrapping.ts';

const encryptedOf = (xml: string): string =>
  /<saml:EncryptedAssertion.*<\/saml:EncryptedAssertion>/s.exec(xml)?.[0] ?? '';

/** A forged assertion in clear, made of one that the provider gave bob without encryption. */
const clearEvil = async (stage: Stage): Promise<string> => {
  stage.idp.knobs.encrypt = false;
  const { xml } = await stage.genuine('bob');
  stage.idp.knobs.encrypt = true;
  return evilOf(assertionOf(xml));
};

const encryptedAttacks: readonly Attack<Idp>[] = [
  ...OUTER.map(
    (outer): Attack<Idp> => ({
      name: `a forged assertion in clear beside the encrypted one; the signature of the response ${outer}`,
      forge: async (xml, stage) => {
        const evil = await clearEvil(stage);
        return withOuter(outer, xml, (bare) => bare.replace(encryptedOf(bare), `${evil}${encryptedOf(bare)}`), stage);
      },
      reason: /Assertion is not signed$|Response is not signed$/,
    }),
  ),
  ...OUTER.map(
    (outer): Attack<Idp> => ({
      name: `a forged assertion that anybody could encrypt; the signature of the response ${outer}`,
      forge: async (xml, stage) => {
        const evil = await encryptedFor(stage, await clearEvil(stage));
        return withOuter(outer, xml, (bare) => bare.replace(encryptedOf(bare), evil), stage);
      },
      reason: /signature does not hold$|Response is not signed$|Assertion is not signed$/,
    }),
  ),
  {
    name: 'two encrypted assertions, signed by the provider around them',
    forge: async (xml, stage) => {
      const evil = await encryptedFor(stage, await clearEvil(stage));
      return withOuter('made anew by the provider', xml, (bare) => bare.replace(encryptedOf(bare), `${evil}$&`), stage);
    },
    reason: /EncryptedAssertion more than once$/,
  },
];

describeAttacks('SAML signature wrapping around the assertion', assertionAttacks, {
  stage: createStage,
  person: 'carol',
});
describeAttacks('SAML signature wrapping around the response', responseAttacks, {
  stage: createStage,
  person: 'carol',
});
describeAttacks('SAML encrypted assertions that hold or stand beside forged ones', encryptedAttacks, {
  person: 'carol',
  stage: () => createStage({ idp: { encrypt: true } }),
});
