import { describeAttacks } from './saml/attack.ts';
import { documents } from './saml/documents.ts';
import { createPhpStage } from './saml/genuine.ts';
import { algorithms, shape, stripped } from './saml/signatures.ts';
import { assertionAttacks, responseAttacks } from './saml/wrapping.ts';

const carol = { stage: createPhpStage, person: 'carol' };

describeAttacks(
  'SAML responses of SimpleSAMLphp: signature wrapping',
  [...assertionAttacks, ...responseAttacks],
  carol,
);
describeAttacks('SAML responses of SimpleSAMLphp: signatures', [...stripped, ...shape, ...algorithms], carol);
describeAttacks('SAML responses of SimpleSAMLphp: documents', documents, carol);
