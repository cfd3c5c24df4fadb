import assert from 'node:assert/strict';
import { createPublicKey, verify } from 'node:crypto';
import { describe, it } from 'node:test';
import { createVerifier, type Verifier } from '../../src/auth/saml/verifier.ts';
import { GatewayError, systemClock } from '../../src/kernel/index.ts';
import { ASSERTION, IDP, MORE, metadataXml, type ResponseShape, SIGNATURE } from './saml-idp.ts';
import { ACS, createSamlWorld, failsWith, inflated, KEYS, posted, SP } from './saml-world.ts';
import { webRequest } from './sessions-world.ts';

describe('a SAML sign-in', () => {
  it('goes to the provider signed and comes back with what the provider says', async () => {
    await using world = await createSamlWorld();
    const provider = world.replica();
    const begun = await world.begin(provider);
    const url = new URL(begun.location);
    assert.equal(`${url.origin}${url.pathname}`, 'https://idp.example/sso');
    assert.equal(url.searchParams.get('RelayState'), begun.state);
    assert.match(begun.xml, new RegExp(`AssertionConsumerServiceURL="${ACS}"`));

    const signedIn = await world.finish(provider, begun, world.respond(begun));
    assert.deepEqual(signedIn.assertion, {
      provider: 'corp',
      issuer: IDP,
      attributes: {
        NameID: ['alice-0001'],
        uid: ['alice'],
        memberOf: ['CN=chip,OU=Groups', 'CN=staff,OU=Groups'],
      },
    });
    assert.equal(signedIn.returnTo, '/ui/tokens');
    assert.equal(signedIn.until, world.clock.now() + 28_800_000);
    assert.deepEqual(signedIn.providerSession.keys, ['nameid:alice-0001', 'index:["alice-0001","_session-1"]']);
  });

  it('signs its redirect with RSA-SHA256 over the octets of the query', async () => {
    await using world = await createSamlWorld();
    const { location } = await world.begin(world.replica());
    const query = location.slice(location.indexOf('?') + 1);
    const [covered = '', signature = ''] = query.split('&Signature=');
    assert.match(covered, /^SAMLRequest=[^&]+&RelayState=[^&]+&SigAlg=[^&]+$/);
    assert.ok(covered.endsWith(encodeURIComponent(SIGNATURE.algorithm)));
    const octets = Buffer.from(decodeURIComponent(signature), 'base64');
    assert.ok(verify('sha256', Buffer.from(covered), createPublicKey(KEYS.sp.certPem), octets));
  });

  it('goes by POST where the configuration says so, signed inside the document', async () => {
    await using world = await createSamlWorld();
    const provider = world.replica({ binding: 'post' });
    const begun = await world.begin(provider);
    assert.equal(begun.location, 'https://idp.example/sso');
    assert.match(begun.xml, /<SignatureMethod Algorithm="[^"]+#rsa-sha256"\/>/);
    assert.match(begun.xml, /<DigestMethod Algorithm="[^"]+#sha256"\/>/);
    const { assertion } = await world.finish(provider, begun, world.respond(begun));
    assert.deepEqual(assertion.attributes.uid, ['alice']);
  });

  it('goes by the one binding that the provider offers', async () => {
    await using world = await createSamlWorld();
    const sso = `<md:SingleSignOnService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST" Location="https://idp.example/only"/>`;
    await world.file('idp.xml', metadataXml({ keys: [KEYS.idp], sso }));
    const away = await world.replica().begin(webRequest(), '/ui/');
    assert.equal(away.kind === 'post' && away.action, 'https://idp.example/only');
  });

  it('asks for what the configuration says', async () => {
    await using world = await createSamlWorld();
    const format = 'urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress';
    const provider = world.replica({ nameIdFormat: format, authnContext: ['urn:mfa'], forceAuthn: true });
    const { xml } = await world.begin(provider);
    assert.match(xml, new RegExp(`Format="${format}"`));
    assert.match(xml, /ForceAuthn="true"/);
    assert.match(xml, /Comparison="exact"><saml:AuthnContextClassRef[^>]*>urn:mfa</);
    const { xml: plain } = await world.begin(world.replica());
    assert.doesNotMatch(plain, /ForceAuthn|RequestedAuthnContext|Format=/);
  });

  it('says which session the browser had, though its POST does not carry it', async () => {
    await using world = await createSamlWorld();
    const provider = world.replica();
    const session = `${'A'.repeat(22)}.${'A'.repeat(43)}`;
    const away = await provider.begin(webRequest({ session }), '/ui/');
    assert.ok(away.kind === 'redirect');
    const xml = inflated(new URL(away.location).searchParams.get('SAMLRequest') ?? '');
    const begun = { ...away.flow, xml, location: '', requestId: / ID="([^"]+)"/.exec(xml)?.[1] ?? '' };
    const { before } = await world.finish(provider, begun, world.respond(begun));
    assert.match(before ?? '', /^[A-Za-z0-9_-]{22}$/);
    assert.notEqual(before, 'A'.repeat(22), 'not the cookie’s own half');
    const without = await world.begin(provider);
    assert.equal((await world.finish(provider, without, world.respond(without))).before, undefined);
  });

  it('may be finished on another replica', async () => {
    await using world = await createSamlWorld();
    const begun = await world.begin(world.replica());
    const { assertion } = await world.finish(world.replica(), begun, world.respond(begun));
    assert.deepEqual(assertion.attributes.NameID, ['alice-0001']);
  });

  it('takes RSA-SHA512 and RSA-PSS as well', async () => {
    await using world = await createSamlWorld();
    const provider = world.replica();
    for (const algorithm of [`${MORE}rsa-sha512`, 'http://www.w3.org/2007/05/xmldsig-more#sha256-rsa-MGF1']) {
      const begun = await world.begin(provider);
      const digest = 'http://www.w3.org/2001/04/xmlenc#sha512';
      const response = world.respond(begun, { signature: { ...SIGNATURE, algorithm, digest } });
      await world.finish(provider, begun, response);
    }
  });

  it('reads every attribute as a list, and its FriendlyName where that is nobody else’s', async () => {
    await using world = await createSamlWorld();
    const provider = world.replica();
    const begun = await world.begin(provider);
    const named = (name: string, friend: string, value: string): string =>
      `<saml:Attribute Name="${name}" FriendlyName="${friend}">${value}</saml:Attribute>`;
    const text = (value: string): string => `<saml:AttributeValue>${value}</saml:AttributeValue>`;
    const attributes =
      named('urn:oid:1', 'mail', text('a@example.com') + text('b@example.com')) +
      named('urn:oid:2', 'uid', text('not the uid')) +
      named('urn:oid:3', 'both', text('one')) +
      named('urn:oid:4', 'both', text('two')) +
      named('urn:oid:5', 'target', `<saml:AttributeValue><saml:NameID>opaque</saml:NameID></saml:AttributeValue>`) +
      named('NameID', 'x', text('mallory')) +
      named('urn:oid:6', 'NameID', text('mallory')) +
      named('__proto__', 'proto', text('&lt;p&gt; &#x41;'));
    const response = world.respond(begun, {
      assertion: (xml) => xml.replace('</saml:AttributeStatement>', `${attributes}</saml:AttributeStatement>`),
    });
    const { assertion } = await world.finish(provider, begun, response);
    const found = new Map(Object.entries(assertion.attributes));
    assert.deepEqual(found.get('urn:oid:1'), ['a@example.com', 'b@example.com']);
    assert.deepEqual(found.get('mail'), ['a@example.com', 'b@example.com']);
    assert.deepEqual(found.get('uid'), ['alice']);
    assert.equal(found.has('both'), false);
    assert.deepEqual(found.get('target'), ['opaque']);
    assert.deepEqual(found.get('NameID'), ['alice-0001']);
    assert.deepEqual(found.get('__proto__'), ['<p> A']);
  });

  it('takes what Shibboleth signs: typed values whose prefix the signature includes', async () => {
    await using world = await createSamlWorld();
    const provider = world.replica();
    const begun = await world.begin(provider);
    const typed = (xml: string): string =>
      xml
        .replace('<saml:Assertion', '<saml:Assertion xmlns:xs="http://www.w3.org/2001/XMLSchema"')
        .replaceAll(
          '<saml:AttributeValue>',
          '<saml:AttributeValue xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="xs:string">',
        );
    const response = world.respond(begun, { assertion: typed, signature: { ...SIGNATURE, prefixes: ['xs'] } });
    assert.match(Buffer.from(response, 'base64').toString(), /InclusiveNamespaces [^>]*PrefixList="xs"/);
    const { assertion } = await world.finish(provider, begun, response);
    assert.deepEqual(assertion.attributes.uid, ['alice']);
  });

  it('does without a NameID', async () => {
    await using world = await createSamlWorld();
    const provider = world.replica();
    const begun = await world.begin(provider);
    const response = world.respond(begun, { assertion: (xml) => xml.replace(/<saml:NameID.*<\/saml:NameID>/, '') });
    const { assertion, providerSession } = await world.finish(provider, begun, response);
    assert.equal(assertion.attributes.NameID, undefined);
    assert.deepEqual(providerSession, { keys: [], hint: '' });
  });
});

