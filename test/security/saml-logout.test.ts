import assert from 'node:assert/strict';
import { createSign } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { deflateRawSync } from 'node:zlib';
import type { Participant } from '../../standin/idp/logins.ts';
import { logoutRequestXml, logoutResponseXml, newId } from '../../standin/idp/saml-messages.ts';
import { redirectUrl } from '../../standin/idp/saml-signature.ts';
import { type Browser, createBrowser, type Page } from '../world/browser.ts';
import { ALICE } from './saml/forgery.ts';
import { createStage, encode, type Genuine, type Stage, sessionOf } from './saml/genuine.ts';
import { reasonsOf } from './saml/saml-gateway.ts';
import { attackersKey } from './saml/signing.ts';

const RSA_SHA1 = 'http://www.w3.org/2000/09/xmldsig#rsa-sha1';

/** A person who is signed in, and what the provider would say to sign her out. */
interface Victim {
  readonly browser: Browser;
  readonly cookie: string;
  readonly participant: Participant;
}

describe('SAML logout messages', () => {
  let stage: Stage;
  let victim: Victim;
  let slo: string;
  const texts = new Set<string>();

  before(async () => {
    stage = await createStage();
    slo = `${stage.gateway.url}/saml/saml/slo`;
  });
  after(() => stage[Symbol.asyncDispose]());

  const signIn = async (): Promise<Victim> => {
    const genuine: Genuine = await stage.genuine();
    await stage.deliver(genuine);
    const sessionIndex = /SessionIndex="([^"]+)"/.exec(genuine.xml)?.[1] ?? '';
    const participant = { entityId: `${stage.gateway.url}/saml/saml/metadata`, nameId: ALICE, sessionIndex };
    return { browser: genuine.browser, cookie: sessionOf(stage, genuine.browser) ?? '', participant };
  };

  /** The session as another browser with the same cookie finds it. */
  const lives = async ({ cookie }: Victim): Promise<boolean> => {
    const page = await createBrowser().open(`${stage.gateway.url}/ui/`, {
      headers: { cookie: `vovgw=${cookie}` },
      follow: false,
    });
    return page.status === 200;
  };

  const request = (changes: { destination?: string; issuer?: string; now?: number; to?: Participant } = {}): string =>
    logoutRequestXml(newId(), {
      issuer: stage.idp.entityId,
      destination: slo,
      now: Date.now(),
      to: victim.participant,
      ...changes,
    });

  const key = () => stage.idp.signingKey();
  const signed = (xml: string): string => redirectUrl(slo, 'SAMLRequest', xml, 'relay', key());
  const query = (fields: Readonly<Record<string, string>>): string => `${slo}?${new URLSearchParams(fields)}`;
  const deflated = (xml: string): string => deflateRawSync(xml).toString('base64');
  const open = (url: string): Promise<Page> => createBrowser().open(url, { follow: false });

  const assertRefused = async (page: Page, reason: RegExp): Promise<void> => {
    assert.equal(page.status, 403, page.body);
    assert.match(page.body, /GW_SIGN_IN_FAILED/);
    texts.add(page.body.replace(/[0-9a-f]{32}/g, '<id>'));
    assert.match(reasonsOf(stage.gateway.world, 'logout_refused').at(-1) ?? '', reason);
    assert.ok(await lives(victim), 'the session was ended');
  };

  it('unsigned: a request without a signature ends nothing, by either binding', async () => {
    victim = await signIn();
    assert.ok(await lives(victim));
    await assertRefused(await open(query({ SAMLRequest: deflated(request()) })), /not signed|signature/i);
    const posted = await createBrowser().open(slo, { form: { SAMLRequest: encode(request()) }, follow: false });
    await assertRefused(posted, /LogoutRequest is not signed$/);
  });

  it('a request with an empty signature, or with one field of it, ends nothing', async () => {
    const SAMLRequest = deflated(request());
    const SigAlg = 'http://www.w3.org/2001/04/xmldsig-more#rsa-sha256';
    for (const fields of [{ SigAlg }, { SigAlg, Signature: '' }, { Signature: 'AAAA' }]) {
      await assertRefused(await open(query({ SAMLRequest, ...fields })), /sign|no base64$/i);
    }
  });

  it('a request whose signature covers another message, RelayState or algorithm ends nothing', async () => {
    const other = { ...victim.participant, nameId: 'p-other', sessionIndex: '_other' };
    const good = new URL(signed(request({ to: other })));
    for (const [name, value] of [
      ['SAMLRequest', deflated(request())],
      ['RelayState', 'another'],
      ['SigAlg', 'http://www.w3.org/2001/04/xmldsig-more#rsa-sha512'],
    ] as const) {
      const changed = new URL(good);
      changed.searchParams.set(name, value);
      await assertRefused(await open(String(changed)), /signed by no known certificate|does not hold|signature/i);
    }
  });

  it('a second message beside the signed one is not the one that is read', async () => {
    const other = { ...victim.participant, nameId: 'p-other', sessionIndex: '_other' };
    const good = signed(request({ to: other }));
    const extra = encodeURIComponent(deflated(request()));
    for (const url of [`${good}&SAMLRequest=${extra}`, good.replace('?', `?SAMLRequest=${extra}&`)]) {
      await assertRefused(await open(url), /SAMLRequest twice|sign/i);
    }
    await assertRefused(await open(`${good}&SAMLResponse=${extra}`), /SAMLRequest and SAMLResponse|sign/i);
  });

  it('a request signed with SHA-1 ends nothing, although the key is the provider’s', async () => {
    const fields = new URLSearchParams({ SAMLRequest: deflated(request()), SigAlg: RSA_SHA1 });
    const signature = createSign('sha1').update(String(fields)).sign(key().keyPem, 'base64');
    await assertRefused(await open(`${slo}?${fields}&Signature=${encodeURIComponent(signature)}`), /algorithm/);
  });

  it('a request signed by a key of somebody else ends nothing', async () => {
    const own = await attackersKey();
    await assertRefused(await open(redirectUrl(slo, 'SAMLRequest', request(), null, own)), /no known certificate/);
  });

  it('a signed request for another address, of another issuer or of another time ends nothing', async () => {
    const hour = 3_600_000;
    for (const [changes, reason] of [
      [{ destination: 'https://other.test/slo' }, /another Destination$/],
      [{ issuer: 'https://other.test/idp' }, /another Issuer$/],
      [{ now: Date.now() - hour }, /issued too long ago$/],
      [{ now: Date.now() + hour }, /issued in the future$/],
    ] as const) {
      await assertRefused(await open(signed(request(changes))), reason);
    }
  });

  it('a signed request without a NameID, or with a comment in it, ends nothing', async () => {
    const none = request().replace(/<saml:NameID.*<\/saml:NameID>/s, '');
    await assertRefused(await open(signed(none)), /LogoutRequest without NameID$/);
    const comment = request().replace(ALICE, `${ALICE}<!---->x`);
    await assertRefused(await open(signed(comment)), /markup that is not allowed$/);
  });

  it('a sign-in response is no logout message, and the other way round', async () => {
    const genuine = await stage.genuine('bob');
    const posted = await createBrowser().open(slo, { form: { SAMLResponse: encode(genuine.xml) }, follow: false });
    await assertRefused(posted, /no LogoutResponse$/);
    const page = await stage.deliver(genuine, signAnewLogout());
    assert.equal(page.status, 403);
    assert.equal(sessionOf(stage, genuine.browser), null);
  });

  const signAnewLogout = (): string => request().replaceAll('LogoutRequest', 'Response');

  it('an answer to a logout that nobody asked for is refused, signed or not', async () => {
    const facts = { issuer: stage.idp.entityId, destination: slo, now: Date.now(), inResponseTo: '_of-nobody' };
    const xml = logoutResponseXml(facts);
    await assertRefused(await open(query({ SAMLResponse: deflated(xml) })), /sign/i);
    const url = redirectUrl(slo, 'SAMLResponse', xml, null, key());
    await assertRefused(await open(url), /no request of ours$/);
  });

  it('says the same for every reason', () => {
    assert.equal(texts.size, 1);
  });

  it('and a genuine request ends the session once, whoever carries it', async () => {
    const url = signed(request());
    const page = await open(url);
    assert.equal(page.status, 303);
    const back = new URL(page.headers.get('location') ?? '');
    assert.equal(back.origin, stage.idp.url);
    assert.equal(back.searchParams.get('RelayState'), 'relay');
    assert.ok(back.searchParams.has('Signature'));
    assert.equal(await lives(victim), false);
    victim = await signIn();
    await assertRefused(await open(url), /a logout message twice$/);
  });

  it('a genuine request for one session leaves the other sessions of the person alone', async () => {
    const second = await signIn();
    assert.equal((await open(signed(request({ to: second.participant })))).status, 303);
    assert.deepEqual([await lives(second), await lives(victim)], [false, true]);
    const both = request().replace(/<samlp:SessionIndex>.*<\/samlp:SessionIndex>/s, '');
    assert.equal((await open(signed(both))).status, 303);
    assert.equal(await lives(victim), false);
  });
});
