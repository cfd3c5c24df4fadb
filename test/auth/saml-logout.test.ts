import assert from 'node:assert/strict';
import { createPrivateKey, createPublicKey, verify, X509Certificate } from 'node:crypto';
import { describe, it } from 'node:test';
import type { LogoutOutcome, Provider, SendAway, Session } from '../../src/auth/index.ts';
import { ALGORITHMS } from '../../src/auth/saml/algorithms.ts';
import { MESSAGE_LIMITS } from '../../src/auth/saml/message.ts';
import { parseXml } from '../../src/auth/saml/parse-xml.ts';
import { createRequestIds } from '../../src/auth/saml/request-ids.ts';
import { createVerifier, type Verifier } from '../../src/auth/saml/verifier.ts';
import { verifySignature } from '../../src/auth/saml/verify-signature.ts';
import { GatewayError, systemClock, type WebAnswer, type WebRequest } from '../../src/kernel/index.ts';
import { ASSERTION, base64, type LogoutShape, logoutXml, metadataXml, redirectQuery, signElement } from './saml-idp.ts';
import { createSamlWorld, failsWith, inflated, KEYS, queried, type SamlWorld, SLO, SP } from './saml-world.ts';
import { ALICE, webRequest } from './sessions-world.ts';

const ALL = 'nameid:alice-0001';
const ONE = 'index:["alice-0001","_session-1"]';
const NAME_ID = `<saml:NameID>alice-0001</saml:NameID>`;
const INDEX = '<samlp:SessionIndex>_session-1</samlp:SessionIndex>';
const UNSIGNED = /is not signed$/;

const request = (world: SamlWorld, changes: Partial<LogoutShape> = {}): string =>
  logoutXml({ name: 'LogoutRequest', slo: SLO, now: world.clock.now(), content: NAME_ID, ...changes });

const post = (fields: Record<string, string>): WebRequest =>
  webRequest({ method: 'POST', form: new URLSearchParams(fields) });

/** Both bindings, signed as each wants it. */
const BINDINGS: Record<
  string,
  (kind: 'SAMLRequest' | 'SAMLResponse', xml: string, key?: typeof KEYS.idp) => WebRequest
> = {
  redirect: (kind, xml, key = KEYS.idp) => queried(redirectQuery(kind, xml, key, 'their state')),
  POST: (kind, xml, key = KEYS.idp) => post({ [kind]: base64(signElement(xml, '/*', key)), RelayState: 'their state' }),
};

/** Takes a logout message and notes which sessions were to be ended. */
async function take(provider: Provider, message: WebRequest): Promise<LogoutOutcome & { told: string[][] }> {
  const told: string[][] = [];
  const outcome = await provider.takeLogout(message, async (keys) => void told.push([...keys]));
  return { ...outcome, told };
}

/** For messages that must be refused: nothing may be ended. */
async function refused(provider: Provider, message: WebRequest, reason: string | RegExp): Promise<void> {
  const ended: (readonly string[])[] = [];
  const outcome = provider.takeLogout(message, async (keys) => void ended.push(keys));
  await assert.rejects(outcome, failsWith(reason));
  assert.deepEqual(ended, []);
}

const locationOf = (answer: SendAway | WebAnswer | null): URL => {
  assert.ok(answer?.kind === 'redirect');
  return new URL(answer.location);
};

async function session(world: SamlWorld, provider: Provider): Promise<Session> {
  const begun = await world.begin(provider);
  const { providerSession } = await world.finish(provider, begun, world.respond(begun));
  return { id: 's', identity: ALICE, provider: 'corp', createdAt: 0, expiresAt: 0, csrf: '', providerSession };
}

/** Checks our redirect's signature and gives the message inside. */
function ours(url: URL, kind: 'SAMLRequest' | 'SAMLResponse'): string {
  const [covered = '', signature = ''] = url.search.slice(1).split('&Signature=');
  const octets = Buffer.from(decodeURIComponent(signature), 'base64');
  assert.ok(verify('sha256', Buffer.from(covered), createPublicKey(KEYS.sp.certPem), octets));
  return inflated(url.searchParams.get(kind) ?? '');
}