describe('a SAML response belongs to the browser that asked', () => {
  it('is refused in another browser, and then still good in its own', async () => {
    await using world = await createSamlWorld();
    const provider = world.replica();
    const begun = await world.begin(provider);
    const other = await world.begin(provider);
    const response = world.respond(begun);
    const stolen = { state: begun.state, cookie: other.cookie };
    await assert.rejects(provider.finish(posted(response, stolen)), failsWith('no sign-in of this browser under way'));
    await world.finish(provider, begun, response);
  });

  it('is refused under the RelayState of another sign-in of the same browser', async () => {
    await using world = await createSamlWorld();
    const provider = world.replica();
    const [begun, other] = [await world.begin(provider), await world.begin(provider)];
    const response = world.respond(begun);
    await assert.rejects(world.finish(provider, other, response), failsWith('Response has another InResponseTo'));
  });

  it('is refused when only its confirmation names another request', async () => {
    await using world = await createSamlWorld();
    const provider = world.replica();
    const [begun, other] = [await world.begin(provider), await world.begin(provider)];
    const response = world.respond(begun, {
      assertion: (xml) => xml.replace(begun.requestId, other.requestId),
    });
    const wanted = failsWith('SubjectConfirmationData has another InResponseTo');
    await assert.rejects(world.finish(provider, begun, response), wanted);
  });

  it('is refused without a sign-in, and after the sign-in was finished', async () => {
    await using world = await createSamlWorld();
    const provider = world.replica();
    const begun = await world.begin(provider);
    const response = world.respond(begun);
    await assert.rejects(world.finish(provider, null, response), failsWith('no sign-in of this browser under way'));
    await world.finish(provider, begun, response);
    await assert.rejects(world.finish(provider, begun, response), failsWith('no sign-in of this browser under way'));
  });

  it('is refused when the time to come back is over', async () => {
    await using world = await createSamlWorld();
    const provider = world.replica();
    const begun = await world.begin(provider);
    await world.clock.advance(600_001);
    const response = world.respond(begun);
    await assert.rejects(world.finish(provider, begun, response), failsWith('no sign-in of this browser under way'));
  });

  it('tells a store that is away from a refusal', async () => {
    await using world = await createSamlWorld();
    const provider = world.replica();
    const begun = await world.begin(provider);
    world.store.away = true;
    await assert.rejects(world.finish(provider, begun, world.respond(begun)), { code: 'GW_STORE_UNAVAILABLE' });
  });
});

