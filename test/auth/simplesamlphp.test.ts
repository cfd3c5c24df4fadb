import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { PEOPLE } from '../../standin/idp/index.ts';
import { createSamlGateway, reasonsOf, type SamlGateway } from '../security/saml/saml-gateway.ts';
import { type Browser, createBrowser, type Page } from '../world/browser.ts';
import {
  answerSimpleSamlPhp,
  createSimpleSamlPhp,
  readServiceProvider,
  type SimpleSamlPhp,
} from '../world/simplesamlphp.ts';

const session = (gateway: SamlGateway, browser: Browser): string | null =>
  browser.cookies(gateway.url).get('vovgw') ?? null;

/** Whether the gateway still knows this cookie. */
const lives = async (gateway: SamlGateway, cookie: string | null): Promise<boolean> => {
  const headers = { cookie: `vovgw=${cookie}` };
  return (await createBrowser().open(`${gateway.url}/ui/`, { headers, follow: false })).status === 200;
};

describe('sign-in at SimpleSAMLphp', () => {
  let php: SimpleSamlPhp;
  let gateway: SamlGateway;

  before(async () => {
    php = await createSimpleSamlPhp();
    gateway = await createSamlGateway({
      metadataUrl: php.metadataUrl,
      config: { identity: { roles: { operator: { groups: ['cad-admins'] } } } },
    });
    const metadata = await (await fetch(`${gateway.url}/saml/saml/metadata`)).text();
    await php.change({ serviceProviders: [readServiceProvider(metadata)] });
  });
  after(async () => {
    await gateway[Symbol.asyncDispose]();
    await php[Symbol.asyncDispose]();
  });

  const signIn = async (person: string, browser = createBrowser()): Promise<{ browser: Browser; page: Page }> => {
    const asks = await browser.open(`${gateway.url}/saml/saml/login?return=/ui/tokens`);
    const page = asks.forms.some((form) => form.blanks.includes('username'))
      ? await answerSimpleSamlPhp(browser, asks, person)
      : await browser.settle(asks);
    return { browser, page };
  };

  const assertSignedIn = async (person: string, browser?: Browser): Promise<Browser> => {
    const signedIn = await signIn(person, browser);
    const why = gateway.refusals().at(-1);
    assert.notEqual(session(gateway, signedIn.browser), null, `${why}; ${signedIn.page.url} ${await php.log()}`);
    assert.equal(signedIn.page.url, `${gateway.url}/ui/tokens`);
    return signedIn.browser;
  };

  it('brings a person in, with name, groups and role', async () => {
    const browser = await assertSignedIn('bob');
    // As a script of the gateway's own page asks.
    const headers = { accept: 'application/json', 'sec-fetch-mode': 'cors', 'sec-fetch-dest': 'empty' };
    const answer = await browser.open(`${gateway.url}/gateway/v1/me`, { headers, from: `${gateway.url}/ui/` });
    const me = JSON.parse(answer.body) as Readonly<Record<string, unknown>>;
    const { user, subject, groups, roles } = me;
    assert.deepEqual(
      { user, subject, groups },
      { user: 'bob', subject: 'saml:p-2d08be54', groups: ['engineers', 'cad-admins'] },
    );
    assert.ok(JSON.stringify(roles).includes('operator'));
  });

  it('does not bring in somebody with a wrong password', async () => {
    const browser = createBrowser();
    const asks = await browser.open(`${gateway.url}/saml/saml/login`);
    const form = { form: (one: { readonly blanks: readonly string[] }) => one.blanks.includes('username') };
    const page = await browser.submit(asks, { username: 'bob', password: 'wrong' }, form);
    assert.match(page.body, /Incorrect username or password/i);
    assert.equal(session(gateway, browser), null);
  });

  it('takes encrypted assertions', async () => {
    await php.change({ encrypt: true });
    try {
      await assertSignedIn('alice');
    } finally {
      await php.change({ encrypt: false });
    }
  });

  it('ends the session at the provider when the person signs out at the gateway', async () => {
    const browser = await assertSignedIn('alice');
    const cookie = session(gateway, browser);
    const account = await browser.open(`${gateway.url}/ui/`);
    const out = await browser.submit(account, {}, { form: ({ action }) => action === `${gateway.url}/logout` });
    assert.equal(await lives(gateway, cookie), false);
    const onward = /href="([^"]*SingleLogoutService[^"]*)"/.exec(out.body)?.[1]?.replaceAll('&amp;', '&');
    const end = await browser.settle(onward === undefined ? out : await browser.open(onward));
    assert.equal(end.url, `${gateway.url}/signed-out`, `${end.url} ${await php.log()}`);
    const again = await browser.open(`${gateway.url}/saml/saml/login`);
    assert.ok(
      again.forms.some((form) => form.blanks.includes('username')),
      'the provider still knows the browser',
    );
  });

  it('ends the session at the gateway when the person signs out at the provider', async () => {
    const browser = await assertSignedIn('alice');
    const cookie = session(gateway, browser);
    const other = session(gateway, await assertSignedIn('alice'));
    const end = await browser.settle(await browser.open(php.logoutUrl(`${gateway.url}/signed-out`)));
    assert.equal(end.url, `${gateway.url}/signed-out`, `${end.body} ${await php.log()}`);
    assert.deepEqual([await lives(gateway, cookie), await lives(gateway, other)], [false, true]);
    assert.match(await php.log(), /Received SAML 2.0 LogoutResponse from/);
    assert.deepEqual(reasonsOf(gateway.world, 'logout_refused'), []);
  });

  it('bears a clock that is off by less than the skew, and no more', async () => {
    try {
      for (const [seconds, isIn] of [
        [45, true],
        [-45, true],
        [180, false],
        [-420, false],
      ] as const) {
        await php.change({ clockOffset: seconds * 1000 });
        const { browser, page } = await signIn('carol');
        assert.equal(
          session(gateway, browser) !== null,
          isIn,
          `${seconds} s: ${page.status} ${gateway.refusals().at(-1)}`,
        );
        if (!isIn) assert.match(gateway.refusals().at(-1) ?? '', /in the future$|too long ago$|no longer valid$/);
      }
    } finally {
      await php.change({ clockOffset: 0 });
    }
  });

  it('refuses a person whose account attribute has several values', async () => {
    const [alice] = PEOPLE;
    assert.ok(alice);
    await php.change({ people: [{ ...alice, attributes: { uid: ['alice', 'bob'] } }] });
    try {
      const { browser, page } = await signIn('alice');
      assert.equal(session(gateway, browser), null);
      assert.match(page.body, /GW_SIGN_IN_DENIED/);
      assert.match(gateway.refusals().at(-1) ?? '', /uid has 2 values/);
    } finally {
      await php.change({ people: PEOPLE });
    }
  });

  it('loses no sign-in while the provider changes its certificate', async () => {
    const kept = session(gateway, await assertSignedIn('alice'));
    await php.rollOver('announce');
    await assertSignedIn('alice');
    // Under way while the key changes: the person has the form, the answer is signed by the new key.
    const browser = createBrowser();
    const asks = await browser.open(`${gateway.url}/saml/saml/login?return=/ui/tokens`);
    await php.rollOver('switch');
    const page = await answerSimpleSamlPhp(browser, asks, 'bob');
    assert.equal(page.url, `${gateway.url}/ui/tokens`, gateway.refusals().at(-1));
    await assertSignedIn('alice');
    assert.ok(await lives(gateway, kept));
  });
});
