import { IdentityProvider, SamlLib, ServiceProvider } from '../../../standin/idp/samlify.ts';
import type { Stage } from './genuine.ts';

/** Encrypts an assertion for the gateway, as anybody can who has read its metadata; gives EncryptedAssertion. */
export async function encryptedFor(stage: Pick<Stage, 'gateway'>, assertion: string): Promise<string> {
  const metadata = await (await fetch(`${stage.gateway.url}/saml/saml/metadata`)).text();
  const anybody = IdentityProvider({
    entityID: 'https://anybody.example.com',
    singleSignOnService: [
      { Binding: 'urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST', Location: 'https://anybody.test' },
    ],
    singleLogoutService: [
      { Binding: 'urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST', Location: 'https://anybody.test' },
    ],
    isAssertionEncrypted: true,
    dataEncryptionAlgorithm: 'http://www.w3.org/2009/xmlenc11#aes128-gcm',
  });
  const wrapped = `<wrap>${assertion}</wrap>`;
  const encrypted = await SamlLib.encryptAssertion(anybody, ServiceProvider({ metadata }), wrapped);
  return Buffer.from(encrypted, 'base64')
    .toString()
    .replace(/^<wrap>|<\/wrap>$/g, '');
}