describe('a logout that the provider asks for', () => {
  for (const [binding, message] of Object.entries(BINDINGS)) {
    it(`by ${binding} ends all sessions of a NameID, or the one that is named`, async () => {
      await using world = await createSamlWorld();
      const provider = world.replica();
      const all = await take(provider, message('SAMLRequest', request(world)));
      assert.deepEqual([all.ended, all.told], [[ALL], [[ALL]]]);
      const one = await take(provider, message('SAMLRequest', request(world, { content: NAME_ID + INDEX })));
      assert.deepEqual(one.told, [[ONE]]);
      const both = NAME_ID + INDEX + INDEX.replace('_session-1', 's2');
      const two = await take(provider, message('SAMLRequest', request(world, { content: both })));
      assert.deepEqual(two.told, [[ONE, 'index:["alice-0001","s2"]']]);
    });

    it(`by ${binding} is answered with a signed success and their RelayState`, async () => {
      await using world = await createSamlWorld();
      const { answer } = await take(world.replica(), message('SAMLRequest', request(world, { id: '_theirs' })));
      const url = locationOf(answer);
      assert.equal(`${url.origin}${url.pathname}`, 'https://idp.example/slo');
      assert.equal(url.searchParams.get('RelayState'), 'their state');
      const xml = ours(url, 'SAMLResponse');
      assert.match(xml, / InResponseTo="_theirs"/);
      assert.match(xml, /status:Success"/);
      assert.match(xml, new RegExp(`<saml:Issuer>${SP}</saml:Issuer>`));
    });

    it(`by ${binding} is not called a success before the sessions are ended`, async () => {
      await using world = await createSamlWorld();
      const away = new GatewayError('GW_STORE_UNAVAILABLE', 'taken away by the test');
      const outcome = world.replica().takeLogout(message('SAMLRequest', request(world)), () => Promise.reject(away));
      await assert.rejects(outcome, away);
    });

    it(`by ${binding} whose sessions could not be ended is taken again, on every replica`, async () => {
      await using world = await createSamlWorld();
      const xml = request(world);
      const away = new GatewayError('GW_STORE_UNAVAILABLE', 'taken away by the test');
      const failing = world.replica().takeLogout(message('SAMLRequest', xml), () => {
        world.store.away = true;
        return Promise.reject(away);
      });
      await assert.rejects(failing, away);
      world.store.away = false;
      assert.deepEqual((await take(world.replica(), message('SAMLRequest', xml))).told, [[ALL]]);
      await refused(world.replica(), message('SAMLRequest', xml), 'a logout message twice');
    });

    it(`by ${binding} is refused twice, on every replica`, async () => {
      await using world = await createSamlWorld();
      const xml = request(world);
      await take(world.replica(), message('SAMLRequest', xml));
      await refused(world.replica(), message('SAMLRequest', xml), 'a logout message twice');
    });

    it(`by ${binding} is refused when a stranger signed it`, async () => {
      await using world = await createSamlWorld();
      const forged = message('SAMLRequest', request(world), KEYS.stranger);
      await refused(world.replica(), forged, 'signed by no known certificate of the provider');
    });

    it(`by ${binding} must say what every message says`, async () => {
      await using world = await createSamlWorld();
      const provider = world.replica();
      const now = world.clock.now();
      const cases: [Partial<LogoutShape>, string | RegExp][] = [
        [{ slo: 'https://other.example/slo' }, 'LogoutRequest has another Destination'],
        [{ issuer: 'https://other.example' }, 'LogoutRequest has another Issuer'],
        [{ now: now - 360_000 }, 'LogoutRequest was issued too long ago'],
        [{ now: now + 61_000 }, 'LogoutRequest was issued in the future'],
        [{ more: ` NotOnOrAfter="${new Date(now - 60_000).toISOString()}"` }, 'LogoutRequest no longer valid'],
        [{ content: '' }, 'LogoutRequest without NameID'],
        [{ content: NAME_ID + NAME_ID }, 'NameID twice in LogoutRequest'],
        [{ content: '<saml:EncryptedID/>' }, 'an encrypted NameID'],
        [{ name: 'LogoutResponse' }, 'message: no LogoutRequest'],
      ];
      for (const [changes, reason] of cases)
        await refused(provider, message('SAMLRequest', request(world, changes)), reason);
    });

    it(`by ${binding} is believed with a certificate that only newer metadata names`, async () => {
      await using world = await createSamlWorld();
      const provider = world.replica();
      await world.begin(provider);
      await world.file('idp.xml', metadataXml({ keys: [KEYS.nextIdp] }));
      const { told } = await take(provider, message('SAMLRequest', request(world), KEYS.nextIdp));
      assert.deepEqual(told, [[ALL]]);
    });
  }

  it('is refused when it is not signed, and nothing is ended', async () => {
    await using world = await createSamlWorld();
    const provider = world.replica();
    const xml = request(world);
    await refused(provider, queried(redirectQuery('SAMLRequest', xml, null)), UNSIGNED);
    await refused(provider, post({ SAMLRequest: base64(xml) }), UNSIGNED);
    // A signature inside does not count in the redirect binding, nor one of the query in a POST.
    await refused(provider, queried(redirectQuery('SAMLRequest', signElement(xml, '/*', KEYS.idp), null)), UNSIGNED);
    const query = Object.fromEntries(new URLSearchParams(redirectQuery('SAMLRequest', xml, KEYS.idp)));
    await refused(provider, post({ ...query, SAMLRequest: base64(xml) }), UNSIGNED);
  });

  it('is refused when the query differs from what was signed', async () => {
    await using world = await createSamlWorld();
    const provider = world.replica();
    const query = redirectQuery('SAMLRequest', request(world), KEYS.idp, 'state');
    const other = redirectQuery('SAMLRequest', request(world, { content: '<saml:NameID>bob</saml:NameID>' }), null);
    const stranger = 'signed by no known certificate of the provider';
    const cases: [string, string | RegExp][] = [
      [query.replace('RelayState=state', 'RelayState=other'), stranger],
      [query.replace('&RelayState=state', ''), stranger],
      [query.replace('SigAlg=http%3A', 'SigAlg=http%3a'), stranger],
      [query.replace(/SAMLRequest=[^&]+/, other), stranger],
      [query.replace('rsa-sha256', 'rsa-sha512'), stranger],
      [
        query.replace(/SigAlg=[^&]+/, `SigAlg=${encodeURIComponent('http://www.w3.org/2000/09/xmldsig#rsa-sha1')}`),
        /algorithm/,
      ],
      [query.replace('rsa-sha256', 'hmac-sha256'), /algorithm/],
      [query.replace(/&Signature=.*/, '&Signature='), 'message: no base64'],
      [`${other}&${query}`, 'message: SAMLRequest twice'],
      [`${query}&SAMLResponse=x`, 'message: SAMLRequest and SAMLResponse'],
      [`${query}&%53igAlg=x`, /in disguise/],
      [`${query}&Signature=x`, /twice/],
      [query.replace('=state', '=%zz'), stranger],
      [`${query}&%zz=x`, 'query: broken percent-encoding'],
    ];
    for (const [changed, reason] of cases) {
      assert.notEqual(changed, query);
      await refused(provider, queried(changed), reason);
    }
    assert.deepEqual((await take(provider, queried(query))).told, [[ALL]]);
  });

  it('by POST costs no thread when it does not say what it must, whoever signed it', async () => {
    await using world = await createSamlWorld();
    let entered = 0;
    const inner = createVerifier(systemClock);
    const verifier: Verifier = {
      ...inner,
      enter(queue, address) {
        assert.deepEqual([queue, address], ['logout', '192.0.2.7']);
        entered += 1;
        return inner.enter(queue, address);
      },
    };
    const provider = world.replica({}, { verifier });
    const now = world.clock.now();
    const send = (changes: Partial<LogoutShape>): WebRequest =>
      post({ SAMLRequest: base64(signElement(request(world, changes), '/*', KEYS.stranger)) });
    await refused(provider, send({ slo: 'https://other.example/slo' }), /another Destination$/);
    await refused(provider, send({ issuer: 'https://other.example' }), /another Issuer$/);
    await refused(provider, send({ now: now - 360_000 }), /too long ago$/);
    await refused(provider, send({ content: '<a/>'.repeat(100) }), 'xml: too many elements');
    assert.equal(entered, 0);
    await refused(provider, send({}), 'signed by no known certificate of the provider');
    assert.ok(entered > 0);
    await inner[Symbol.asyncDispose]();
  });

  it('is refused when nothing or too much came', async () => {
    await using world = await createSamlWorld();
    const provider = world.replica();
    await refused(provider, queried(''), 'message: no SAMLRequest and no SAMLResponse');
    await refused(provider, queried('RelayState=x'), 'message: no SAMLRequest and no SAMLResponse');
    const bomb = redirectQuery('SAMLRequest', `<a>${' '.repeat(5_000_000)}</a>`, KEYS.idp);
    await refused(provider, queried(bomb), 'message: cannot be inflated');
    const long = redirectQuery('SAMLRequest', request(world), KEYS.idp, 'x'.repeat(1025));
    await refused(provider, queried(long), 'RelayState is too long');
  });

  it('is answered by POST where the provider takes nothing else, and quietly where it takes nothing', async () => {
    await using world = await createSamlWorld();
    const service = `<md:SingleLogoutService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST" Location="https://idp.example/slo" ResponseLocation="https://idp.example/done"/>`;
    await world.file('idp.xml', metadataXml({ keys: [KEYS.idp], slo: service }));
    const message = (): WebRequest => queried(redirectQuery('SAMLRequest', request(world), KEYS.idp));
    const { answer } = await take(world.replica(), message());
    assert.ok(answer.kind === 'post');
    assert.equal(answer.action, 'https://idp.example/done');
    const xml = Buffer.from(answer.fields.SAMLResponse ?? '', 'base64').toString();
    const root = parseXml(xml, MESSAGE_LIMITS);
    verifySignature(xml, root, [new X509Certificate(KEYS.sp.certPem)], ALGORITHMS);
    assert.deepEqual(
      root.children.map(({ name }) => name),
      ['Issuer', 'Signature', 'Status'],
    );

    await world.file('idp.xml', metadataXml({ keys: [KEYS.idp], slo: '' }));
    const quiet = await take(world.replica(), message());
    assert.deepEqual([quiet.answer.kind, quiet.told], ['empty', [[ALL]]]);
  });
});

describe('an assertion on its way while its session is ended', () => {
  const logOut = (world: SamlWorld, provider: Provider, content: string) =>
    take(provider, queried(redirectQuery('SAMLRequest', request(world, { content }), KEYS.idp)));
  const ENDED = 'the provider has ended this session already';

  it('is refused on every replica, for the session index that was named', async () => {
    await using world = await createSamlWorld();
    const provider = world.replica();
    const [begun, other] = [await world.begin(provider), await world.begin(provider)];
    const response = world.respond(begun);
    const untouched = world.respond(other, { sessionIndex: '_session-2' });
    await logOut(world, provider, NAME_ID + INDEX);
    await assert.rejects(world.finish(world.replica(), begun, response), failsWith(ENDED));
    assert.ok(await world.finish(provider, other, untouched));
    await world.clock.advance(60_000);
    const again = await world.begin(provider);
    await assert.rejects(world.finish(provider, again, world.respond(again)), failsWith(ENDED));
  });

  it('is refused for a person who was signed out everywhere, who may sign in anew', async () => {
    await using world = await createSamlWorld();
    const provider = world.replica();
    const [begun, other] = [await world.begin(provider), await world.begin(provider)];
    const response = world.respond(begun, { sessionIndex: '_another' });
    const ofBob = world.respond(other, { nameId: 'bob-0001' });
    await world.clock.advance(1000);
    await logOut(world, provider, NAME_ID);
    await assert.rejects(world.finish(world.replica(), begun, response), failsWith(ENDED));
    assert.ok(await world.finish(provider, other, ofBob));
    await world.clock.advance(1000);
    const anew = await world.begin(provider);
    assert.ok(await world.finish(provider, anew, world.respond(anew)));
  });

  it('of another provider is not touched', async () => {
    await using world = await createSamlWorld();
    const provider = world.replica();
    const begun = await world.begin(provider);
    const response = world.respond(begun);
    const other = world.replica({ name: 'other', entityId: SP });
    const xml = request(world, { slo: SLO.replace('/corp/', '/other/'), content: NAME_ID + INDEX });
    await take(other, queried(redirectQuery('SAMLRequest', xml, KEYS.idp)));
    assert.ok(await world.finish(provider, begun, response));
  });
});

describe('a logout that the gateway asks for', () => {
  it('goes to the provider signed, with the NameID and session of the sign-in', async () => {
    await using world = await createSamlWorld();
    const provider = world.replica();
    const url = locationOf(await provider.logout(await session(world, provider)));
    assert.equal(`${url.origin}${url.pathname}`, 'https://idp.example/slo');
    const root = parseXml(ours(url, 'SAMLRequest'), MESSAGE_LIMITS);
    assert.equal(root.attributes.get('Destination'), 'https://idp.example/slo');
    const [issuer, nameId, index] = root.children;
    assert.deepEqual([issuer?.text, nameId?.text, index?.text], [SP, 'alice-0001', '_session-1']);
    assert.equal(nameId?.namespace, ASSERTION);
    assert.equal(nameId?.attributes.get('Format'), 'urn:oasis:names:tc:SAML:2.0:nameid-format:persistent');
  });

  for (const [binding, message] of Object.entries(BINDINGS))
    it(`comes back by ${binding} to any replica, once`, async () => {
      await using world = await createSamlWorld();
      const provider = world.replica();
      const sent = ours(locationOf(await provider.logout(await session(world, provider))), 'SAMLRequest');
      const id = / ID="([^"]+)"/.exec(sent)?.[1];
      const answer = (inResponseTo = id, status = 'Success'): string =>
        logoutXml({
          name: 'LogoutResponse',
          slo: SLO,
          now: world.clock.now(),
          more: ` InResponseTo="${inResponseTo}"`,
          content: `<samlp:Status><samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:${status}"/></samlp:Status>`,
        });
      const other = world.replica();
      await refused(other, message('SAMLResponse', answer('_somebody')), 'LogoutResponse to no request of ours');
      const { answer: onward, told } = await take(other, message('SAMLResponse', answer()));
      assert.deepEqual([onward, told], [{ kind: 'redirect', location: '/signed-out' }, []]);
      await refused(provider, message('SAMLResponse', answer()), 'a logout message twice');
    });

  it('comes back unsigned: refused', async () => {
    await using world = await createSamlWorld();
    const xml = logoutXml({ name: 'LogoutResponse', slo: SLO, now: world.clock.now(), content: '' });
    await refused(world.replica(), queried(redirectQuery('SAMLResponse', xml, null)), UNSIGNED);
    await refused(world.replica(), post({ SAMLResponse: base64(xml) }), UNSIGNED);
  });

  it('is none without a NameID, without an endpoint, or without metadata', async () => {
    await using world = await createSamlWorld();
    const provider = world.replica();
    const signedIn = await session(world, provider);
    assert.equal(await provider.logout({ ...signedIn, providerSession: { keys: [], hint: '' } }), null);
    await world.file('idp.xml', metadataXml({ keys: [KEYS.idp], slo: '' }));
    assert.equal(await world.replica().logout(signedIn), null);
    await world.file('idp.xml', 'broken');
    assert.equal(await world.replica().logout(signedIn), null);
  });
});

describe('ids of our logout requests', () => {
  const key = createPrivateKey(KEYS.sp.keyPem);
  const now = Date.UTC(2026, 0, 1);

  it('are known to every replica for ten minutes', () => {
    const id = createRequestIds(key).mint(now);
    const ids = createRequestIds(key);
    assert.match(id, /^_[0-9a-f]+$/);
    assert.equal(ids.isOurs(id, now + 599_999), true);
    assert.equal(ids.isOurs(id, now + 600_000), false);
    assert.notEqual(ids.mint(now), ids.mint(now));
  });

  it('cannot be made up or altered', () => {
    const ids = createRequestIds(key);
    const id = ids.mint(now);
    for (const at of [1, 20, 60, 100]) {
      const digit = id[at] === '0' ? '1' : '0';
      assert.equal(ids.isOurs(`${id.slice(0, at)}${digit}${id.slice(at + 1)}`, now), false);
    }
    for (const text of ['', '_', id.slice(1), `${id}0`, id.toUpperCase()]) assert.equal(ids.isOurs(text, now), false);
  });
});