describe('a SAML response that nobody asked for', () => {
  it('is refused', async () => {
    await using world = await createSamlWorld();
    const provider = world.replica();
    await assert.rejects(
      world.finish(provider, null, world.respond(null)),
      failsWith('a response that nobody asked for'),
    );
  });

  it('leads to the start page where the configuration allows it, once on all replicas', async () => {
    await using world = await createSamlWorld();
    const [one, other] = [0, 1].map(() => world.replica({ allowIdpInitiated: true }));
    assert.ok(one && other);
    const response = world.respond(null);
    const relayed = { state: 'https://evil.example/', cookie: '' };
    const { returnTo, assertion } = await one.finish(posted(response, relayed));
    assert.equal(returnTo, '/ui/');
    assert.deepEqual(assertion.attributes.NameID, ['alice-0001']);
    await assert.rejects(world.finish(other, null, response), failsWith('an assertion twice'));
  });

  it('is refused under a sign-in that was begun', async () => {
    await using world = await createSamlWorld();
    const provider = world.replica({ allowIdpInitiated: true });
    const begun = await world.begin(provider);
    await assert.rejects(
      world.finish(provider, begun, world.respond(null)),
      failsWith('Response has another InResponseTo'),
    );
  });

  it('is refused when it claims to be asked for only inside the assertion', async () => {
    await using world = await createSamlWorld();
    const provider = world.replica({ allowIdpInitiated: true });
    const response = world.respond(null, {
      assertion: (xml) => xml.replace(' Recipient=', ' InResponseTo="_somebody" Recipient='),
    });
    const wanted = failsWith('SubjectConfirmationData has another InResponseTo');
    await assert.rejects(world.finish(provider, null, response), wanted);
  });
});

