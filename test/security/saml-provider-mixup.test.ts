import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { createIdp, type Idp } from '../../standin/idp/index.ts';
import { createBrowser, signInAs } from '../world/browser.ts';
import { assertRefused } from './saml/attack.ts';
import { createStage, encode, type Stage, sessionOf } from './saml/genuine.ts';
import { signAnew } from './saml/signing.ts';

describe('SAML with two identity providers', () => {
  let other: Idp;
  let stage: Stage;
  before(async () => {
    other = await createIdp({ samlNames: ['other'] });
    stage = await createStage({ gateway: { others: [{ name: 'other', metadataUrl: other.samlMetadataUrl }] } });
    other.register(stage.gateway.url);
  });
  after(async () => {
    await stage[Symbol.asyncDispose]();
    await other[Symbol.asyncDispose]();
  });

  /** A response of the other provider, which has not been sent. */
  const ofTheOther = async () => {
    const browser = createBrowser();
    const asks = await browser.open(`${stage.gateway.url}/saml/other/login`);
    const page = await browser.submit(asks, { person: 'alice' });
    const { SAMLResponse = '', RelayState = '' } = page.forms[0]?.fields ?? {};
    return { browser, xml: Buffer.from(SAMLResponse, 'base64').toString(), relayState: RelayState };
  };
  const acs = (name: string): string => `${stage.gateway.url}/saml/${name}/acs`;

  it('does not take the response of one at the door of the other', async () => {
    const { browser, xml, relayState } = await ofTheOther();
    const page = await browser.open(acs('saml'), {
      form: { SAMLResponse: encode(xml), RelayState: relayState },
      from: other.url,
    });
    const genuine = { browser, xml, relayState, acs: acs('saml') };
    assertRefused(stage, genuine, page, { reason: /another Destination$/ }, new Map());
  });

  it('does not take the response of one in the place of the other, for a sign-in at the other', async () => {
    const genuine = await stage.genuine();
    const { xml } = await ofTheOther();
    const page = await stage.deliver(genuine, xml);
    assertRefused(stage, genuine, page, { reason: /another Destination$/ }, new Map());
  });

  it('does not let one speak in the name of the other with its own key', async () => {
    const genuine = await stage.genuine();
    const page = await stage.deliver(genuine, signAnew(genuine.xml, { key: other.signingKey() }));
    assertRefused(stage, genuine, page, { reason: /signed by no known certificate of the provider$/ }, new Map());
  });

  it('does not let one name the other as the issuer', async () => {
    const { browser, xml, relayState } = await ofTheOther();
    const forged = signAnew(xml.replaceAll(other.entityId, stage.idp.entityId), { key: other.signingKey() });
    const page = await browser.open(acs('other'), {
      form: { SAMLResponse: encode(forged), RelayState: relayState },
      from: other.url,
    });
    const genuine = { browser, xml, relayState, acs: acs('other') };
    assertRefused(stage, genuine, page, { reason: /another Issuer$/ }, new Map());
  });

  it('does not give the user of one to the same name and subject at the other', async () => {
    const owner = await signInAs(stage.gateway.url, 'saml/saml', 'alice');
    assert.notEqual(sessionOf(stage, owner.browser), null);
    const { browser, xml, relayState } = await ofTheOther();
    const form = { SAMLResponse: encode(xml), RelayState: relayState };
    const page = await browser.open(acs('other'), { form, from: other.url, follow: false });
    assert.equal(sessionOf(stage, browser), null);
    assert.equal(page.status, 403);
    assert.match(page.body, /GW_IDENTITY_CONFLICT/);
    assert.doesNotMatch(page.body, /p-7f3a91c2/);
    assert.match(stage.gateway.refusals().at(-1) ?? '', /^saml: conflict: other:p-7f3a91c2 wants/);
  });
});
