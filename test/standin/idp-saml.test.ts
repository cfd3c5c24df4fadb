import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createIdp } from '../../standin/idp/index.ts';
import { createBrowser, signInAs } from '../world/browser.ts';
import { createRelyingParty } from './relying-party.ts';

const signaturesIn = (xml: string): number => xml.match(/<ds:SignatureValue/g)?.length ?? 0;

describe('the demo identity provider by SAML', () => {
  it('signs a person in: signed request, signed response and assertion, attributes with all values', async () => {
    await using idp = await createIdp();
    await using party = await createRelyingParty(idp);
    let sent = '';
    idp.faults.signed = (xml) => {
      sent = xml;
      return xml;
    };
    const { page } = await signInAs(party.url, 'saml', 'bob');
    assert.deepEqual(party.seen.errors, []);
    assert.equal(page.body, 'signed in by SAML');
    assert.equal(party.seen.profile?.nameID, 'p-2d08be54');
    assert.equal(party.seen.profile?.uid, 'bob');
    assert.deepEqual(party.seen.profile?.groups, ['engineers', 'cad-admins']);
    assert.equal(party.seen.relayState, 'the-relay');
    assert.equal(signaturesIn(sent), 2);
    assert.ok(!sent.includes('sha1'));
  });

  it('takes the request by POST binding too', async () => {
    await using idp = await createIdp();
    await using party = await createRelyingParty(idp);
    party.samlOptions = { authnRequestBinding: 'HTTP-POST', skipRequestCompression: true };
    const browser = createBrowser();
    const asks = await browser.settle(await browser.open(`${party.url}/saml/saml/post-login`));
    await browser.settle(await browser.submit(asks, { person: 'carol' }));
    assert.deepEqual(party.seen.errors, []);
    assert.equal(party.seen.profile?.uid, 'carol');
    assert.equal(party.seen.relayState, 'by-post');
  });

  it('encrypts the assertion', async () => {
    await using idp = await createIdp({ encrypt: true });
    await using party = await createRelyingParty(idp);
    let sent = '';
    idp.faults.signed = (xml) => {
      sent = xml;
      return xml;
    };
    await signInAs(party.url, 'saml', 'alice');
    assert.ok(!sent.includes('p-7f3a91c2') && sent.includes('aes128-gcm'));
    assert.deepEqual(party.seen.errors, []);
    assert.equal(party.seen.profile?.uid, 'alice');
  });

  it('refuses a request that the application did not sign, and one of an application that it does not know', async () => {
    await using idp = await createIdp();
    await using party = await createRelyingParty(idp);
    const browser = createBrowser();
    const { headers } = await browser.open(`${party.url}/saml/saml/login`, { follow: false });
    const url = new URL(headers.get('location') ?? '');
    url.searchParams.set('RelayState', 'another');
    const changed = await browser.open(String(url));
    assert.deepEqual([changed.status, /is not signed by/.test(changed.body)], [400, true]);
    await using other = await createIdp();
    const there = await browser.open(`${other.url}/saml/sso${url.search}`);
    assert.deepEqual([there.status, /unknown service provider/.test(there.body)], [400, true]);
  });

  it('learns a new key of the application by itself', async () => {
    await using idp = await createIdp();
    await using party = await createRelyingParty(idp);
    await signInAs(party.url, 'saml', 'alice');
    await party.changeKey();
    party.seen.profile = null;
    await signInAs(party.url, 'saml', 'bob');
    assert.equal((party.seen.profile as { uid?: unknown } | null)?.uid, 'bob');
  });

  it('asks again for ForceAuthn, and not otherwise', async () => {
    await using idp = await createIdp();
    await using party = await createRelyingParty(idp);
    const { browser } = await signInAs(party.url, 'saml', 'alice');
    const silent = await browser.settle(await browser.open(`${party.url}/saml/saml/login`));
    assert.equal(silent.body, 'signed in by SAML');
    party.samlOptions = { forceAuthn: true };
    const asks = await browser.settle(await browser.open(`${party.url}/saml/saml/login`));
    assert.match(asks.body, /asks for no password/);
    const back = await browser.settle(await browser.submit(asks, { person: 'bob' }));
    assert.deepEqual([back.body, party.seen.profile?.uid], ['signed in by SAML', 'bob']);
  });

  it('sends a response that nobody asked for', async () => {
    await using idp = await createIdp();
    await using party = await createRelyingParty(idp);
    const browser = createBrowser();
    const start = `${idp.url}/saml/start?sp=${encodeURIComponent(party.entityId)}&RelayState=%2Fui%2F`;
    const asks = await browser.open(start);
    await browser.settle(await browser.submit(asks, { person: 'alice' }));
    assert.deepEqual([party.seen.profile?.uid, party.seen.relayState], ['alice', '/ui/']);
    assert.equal(party.seen.profile?.inResponseTo, undefined);
  });

  it('changes its certificate in three steps, each published before it signs', async () => {
    await using idp = await createIdp();
    await using party = await createRelyingParty(idp);
    const certificates = async () => (await (await fetch(idp.samlMetadataUrl)).text()).match(/use="signing"/g)?.length;
    const first = idp.signingKey().kid;
    assert.equal(await certificates(), 1);
    await idp.rotateKeys('announce');
    assert.deepEqual([await certificates(), idp.signingKey().kid], [2, first]);
    await idp.rotateKeys('switch');
    assert.equal(await certificates(), 2);
    assert.notEqual(idp.signingKey().kid, first);
    await idp.rotateKeys('retire');
    assert.equal(await certificates(), 1);
    await signInAs(party.url, 'saml', 'alice');
    assert.deepEqual([party.seen.profile?.uid, party.seen.errors], ['alice', []]);
  });

  it('moves its clock', async () => {
    await using idp = await createIdp({ clockOffset: 600_000 });
    await using party = await createRelyingParty(idp);
    await signInAs(party.url, 'saml', 'alice');
    assert.match(party.seen.errors[0] ?? '', /not yet valid/);
    idp.knobs.clockOffset = -600_000;
    await signInAs(party.url, 'saml', 'alice');
    assert.match(party.seen.errors[1] ?? '', /expired/);
  });

  it('leaves out a signature, or changes the response before it signs', async () => {
    await using idp = await createIdp();
    await using party = await createRelyingParty(idp);
    for (const part of ['assertion', 'response'] as const) {
      idp.faults.unsigned = part;
      await signInAs(party.url, 'saml', 'alice');
    }
    assert.equal(party.seen.errors.length, 2);
    idp.faults.unsigned = null;
    idp.faults.response = (xml) => xml.replace('p-7f3a91c2', 'p-7f3a91c2 ');
    await signInAs(party.url, 'saml', 'alice');
    assert.equal(party.seen.profile?.nameID, 'p-7f3a91c2 ');
  });
});
