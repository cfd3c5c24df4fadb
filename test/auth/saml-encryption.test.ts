import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ENCRYPTION } from './saml-idp.ts';
import { createSamlWorld, failsWith, KEYS } from './saml-world.ts';

const ENC = 'http://www.w3.org/2001/04/xmlenc#';

describe('an encrypted SAML assertion', () => {
  const encryptFor = KEYS.sp.certPem;

  for (const content of [
    'http://www.w3.org/2009/xmlenc11#aes128-gcm',
    'http://www.w3.org/2009/xmlenc11#aes256-gcm',
    `${ENC}aes128-cbc`,
    `${ENC}aes256-cbc`,
  ])
    it(`is opened: ${content.split('#')[1]}`, async () => {
      await using world = await createSamlWorld();
      const provider = world.replica({ requireEncryption: true });
      const begun = await world.begin(provider);
      const response = world.respond(begun, { encryptFor, encryption: { ...ENCRYPTION, content } });
      const { assertion } = await world.finish(provider, begun, response);
      assert.deepEqual(assertion.attributes.uid, ['alice']);
    });

  it('is opened with the key before the last change', async () => {
    await using world = await createSamlWorld();
    const previous = {
      previousKeyFile: `${world.folder}/previous.key`,
      previousCertFile: `${world.folder}/previous.crt`,
    };
    const provider = world.replica(previous);
    const begun = await world.begin(provider);
    const response = world.respond(begun, { encryptFor: KEYS.previousSp.certPem });
    const { assertion } = await world.finish(provider, begun, response);
    assert.deepEqual(assertion.attributes.uid, ['alice']);
  });

  it('is refused for a key that is not ours', async () => {
    await using world = await createSamlWorld();
    const provider = world.replica();
    const begun = await world.begin(provider);
    const response = world.respond(begun, { encryptFor: KEYS.stranger.certPem });
    await assert.rejects(world.finish(provider, begun, response), failsWith('encryption: none of our keys opens it'));
  });

  it('is refused with PKCS #1 v1.5', async () => {
    await using world = await createSamlWorld();
    const provider = world.replica();
    const begun = await world.begin(provider);
    const encryption = { ...ENCRYPTION, transport: `${ENC}rsa-1_5` };
    const response = world.respond(begun, { encryptFor, encryption });
    await assert.rejects(
      world.finish(provider, begun, response),
      failsWith('encryption: a key transport that is not allowed'),
    );
  });

  it('is refused with Triple DES', async () => {
    await using world = await createSamlWorld();
    const provider = world.replica();
    const begun = await world.begin(provider);
    const response = world.respond(begun, {
      encryptFor,
      response: (xml) => xml.replace(ENCRYPTION.content, `${ENC}tripledes-cbc`),
    });
    await assert.rejects(
      world.finish(provider, begun, response),
      failsWith('encryption: an algorithm that is not allowed'),
    );
  });

  it('needs a signature of its own inside', async () => {
    await using world = await createSamlWorld();
    const provider = world.replica();
    const begun = await world.begin(provider);
    const response = world.respond(begun, { encryptFor, signed: ['response'] });
    await assert.rejects(world.finish(provider, begun, response), failsWith('Assertion is not signed'));
  });

  it('is not even tried without a signature of the response', async () => {
    await using world = await createSamlWorld();
    const provider = world.replica();
    const begun = await world.begin(provider);
    const response = world.respond(begun, { encryptFor: KEYS.stranger.certPem, key: KEYS.stranger });
    await assert.rejects(
      world.finish(provider, begun, response),
      failsWith('signed by no known certificate of the provider'),
    );
    const bare = world.respond(await world.begin(provider), { encryptFor, signed: ['assertion'] });
    await assert.rejects(world.finish(provider, begun, bare), failsWith('Response is not signed'));
  });

  it('is held to the guard inside: entities, comments and depth', async () => {
    await using world = await createSamlWorld();
    const provider = world.replica();
    const cases: [string, (xml: string) => string][] = [
      ['xml: markup that is not allowed', (xml) => `<!DOCTYPE a [<!ENTITY b "c">]>${xml}`],
      ['xml: markup that is not allowed', (xml) => xml.replace('alice-0001', 'alice<!-- -->-0001')],
      ['xml: nested too deep', (xml) => xml.replace('alice-0001', `${'<b>'.repeat(40)}${'</b>'.repeat(40)}`)],
      ['message: no Assertion', (xml) => `<other>${xml}</other>`],
    ];
    for (const [reason, assertion] of cases) {
      const begun = await world.begin(provider);
      const response = world.respond(begun, { encryptFor, assertion, signed: ['response'] });
      await assert.rejects(world.finish(provider, begun, response), failsWith(reason));
    }
  });

  it('is demanded where the configuration says so', async () => {
    await using world = await createSamlWorld();
    const provider = world.replica({ requireEncryption: true });
    const begun = await world.begin(provider);
    await assert.rejects(
      world.finish(provider, begun, world.respond(begun)),
      failsWith('the assertion is not encrypted'),
    );
  });

  it('may not be swapped under the response’s signature', async () => {
    await using world = await createSamlWorld();
    const provider = world.replica();
    const begun = await world.begin(provider);
    const decode = (text: string): string => Buffer.from(text, 'base64').toString();
    const sealed = /<saml:EncryptedAssertion.*<\/saml:EncryptedAssertion>/;
    const mine = decode(world.respond(begun, { encryptFor }));
    const other = sealed.exec(decode(world.respond(begun, { encryptFor, nameId: 'bob-0002' })))?.[0] ?? '';
    const swapped = Buffer.from(mine.replace(sealed, () => other)).toString('base64');
    await assert.rejects(world.finish(provider, begun, swapped), failsWith('signature does not hold'));
  });
});