describe('what a SAML response must say', () => {
  const edit = (from: string | RegExp, to: string) => (xml: string) => {
    assert.match(xml, typeof from === 'string' ? new RegExp(from.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')) : from);
    return xml.replace(from, to);
  };
  const cases: readonly [
    string,
    string | RegExp,
    Parameters<Awaited<ReturnType<typeof createSamlWorld>>['respond']>[1],
  ][] = [
    ['our Destination', 'Response has another Destination', { response: edit(ACS, 'https://other.example/acs') }],
    ['a Destination', 'no Destination on Response', { response: edit(/ Destination="[^"]+"/, '') }],
    ['our Recipient', 'for another Recipient', { assertion: edit(ACS, `${ACS}/`) }],
    ['a Recipient', 'no Recipient on SubjectConfirmationData', { assertion: edit(/ Recipient="[^"]+"/, '') }],
    ['the provider as Issuer', 'Response has another Issuer', { issuer: 'https://other.example' }],
    ['one Issuer in both', 'Assertion has another Issuer', { assertion: edit(IDP, 'https://other.example') }],
    ['our Audience', 'for another Audience', { assertion: edit(`>${SP}<`, '>https://other.example<') }],
    [
      'our Audience alone',
      'for another Audience',
      { assertion: edit('</saml:Audience>', '</saml:Audience><saml:Audience>https://other.example</saml:Audience>') },
    ],
    ['an audience', /no AudienceRestriction/, { assertion: edit(/<saml:AudienceRestriction.*?Restriction>/, '') }],
    [
      'known conditions',
      'a condition that is not known',
      { assertion: edit('</saml:Conditions>', '<saml:Condition/></saml:Conditions>') },
    ],
    ['success', 'the provider says no: Responder', { status: 'urn:oasis:names:tc:SAML:2.0:status:Responder' }],
    ['a bearer confirmation', /bearer/, { assertion: edit('cm:bearer', 'cm:sender-vouches') }],
    [
      'a confirmation',
      /no SubjectConfirmation/,
      { assertion: edit(/<saml:SubjectConfirmation.*tion>(?=<\/saml:Sub)/, '') },
    ],
    [
      'an authentication',
      /no AuthnStatement/,
      { assertion: edit(/<saml:AuthnStatement.*<\/saml:AuthnStatement>/, '') },
    ],
    ['version 2.0', 'Assertion has another Version', { assertion: edit('Version="2.0"', 'Version="1.1"') }],
    ['a NameID in clear', 'an encrypted NameID', { assertion: edit(/<saml:NameID.*NameID>/, '<saml:EncryptedID/>') }],
    ['a NameID without edges', /NameID is empty/, { nameId: 'alice ' }],
    ['a NameID of sane length', /NameID is empty/, { nameId: 'a'.repeat(10_240) }],
    ['a NameID of text', 'elements inside NameID', { nameId: 'ali<saml:x/>ce' }],
  ];
  for (const [what, reason, changes] of cases)
    it(what, async () => {
      await using world = await createSamlWorld();
      const provider = world.replica();
      const begun = await world.begin(provider);
      await assert.rejects(world.finish(provider, begun, world.respond(begun, changes)), failsWith(reason));
    });

  it('the class that was asked for', async () => {
    await using world = await createSamlWorld();
    const provider = world.replica({ authnContext: ['urn:mfa'] });
    const begun = await world.begin(provider);
    await assert.rejects(
      world.finish(provider, begun, world.respond(begun)),
      failsWith('another authentication context than asked for'),
    );
    const again = await world.begin(provider);
    const mfa = edit('urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport', 'urn:mfa');
    await world.finish(provider, again, world.respond(again, { assertion: mfa }));
  });

  it('a new authentication when one was forced', async () => {
    await using world = await createSamlWorld();
    const provider = world.replica({ forceAuthn: true });
    const begun = await world.begin(provider);
    const old = new Date(world.clock.now() - 61_000).toISOString();
    const response = world.respond(begun, { assertion: edit(/AuthnInstant="[^"]+"/, `AuthnInstant="${old}"`) });
    await assert.rejects(
      world.finish(provider, begun, response),
      failsWith('not authenticated again, as was asked for'),
    );
  });

  it('one assertion in the SAML namespace', async () => {
    await using world = await createSamlWorld();
    const provider = world.replica();
    const begun = await world.begin(provider);
    const twice = (xml: string): string => xml.replace(/(<saml:Assertion.*<\/saml:Assertion>)/, '$1$1');
    for (const response of [twice, edit(ASSERTION, 'urn:other'), edit(/<saml:Assertion.*<\/saml:Assertion>/, '')])
      await assert.rejects(world.finish(provider, begun, world.respond(begun, { response })), {
        code: 'GW_SIGN_IN_FAILED',
      });
  });
});

describe('a NameID that is the subject', () => {
  const PERSISTENT = 'urn:oasis:names:tc:SAML:2.0:nameid-format:persistent';
  const TRANSIENT = 'urn:oasis:names:tc:SAML:2.0:nameid-format:transient';
  const UNSPECIFIED = 'urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified';
  type Changes = NonNullable<Parameters<Awaited<ReturnType<typeof createSamlWorld>>['replica']>[0]>;

  /** A sign-in whose NameID has these attributes; gives why not, or null. */
  async function signIn(config: Changes, attributes: string): Promise<string | null> {
    await using world = await createSamlWorld();
    const provider = world.replica(config);
    const begun = await world.begin(provider);
    const assertion = (xml: string): string => xml.replace(/<saml:NameID[^>]*>/, `<saml:NameID${attributes}>`);
    try {
      await world.finish(provider, begun, world.respond(begun, { assertion }));
      return null;
    } catch (error) {
      assert.ok(error instanceof GatewayError && error.code === 'GW_SIGN_IN_FAILED');
      return error.internal ?? '';
    }
  }

  it('has the format that was asked for', async () => {
    const asks = { nameIdFormat: PERSISTENT };
    const other = 'NameID has another Format than asked for';
    assert.equal(await signIn(asks, ` Format="${PERSISTENT}"`), null);
    assert.match(String(await signIn(asks, ` Format="${TRANSIENT}"`)), /transient/);
    assert.equal(await signIn(asks, ` Format="${UNSPECIFIED}"`), other);
    assert.equal(await signIn(asks, ''), other);
  });

  it('has any format when none was asked for, or it was left to the provider', async () => {
    for (const config of [{}, { nameIdFormat: UNSPECIFIED }])
      for (const attributes of ['', ` Format="${PERSISTENT}"`]) assert.equal(await signIn(config, attributes), null);
  });

  it('is not one that is made anew for each sign-in', async () => {
    for (const config of [{}, { nameIdFormat: UNSPECIFIED }])
      assert.match(String(await signIn(config, ` Format="${TRANSIENT}"`)), /transient.*set subject to an attribute/);
  });

  it('is one of the provider’s names, and for this gateway', async () => {
    assert.equal(await signIn({}, ` NameQualifier="${IDP}" SPNameQualifier="${SP}"`), null);
    assert.equal(await signIn({}, ' NameQualifier="https://other.example"'), 'NameID has another NameQualifier');
    assert.equal(await signIn({}, ' NameQualifier=""'), 'NameID has another NameQualifier');
    assert.equal(await signIn({}, ` SPNameQualifier="${SP}/"`), 'NameID has another SPNameQualifier');
  });

  it('may be anything when an attribute is the subject', async () => {
    const config = { subject: 'uid', nameIdFormat: PERSISTENT };
    assert.equal(await signIn(config, ' Format="x" NameQualifier="y" SPNameQualifier="z"'), null);
  });
});

describe('a gateway that checks all the sign-ins it can', () => {
  /** A verifier that has no place while `full`, and counts who got one. */
  function crowded() {
    const inner = createVerifier(systemClock);
    const state = { full: true, entered: 0 };
    const verifier: Verifier = {
      ...inner,
      enter(queue, address) {
        if (state.full) throw new GatewayError('GW_PROVIDER_UNAVAILABLE', 'crowded by the test', { retryAfter: 5 });
        state.entered += 1;
        return inner.enter(queue, address);
      },
    };
    return { state, verifier };
  }

  it('takes the same answer a little later: the sign-in is not lost', async () => {
    await using world = await createSamlWorld();
    const { state, verifier } = crowded();
    const provider = world.replica({}, { verifier });
    const begun = await world.begin(provider);
    const response = world.respond(begun);
    for (let attempt = 0; attempt < 2; attempt++)
      await assert.rejects(world.finish(provider, begun, response), { code: 'GW_PROVIDER_UNAVAILABLE', retryAfter: 5 });
    state.full = false;
    const { assertion } = await world.finish(provider, begun, response);
    assert.deepEqual(assertion.attributes.NameID, ['alice-0001']);
    await verifier[Symbol.asyncDispose]();
  });

  it('gives no place to what is not meant for it', async () => {
    await using world = await createSamlWorld();
    const { state, verifier } = crowded();
    state.full = false;
    const provider = world.replica({}, { verifier });
    const begun = await world.begin(provider);
    const now = world.clock.now();
    const cases: [Partial<ResponseShape>, RegExp][] = [
      [{ issuer: 'https://other.example' }, /another Issuer$/],
      [{ acs: 'https://other.example/acs' }, /another Destination$/],
      [{ now: now - 360_001 }, /too long ago$/],
    ];
    for (const [changes, reason] of cases) {
      const forged = world.respond(begun, { key: KEYS.stranger, ...changes });
      await assert.rejects(world.finish(provider, begun, forged), failsWith(reason));
    }
    assert.equal(state.entered, 0);
    assert.ok(await world.finish(provider, begun, world.respond(begun)));
    await verifier[Symbol.asyncDispose]();
  });

  it('gives every place back, whatever comes of it', async () => {
    await using world = await createSamlWorld();
    const verifier = createVerifier(systemClock);
    const provider = world.replica({}, { verifier });
    for (let attempt = 0; attempt < 20; attempt++) {
      const begun = await world.begin(provider);
      const key = attempt % 2 === 0 ? KEYS.stranger : KEYS.idp;
      await world.finish(provider, begun, world.respond(begun, { key })).catch((error) => {
        if (!(error instanceof GatewayError) || error.code !== 'GW_SIGN_IN_FAILED') throw error;
      });
    }
    await verifier[Symbol.asyncDispose]();
  });
});
