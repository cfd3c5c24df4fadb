import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ERROR_CODES, type ErrorCode, GatewayError, type WebAnswer } from '../../src/kernel/index.ts';
import { formsOf, tagsOf, textOf } from './page-shape.ts';
import { createPortalWorld, htmlOf, PROVIDERS, portalConfig } from './portal-world.ts';

const linksOf = (page: string) =>
  tagsOf(page).filter(({ name, attributes }) => name === 'a' && attributes.get('class')?.startsWith('button'));

const providerConfig = (name: string) => ({
  type: 'oidc',
  name,
  issuer: `https://${name}.example.com`,
  clientId: 'gateway',
  clientSecret: 'secret-of-the-client',
});

const signIn = (world: ReturnType<typeof createPortalWorld>, returnTo = '/ui/'): string =>
  htmlOf(world.portal.signInPages.signIn({ providers: PROVIDERS as never, returnTo }));

const refreshOf = (answer: WebAnswer): string | undefined => answer.headers?.Refresh;

describe('the sign-in page', () => {
  it('links to every provider, by its kind and name', () => {
    const page = signIn(createPortalWorld());
    assert.deepEqual(
      linksOf(page).map(({ attributes }) => attributes.get('href')),
      ['/saml/adfs/login?return=%2Fui%2F', '/oidc/corp/login?return=%2Fui%2F'],
    );
  });

  it('offers the default provider first, as the one primary button', () => {
    const providers = ['adfs', 'corp'].map(providerConfig);
    const config = portalConfig({ signIn: { providers, default: 'corp' } });
    const links = linksOf(signIn(createPortalWorld({ config })));
    assert.deepEqual(
      links.map(({ attributes }) => [
        attributes.get('href')?.split('?')[0],
        attributes.get('class')?.includes('primary'),
      ]),
      [
        ['/oidc/corp/login', true],
        ['/saml/adfs/login', false],
      ],
    );
  });

  it('carries where to go on to, encoded', () => {
    const page = signIn(createPortalWorld(), '/ui/device?user_code=A&x="');
    assert.match(page, /return=%2Fui%2Fdevice%3Fuser_code%3DA%26x%3D%22"/);
  });

  it('says what to do when no provider is configured', () => {
    const page = htmlOf(createPortalWorld().portal.signInPages.signIn({ providers: [], returnTo: '/ui/' }));
    assert.match(page, /No sign-in is set up/);
    assert.deepEqual(linksOf(page), []);
  });

  it('needs no script', () => assert.doesNotMatch(signIn(createPortalWorld()), /<script/));
});

describe('the page that sends away', () => {
  const to = {
    kind: 'post',
    action: 'https://idp.example.com:8444/sso?a=1',
    fields: { SAMLRequest: 'PHg+', RelayState: 's' },
  } as const;

  it('posts the fields to the provider, by script and by a visible button', () => {
    const page = htmlOf(createPortalWorld().portal.signInPages.sendAway(to));
    const [sent] = formsOf(page);
    assert.equal(sent?.form.attributes.get('action'), 'https://idp.example.com:8444/sso?a=1');
    assert.equal(sent?.form.attributes.get('id'), 'send-away');
    assert.deepEqual(
      sent?.fields.map(({ name, attributes }) => [name, attributes.get('name'), attributes.get('value')]),
      [
        ['input', 'SAMLRequest', 'PHg+'],
        ['input', 'RelayState', 's'],
        ['button', undefined, undefined],
      ],
    );
    assert.match(page, /<script src="\/assets\/send-away\.[^"]+\.js" defer>/);
  });

  it('lets forms go to that origin and to no other', () => {
    const answer = createPortalWorld().portal.signInPages.sendAway(to);
    assert.deepEqual(answer.kind === 'page' && answer.formActions, ['https://idp.example.com:8444']);
  });

  for (const action of ['javascript:alert(1)', 'data:text/html,x', 'no address', '/relative']) {
    it(`refuses ${action}`, () => {
      assert.throws(() => createPortalWorld().portal.signInPages.sendAway({ ...to, action }), TypeError);
    });
  }
});

describe('the page after logout', () => {
  it('says that the session has ended', () => {
    const answer = createPortalWorld().portal.signInPages.signedOut(null);
    assert.match(htmlOf(answer), /<h1>Signed out<\/h1>/);
    assert.equal(refreshOf(answer), undefined);
  });

  it('goes on to the provider by a refresh and a visible link, as no redirect may follow a form', () => {
    const location = 'https://idp.example.com/end?id_token_hint=a&x=1';
    const answer = createPortalWorld().portal.signInPages.signedOut({ kind: 'redirect', location });
    assert.equal(refreshOf(answer), `0;url=${location}`);
    assert.deepEqual(
      linksOf(htmlOf(answer)).map(({ attributes }) => attributes.get('href')),
      [location.replace('&', '&amp;')],
    );
  });

  it('goes on to the provider by a form', () => {
    const onward = { kind: 'post', action: 'https://idp.example.com/slo', fields: { SAMLRequest: 'x' } } as const;
    const answer = createPortalWorld().portal.signInPages.signedOut(onward);
    assert.equal(formsOf(htmlOf(answer))[0]?.form.attributes.get('action'), onward.action);
    assert.deepEqual(answer.kind === 'page' && answer.formActions, ['https://idp.example.com']);
  });

  it('writes no line break and no other scheme into the header', () => {
    const { signedOut } = createPortalWorld().portal.signInPages;
    const broken = signedOut({ kind: 'redirect', location: 'https://idp.example.com/\r\nSet-Cookie: a=b' });
    assert.match(refreshOf(broken) ?? '', /^0;url=https:\/\/idp\.example\.com\/[\x21-\x7e]*$/);
    assert.throws(() => signedOut({ kind: 'redirect', location: 'javascript:alert(1)' }), TypeError);
  });
});

describe('the page of an error', () => {
  const { portal } = createPortalWorld();
  const make = (code: ErrorCode, detail = 'The header Host came twice.', options = {}): WebAnswer =>
    portal.errorPage(new GatewayError(code, detail, options), 'req-abcdef01');

  // What programs are told to do there makes no sense in a browser.
  const mendOf = (code: ErrorCode): string =>
    code === 'GW_UNAUTHENTICATED' ? 'Sign in again, then repeat what you did.' : ERROR_CODES[code].mend;
  for (const code of Object.keys(ERROR_CODES) as ErrorCode[]) {
    it(`${code}: status, title, what to do, code and request id`, () => {
      const answer = make(code);
      const text = textOf(htmlOf(answer));
      assert.equal(answer.status, ERROR_CODES[code].status);
      const unescaped = text.replaceAll('&lt;', '<').replaceAll('&gt;', '>');
      for (const part of [
        ERROR_CODES[code].title,
        mendOf(code).replaceAll('`', ''),
        code,
        'req-abcdef01',
        'The header Host',
      ]) {
        assert.ok(unescaped.includes(part), part);
      }
    });
  }

  it('carries the headers of the error, and the seconds to wait in words', () => {
    const answer = make('GW_PROVIDER_UNAVAILABLE', 'No answer.', { retryAfter: 7, headers: { Allow: 'GET' } });
    assert.deepEqual(answer.headers, { Allow: 'GET', 'Retry-After': '7' });
    assert.match(textOf(htmlOf(answer)), /Retry after 7 seconds, or sign in another way/);
  });

  it('never shows what is for the log', () => {
    const answer = make('GW_SIGN_IN_FAILED', 'The sign-in did not succeed.', {
      internal: 'signature of key 7 is wrong',
    });
    assert.doesNotMatch(htmlOf(answer), /signature of key/);
  });

  it('does not say the title twice', () => {
    const text = textOf(htmlOf(make('GW_UPSTREAM_DOWN', 'vovserver is not reachable.')));
    assert.equal(text.split('vovserver is not reachable').length, 3);
  });

  it('does not say what to do twice, and has settings as code', () => {
    const { mend } = ERROR_CODES.GW_SIGN_IN_FAILED;
    const text = textOf(htmlOf(make('GW_SIGN_IN_FAILED', `The answer was not accepted. ${mend}`)));
    assert.equal(text.split('Start the sign-in again; if').length, 2);
    assert.match(text, /The answer was not accepted\./);
    assert.match(htmlOf(make('GW_ROLE_MISSING', 'no')), /<p>No\.<\/p>[\s\S]*<code>identity\.roles<\/code>/);
  });

  it('leads on to a new sign-in or to the account', () => {
    const onward = (code: ErrorCode) => linksOf(htmlOf(make(code)))[0]?.attributes.get('href');
    assert.equal(onward('GW_SIGN_IN_FAILED'), '/login');
    assert.equal(onward('GW_IDENTITY_CONFLICT'), '/login');
    assert.equal(onward('GW_NOT_FOUND'), '/ui/');
  });
});
