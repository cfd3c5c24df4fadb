import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { createBrowser } from '../world/browser.ts';
import { eventually } from '../world/eventually.ts';
import { startRedis } from '../world/redis.ts';
import { assertRefused, describeAttacks, publicText } from './saml/attack.ts';
import { createStage, encode, type Genuine, type Stage, sessionOf } from './saml/genuine.ts';
import { signAnew } from './saml/signing.ts';

const NOT_OURS = /no sign-in of this browser under way$/;

describe('SAML responses and the browser that asked', () => {
  let stage: Stage;
  const known = new Map<string, string>();
  before(async () => {
    stage = await createStage();
  });
  after(() => stage[Symbol.asyncDispose]());

  it('a response works once', async () => {
    const genuine = await stage.genuine();
    assert.equal((await stage.deliver(genuine)).status, 303);
    genuine.browser.setCookie(stage.gateway.url, 'vovgw', '');
    assertRefused(stage, genuine, await stage.deliver(genuine), { reason: NOT_OURS }, known);
  });

  it('a response does not work in a browser that asked for nothing', async () => {
    const genuine = await stage.genuine();
    const victim: Genuine = { ...genuine, browser: createBrowser() };
    assertRefused(stage, victim, await stage.deliver(victim), { reason: NOT_OURS }, known);
    assert.equal((await stage.deliver(genuine)).status, 303, 'the owner of the sign-in lost it');
  });

  it('InResponseTo of another browser: a response does not work in a browser that asked for its own', async () => {
    const attacker = await stage.genuine('carol');
    const victim = await stage.genuine('alice');
    const mixed = { ...attacker, browser: victim.browser };
    assertRefused(stage, mixed, await stage.deliver(mixed), { reason: NOT_OURS }, known);
    const planted = await stage.deliver(victim, attacker.xml);
    assertRefused(stage, victim, planted, { reason: /Response has another InResponseTo$/ }, known);
  });

  it('two sign-ins of one browser do not answer for each other', async () => {
    const first = await stage.genuine();
    const cookie = first.browser.cookies(stage.gateway.url).get('vovgw-flow') ?? '';
    const second = await stage.genuine();
    first.browser.setCookie(stage.gateway.url, 'vovgw-flow', cookie);
    const crossed = { ...first, relayState: second.relayState };
    assertRefused(stage, crossed, await stage.deliver(crossed), { reason: NOT_OURS }, known);
  });

  it('a flow cookie that was planted twice is none', async () => {
    const genuine = await stage.genuine();
    const cookie = genuine.browser.cookies(stage.gateway.url).get('vovgw-flow') ?? '';
    const form = { SAMLResponse: encode(genuine.xml), RelayState: genuine.relayState };
    const headers = { cookie: `vovgw-flow=${cookie}; vovgw-flow=planted` };
    const page = await createBrowser().open(genuine.acs, { form, headers, follow: false });
    assertRefused(stage, genuine, page, { reason: NOT_OURS }, known);
  });

  it('a response that nobody asked for is refused', async () => {
    const browser = createBrowser();
    const entityId = `${stage.gateway.url}/saml/saml/metadata`;
    const asks = await browser.open(`${stage.idp.url}/saml/start?sp=${encodeURIComponent(entityId)}`);
    const page = await browser.submit(asks, { person: 'alice' });
    const xml = Buffer.from(page.forms[0]?.fields.SAMLResponse ?? '', 'base64').toString();
    const genuine = { browser, xml, relayState: '', acs: page.forms[0]?.action ?? '' };
    const answer = await stage.deliver(genuine);
    assertRefused(stage, genuine, answer, { reason: /a response that nobody asked for$/ }, known);
  });

  it('two SAMLResponse or two RelayState in one form are refused', async () => {
    for (const name of ['SAMLResponse', 'RelayState']) {
      const genuine = await stage.genuine();
      const form = new URLSearchParams({ SAMLResponse: encode(genuine.xml), RelayState: genuine.relayState });
      form.append(name, form.get(name) ?? '');
      const page = await genuine.browser.open(genuine.acs, { form, from: stage.idp.url, follow: false });
      assertRefused(stage, genuine, page, { reason: new RegExp(`${name} twice$`) }, known);
    }
  });

  it('a response in the query, or as another content type, is not read', async () => {
    const genuine = await stage.genuine();
    const query = new URLSearchParams({ SAMLResponse: encode(genuine.xml), RelayState: genuine.relayState });
    const got = await genuine.browser.open(`${genuine.acs}?${query}`, { follow: false });
    assert.ok(got.status === 404 || got.status === 405 || got.status === 414, String(got.status));
    const posted = await genuine.browser.open(`${genuine.acs}?RelayState=${genuine.relayState}`, {
      form: { x: '1' },
      follow: false,
    });
    assertRefused(stage, genuine, posted, { reason: /no SAMLResponse$/ }, known);
  });

  it('says the same for every reason', () => {
    assert.deepEqual([...known.keys()], ['GW_SIGN_IN_FAILED']);
  });
});

