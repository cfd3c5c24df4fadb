import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { createIdp, type Idp } from '../../standin/idp/index.ts';
import { createSamlGateway, reasonsOf, type SamlGateway } from '../security/saml/saml-gateway.ts';
import { type Browser, createBrowser, signInAs } from '../world/browser.ts';
import { eventually } from '../world/eventually.ts';

describe('a gateway with both protocols at the demo identity provider', () => {
  let idp: Idp;
  let gateway: SamlGateway;

  before(async () => {
    idp = await createIdp();
    const oidc = {
      type: 'oidc',
      name: 'oidc',
      realm: 'demo',
      issuer: idp.issuer,
      clientId: idp.clientId,
      clientSecret: idp.clientSecret,
      groups: { attribute: 'groups' },
    };
    gateway = await createSamlGateway({ metadataUrl: idp.samlMetadataUrl, provider: { realm: 'demo' }, oidc: [oidc] });
    idp.register(gateway.url);
  });
  after(async () => {
    await gateway[Symbol.asyncDispose]();
    await idp[Symbol.asyncDispose]();
  });

  const cookieOf = (browser: Browser): string => {
    const cookie = browser.cookies(gateway.url).get('vovgw');
    assert.ok(cookie, `no session: ${reasonsOf(gateway.world, 'sign_in').at(-1)}`);
    return cookie;
  };

  const subjectOf = async (cookie: string): Promise<string | null> => {
    const answer = await fetch(`${gateway.url}/gateway/v1/me`, {
      headers: { cookie: `vovgw=${cookie}`, 'sec-fetch-site': 'same-origin', 'sec-fetch-mode': 'cors' },
    });
    return answer.ok ? ((await answer.json()) as { subject: string }).subject : null;
  };

  /** One browser that signed in by OIDC, then by SAML: two sessions at the gateway, one login at the provider. */
  const signInTwice = async (person: string) => {
    const browser = createBrowser();
    await signInAs(gateway.url, 'oidc', person, browser);
    const oidc = cookieOf(browser);
    // Without its cookie the gateway does not end the first session for the second.
    browser.setCookie(gateway.url, 'vovgw', '');
    await signInAs(gateway.url, 'saml', person, browser);
    return { browser, oidc, saml: cookieOf(browser) };
  };

  it('knows the same person by either protocol', async () => {
    const { oidc, saml } = await signInTwice('alice');
    assert.notEqual(oidc, saml);
    assert.deepEqual([await subjectOf(oidc), await subjectOf(saml)], ['demo:p-7f3a91c2', 'demo:p-7f3a91c2']);
  });

  it('ends both sessions when the person signs out at the provider', async () => {
    const { browser, oidc, saml } = await signInTwice('bob');
    const page = await browser.submit(await browser.open(`${idp.url}/logout`));
    assert.match(page.body, /signed out everywhere/);
    await eventually(
      'both have ended',
      async () => (await subjectOf(oidc)) === null && (await subjectOf(saml)) === null,
    );
  });

  it('ends the other session too when the person signs out at the gateway', async () => {
    const { browser, oidc, saml } = await signInTwice('carol');
    const account = await browser.open(`${gateway.url}/ui/`);
    const out = await browser.submit(account, {}, { form: ({ action }) => action === `${gateway.url}/logout` });
    const onward = /href="([^"]*\/saml\/slo[^"]*)"/.exec(out.body)?.[1]?.replaceAll('&amp;', '&') ?? '';
    const end = await browser.settle(await browser.open(onward));
    assert.equal(end.url, `${gateway.url}/signed-out`);
    await eventually(
      'both have ended',
      async () => (await subjectOf(oidc)) === null && (await subjectOf(saml)) === null,
    );
    const again = await browser.open(`${gateway.url}/oidc/oidc/login`);
    assert.match(again.body, /asks for no password/);
  });

  it('takes encrypted assertions', async () => {
    idp.knobs.encrypt = true;
    const { browser } = await signInAs(gateway.url, 'saml', 'alice');
    idp.knobs.encrypt = false;
    assert.equal(await subjectOf(cookieOf(browser)), 'demo:p-7f3a91c2');
  });

  it('sends the request by POST too, and the provider understands it', async () => {
    const own = { metadataUrl: idp.samlMetadataUrl, provider: { binding: 'post', realm: 'demo' } };
    await using other = await createSamlGateway(own);
    idp.register(other.url);
    const { browser, page } = await signInAs(other.url, 'saml', 'bob');
    assert.equal(page.url, `${other.url}/ui/`);
    assert.ok(browser.history.includes(`POST ${idp.url}/saml/sso`));
  });

  it('loses no sign-in by either protocol while the provider changes its keys', async () => {
    for (const step of ['announce', 'switch', 'retire'] as const) {
      await idp.rotateKeys(step);
      for (const protocol of ['oidc', 'saml']) {
        const { browser } = await signInAs(gateway.url, protocol, 'alice');
        assert.equal(await subjectOf(cookieOf(browser)), 'demo:p-7f3a91c2', `${step} ${protocol}`);
      }
    }
  });
});