describe('SAML responses and replicas', () => {
  it('a response works once over all replicas, and after a restart of Redis', async () => {
    await using redis = await startRedis({ appendOnly: true, lines: ['appendfsync always'] });
    await using stage = await createStage({
      gateway: { redisPort: redis.port, provider: { allowIdpInitiated: true } },
    });
    const there = await stage.gateway.join();
    const elsewhere = `http://127.0.0.1:${there.gateway.port}/saml/saml/acs`;
    const browser = createBrowser();
    const entityId = `${stage.gateway.url}/saml/saml/metadata`;
    // Nobody asked for it, so that no flow protects it: only the memory of used assertions does.
    const asks = await browser.open(`${stage.idp.url}/saml/start?sp=${encodeURIComponent(entityId)}`);
    const page = await browser.submit(asks, { person: 'alice' });
    const SAMLResponse = page.forms[0]?.fields.SAMLResponse ?? '';
    const send = (to: string) =>
      createBrowser().open(to, { form: { SAMLResponse }, from: stage.idp.url, follow: false });
    const here = page.forms[0]?.action ?? '';
    assert.equal((await send(here)).status, 303);
    const texts = new Set<string>();
    const refused = async (to: string, world: typeof there): Promise<void> => {
      const again = await send(to);
      assert.equal(again.status, 403);
      assert.deepEqual(
        again.headers.getSetCookie().filter((line) => line.startsWith('vovgw=')),
        [],
      );
      assert.match(stage.gateway.refusals(world).at(-1) ?? '', /an assertion twice$/);
      texts.add(publicText(again));
    };
    await refused(here, stage.gateway.world);
    await refused(elsewhere, there);
    await redis.stop();
    await redis.start();
    await eventually('the store answers again', async () => (await send(elsewhere)).status !== 503);
    await refused(elsewhere, there);
    assert.equal(texts.size, 1);
  });

  it('a sign-in that began on one replica ends on another, once', async () => {
    await using redis = await startRedis();
    await using stage = await createStage({ gateway: { redisPort: redis.port } });
    const there = await stage.gateway.join();
    const genuine = await stage.genuine();
    const form = { SAMLResponse: encode(genuine.xml), RelayState: genuine.relayState };
    const cookie = `vovgw-flow=${genuine.browser.cookies(stage.gateway.url).get('vovgw-flow')}`;
    const acs = `http://127.0.0.1:${there.gateway.port}/saml/saml/acs`;
    const page = await createBrowser().open(acs, { form, headers: { cookie }, from: stage.idp.url, follow: false });
    assert.deepEqual([page.status, page.headers.get('location')], [303, '/ui/']);
    assertRefused(stage, genuine, await stage.deliver(genuine), { reason: NOT_OURS }, new Map());
  });
});

/** Each is tried on the function itself elsewhere; every sixth takes the whole road here. */
const BAD_TARGETS = readFileSync(new URL('../auth/bad-return-targets.txt', import.meta.url), 'utf8')
  .split('\n')
  .filter((line) => line !== '' && !line.startsWith('#'))
  .filter((_, at) => at % 6 === 0);

describe('SAML RelayState and return targets of other hosts', () => {
  let stage: Stage;
  before(async () => {
    stage = await createStage({ gateway: { provider: { allowIdpInitiated: true } } });
  });
  after(() => stage[Symbol.asyncDispose]());

  it('no spelling of another host is where a sign-in leads', async () => {
    const own = [
      '//evil.test',
      'https://evil.test/',
      '/\\evil.test',
      '/%2f%2fevil.test',
      'javascript:alert(1)',
      '/ui/@evil.test:x',
    ];
    for (const target of [...own, ...BAD_TARGETS]) {
      const genuine = await stage.genuine('alice', target);
      const page = await stage.deliver(genuine);
      assert.deepEqual([page.status, page.headers.get('location')], [303, '/ui/'], target);
    }
  });

  it('RelayState of a response that nobody asked for leads nowhere', async () => {
    for (const target of ['https://evil.test/', '//evil.test', '/\\evil.test', '%2f%2fevil.test', '/ui/tokens']) {
      const browser = createBrowser();
      const query = new URLSearchParams({ sp: `${stage.gateway.url}/saml/saml/metadata`, RelayState: target });
      const asks = await browser.open(`${stage.idp.url}/saml/start?${query}`);
      const page = await browser.submit(asks, { person: 'alice' });
      const back = await browser.submit(page, {}, { follow: false });
      assert.deepEqual([back.status, back.headers.get('location')], [303, '/ui/'], target);
    }
  });

  it('RelayState of a sign-in under way cannot be replaced', async () => {
    const genuine = await stage.genuine();
    const page = await stage.deliver(genuine, genuine.xml, { RelayState: 'https://evil.test/' });
    assert.equal(sessionOf(stage, genuine.browser), null);
    assert.equal(page.status, 403);
  });
});

const padded = (xml: string, bytes: number): string =>
  xml.replace('<samlp:Status>', `<samlp:Extensions><x>${'a'.repeat(bytes)}</x></samlp:Extensions><samlp:Status>`);

const nested = (xml: string, levels: number): string =>
  xml.replace(
    '<samlp:Status>',
    `<samlp:Extensions>${'<x>'.repeat(levels)}${'</x>'.repeat(levels)}</samlp:Extensions><samlp:Status>`,
  );

describeAttacks(
  'SAML responses of other sizes, signed by the provider',
  [
    {
      name: 'more than 128 KB',
      forge: (xml, stage) => signAnew(padded(xml, 131_072), { key: stage.idp.signingKey() }),
      reason: /message: too large$/,
    },
    {
      name: '20 000 levels of nesting',
      forge: (xml) => nested(xml, 20_000),
      reason: /message: too large$|xml: nested too deep$/,
    },
    {
      name: '9 000 levels of nesting within 128 KB',
      forge: (xml) => nested(xml, 9000),
      reason: /xml: nested too deep$/,
    },
    {
      name: '40 levels of nesting',
      forge: (xml, stage) => signAnew(nested(xml, 40), { key: stage.idp.signingKey() }),
      reason: /xml: nested too deep$/,
    },
    {
      name: '10 000 elements',
      forge: (xml) =>
        xml.replace('<samlp:Status>', `<samlp:Extensions>${'<x/>'.repeat(10_000)}</samlp:Extensions><samlp:Status>`),
      reason: /xml: too many elements$/,
    },
    {
      name: '1 000 attributes of one element',
      forge: (xml) => {
        const many = Array.from({ length: 1000 }, (_, at) => ` a${at}="1"`).join('');
        return xml.replace('<samlp:Status>', `<samlp:Status${many}>`);
      },
      reason: /xml: too many attributes$/,
    },
    {
      name: '1 000 namespace declarations of one element',
      forge: (xml) => {
        const many = Array.from({ length: 1000 }, (_, at) => ` xmlns:n${at}="urn:${at}"`).join('');
        return xml.replace('<samlp:Status>', `<samlp:Status${many}>`);
      },
      reason: /xml: too many attributes$/,
    },
  ],
  { stage: createStage },
);
