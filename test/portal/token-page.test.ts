import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { GatewayError } from '../../src/kernel/index.ts';
import { fieldValue, formsOf, tagsOf, textOf } from './page-shape.ts';
import {
  ALICE,
  call,
  createPortalWorld,
  DAY,
  get,
  htmlOf,
  NOW,
  type PortalWorld,
  portalConfig,
  post,
  refusal,
  sessionOf,
  TOKEN_TEXT,
  tokenInfo,
  webRequest,
} from './portal-world.ts';

const GOOD = { label: 'nightly regression', scopes: ['read', 'submit'], life: String(30 * DAY) };

/** Opens the form and posts it, as a browser does. */
async function create(world: PortalWorld, form: Record<string, string | string[]> = GOOD) {
  const page = htmlOf(await get(world, '/ui/tokens'));
  const once = fieldValue(page, 'once') ?? '';
  return { once, answer: await post(world, '/ui/tokens', { ...form, once }) };
}

describe('the list of tokens', () => {
  it('shows label, scopes, creation, end, last use, and derived ones below their parent', async () => {
    const world = createPortalWorld();
    world.state.tokens.push(tokenInfo({ id: 'other', label: 'laptop', lastUsedAt: null, scopes: ['control'] }));
    const page = htmlOf(await get(world, '/ui/tokens'));
    const rows = page.split('<tr>').slice(2).map(textOf);
    assert.equal(rows.length, 3);
    assert.match(rows[0] ?? '', /laptop[\s\S]*control[\s\S]*never/);
    assert.match(
      rows[1] ?? '',
      /regression dashboard[\s\S]*read, submit[\s\S]*2026-11-22 09:30[\s\S]*in 27 days[\s\S]*2 minutes ago/,
    );
    assert.match(rows[2] ?? '', /↳ regression dashboard derived/);
    assert.ok(page.includes('<time datetime="2026-12-22T09:30:00Z">'));
  });

  it('shows nothing of a token of the same user name with another subject', async () => {
    const foreign = tokenInfo({ id: 'foreign', label: 'made by the administrator', subject: 'local:alice' });
    const world = createPortalWorld({ tokens: [foreign] });
    const page = htmlOf(await get(world, '/ui/tokens'));
    assert.doesNotMatch(page, /foreign|made by the administrator/);
    assert.match(page, /You have none yet/);
  });

  it('shows, and revokes, a token that its owner made under a former user name', async () => {
    const older = tokenInfo({ id: 'older', user: 'asmith', label: 'from before the wedding' });
    const world = createPortalWorld({ tokens: [older] });
    assert.match(htmlOf(await get(world, '/ui/tokens')), /from before the wedding/);
    await post(world, '/ui/tokens/older/revoke', {});
    assert.deepEqual(world.state.tokens, []);
  });

  it('asks before it revokes, without script', async () => {
    const page = htmlOf(await get(createPortalWorld(), '/ui/tokens'));
    assert.match(
      page,
      /<details class="ask"><summary[^>]*>Revoke<span class="hidden"> regression dashboard<\/span><\/summary>/,
    );
    const forms = formsOf(page).map(({ form }) => form.attributes.get('action'));
    assert.ok(forms.includes('/ui/tokens/k3v9x2m4p7qa/revoke'));
  });
});

describe('revoking', () => {
  it('ends one’s own token and goes back to the list', async () => {
    const world = createPortalWorld();
    const answer = await post(world, '/ui/tokens/k3v9x2m4p7qa/revoke', {});
    assert.deepEqual(answer, { kind: 'redirect', location: '/ui/tokens?done=revoked' });
    assert.deepEqual(world.state.tokens, []);
    assert.match(htmlOf(await get(world, '/ui/tokens?done=revoked')), /The token is revoked\./);
  });

  for (const [what, token] of [
    ['another person', tokenInfo({ id: 'foreign', user: 'bob', subject: 'corp:bob' })],
    ['another subject with the same user name', tokenInfo({ id: 'foreign', subject: 'corp:other' })],
  ] as const) {
    it(`refuses the token of ${what}`, async () => {
      const world = createPortalWorld({ tokens: [token] });
      assert.equal((await refusal(() => post(world, '/ui/tokens/foreign/revoke', {}))).code, 'GW_NOT_FOUND');
      assert.equal(world.state.tokens.length, 1);
    });
  }

  it('says nothing of a word that it does not know', async () => {
    const page = htmlOf(await get(createPortalWorld(), '/ui/tokens?done=toString'));
    assert.doesNotMatch(page, /role="status"/);
  });
});

describe('the form of a new token', () => {
  it('offers lives up to the longest, with the default chosen', async () => {
    const config = portalConfig({ accessTokens: { maxLife: '45d', defaultLife: '36h' } });
    const page = htmlOf(await get(createPortalWorld({ config }), '/ui/tokens'));
    const options = [...page.matchAll(/<option value="(\d+)"( selected)?>([^<]+)</g)];
    assert.deepEqual(
      options.map(([, value, selected, text]) => [Number(value) / 3_600_000, selected !== undefined, text]),
      [
        [24, false, '1 day'],
        [36, true, '36 hours'],
        [168, false, '7 days'],
        [720, false, '30 days'],
        [1080, false, '45 days'],
      ],
    );
  });

  it('never offers more than the longest life, though the default says so', async () => {
    const config = portalConfig({
      accessTokens: { maxLife: '12h', defaultLife: '12h', derivedLife: '1h' },
      signIn: { device: { tokenLife: '1h' } },
    });
    const page = htmlOf(await get(createPortalWorld({ config }), '/ui/tokens'));
    assert.deepEqual([...page.matchAll(/<option/g)].length, 1);
  });

  const faults: readonly [string, Record<string, string | string[]>, string, RegExp][] = [
    ['an empty label', { label: '  ' }, 'label', /1 to 64 printable/],
    ['a label that is too long', { label: 'x'.repeat(65) }, 'label', /1 to 64 printable/],
    ['a label with a control character', { label: 'a\u0007b' }, 'label', /1 to 64 printable/],
    ['no scope', { scopes: [] }, 'scopes', /at least one/],
    ['an unknown scope', { scopes: ['read', 'admin'] }, 'scopes', /this list only/],
    ['a life that is not offered', { life: String(4000 * DAY) }, 'life', /one of the list/],
    ['a life that is no number', { life: 'for ever' }, 'life', /one of the list/],
  ];
  for (const [what, change, field, text] of faults) {
    it(`gives ${what} back with a message beside the field, and keeps the rest`, async () => {
      const world = createPortalWorld();
      const { answer } = await create(world, { ...GOOD, ...change });
      assert.equal(answer.status, 422);
      const page = htmlOf(answer);
      const message = new RegExp(`id="${field}-wrong">([^<]+)<`).exec(page)?.[1] ?? '';
      assert.match(message, text);
      const described = tagsOf(page).find(({ attributes }) =>
        attributes.get('aria-describedby')?.includes(`${field}-wrong`),
      );
      assert.equal(described?.attributes.get('aria-invalid'), 'true');
      if (!('label' in change)) assert.equal(fieldValue(page, 'label'), GOOD.label);
      if (!('scopes' in change)) assert.match(page, /value="submit" checked/);
      if (!('life' in change)) assert.match(page, new RegExp(`value="${GOOD.life}" selected`));
      assert.deepEqual(world.state.created, []);
    });
  }

  it('shows every fault at once', async () => {
    const { answer } = await create(createPortalWorld(), { label: '', scopes: [], life: '' });
    const wrong = [...htmlOf(answer).matchAll(/id="([a-z]+)-wrong"/g)].map(([, field]) => field);
    assert.deepEqual(wrong, ['label', 'scopes', 'life']);
  });

  it('can be corrected and sent again', async () => {
    const world = createPortalWorld();
    const { answer } = await create(world, { ...GOOD, label: '' });
    const once = fieldValue(htmlOf(answer), 'once') ?? '';
    await post(world, '/ui/tokens', { ...GOOD, once });
    assert.equal(world.state.created.length, 1);
  });

  it('shows what access tokens themselves refuse above the form', async () => {
    const refused = new GatewayError('GW_BAD_REQUEST', 'No access token was made. user: too long.');
    const world = createPortalWorld({ refused });
    const { answer } = await create(world);
    assert.equal(answer.status, 422);
    assert.match(htmlOf(answer), /role="alert">No access token was made\. user: too long\./);
  });

  it('lets other errors through', async () => {
    const world = createPortalWorld({ refused: new GatewayError('GW_STORE_UNAVAILABLE', 'The store is away.') });
    assert.equal((await refusal(() => create(world))).code, 'GW_STORE_UNAVAILABLE');
  });
});

describe('a new token', () => {
  it('belongs to the subject of the session', async () => {
    const world = createPortalWorld();
    await create(world);
    assert.deepEqual(world.state.created, [
      { user: 'alice', subject: ALICE.subject, label: GOOD.label, scopes: ['read', 'submit'], lifeMs: 30 * DAY },
    ]);
  });

  it('is shown once, with the lines to paste', async () => {
    const world = createPortalWorld();
    const { answer } = await create(world);
    const page = htmlOf(answer);
    assert.equal(answer.status, undefined);
    assert.match(page, new RegExp(`<code class="secret" id="token">${TOKEN_TEXT}</code>`));
    assert.match(
      page,
      /export NC_URL=https:\/\/gateway.example.com:8443\nread -rs VOVGW_TOKEN &amp;&amp; export VOVGW_TOKEN</,
    );
    assert.equal(page.split(TOKEN_TEXT).length, 2, 'the token stands in one place, to be copied from there');
    assert.match(
      page,
      /printf &#39;header = &quot;Authorization: Bearer %s&quot;\\n&#39; &quot;\$VOVGW_TOKEN&quot; \|\n {2}curl -K - /,
    );
    assert.match(page, /vrest\.authorize\(url, os\.environ\[&quot;VOVGW_TOKEN&quot;\], username=&quot;\w+&quot;\)/);
    assert.match(page, /export USER=alice\npython3 nc_list\.py/);
    assert.match(page, /from=System:User:alice&amp;limit=20/);
    assert.match(page, /2026-12-25 09:30/);
    assert.doesNotMatch(htmlOf(await get(world, '/ui/tokens')), new RegExp(TOKEN_TEXT));
  });

  it('has a copy button for itself and for each block, which only script shows', async () => {
    const page = htmlOf((await create(createPortalWorld())).answer);
    const buttons = tagsOf(page).filter(({ attributes }) => attributes.has('data-copy'));
    assert.deepEqual(
      buttons.map(({ attributes }) => attributes.get('data-copy')),
      ['token', 'lines-env', 'lines-curl', 'lines-python', 'lines-vendor'],
    );
    assert.ok(buttons.every(({ attributes }) => attributes.has('hidden')));
  });

  it('names the URL of each queue when there are several', async () => {
    const page = htmlOf((await create(createPortalWorld())).answer);
    assert.match(page, /<dt>regress<\/dt><dd><code>https:\/\/regress\.example\.com:8443<\/code>/);
  });

  it('takes the origin of the request without a public URL', async () => {
    const config = portalConfig({
      server: { host: '127.0.0.1' },
      queues: [{ name: 'nightly', urls: ['https://v.example:1'] }],
    });
    const page = htmlOf((await create(createPortalWorld({ config }))).answer);
    assert.match(page, /export NC_URL=http:\/\/gateway\.local:9000\n/);
    assert.doesNotMatch(page, /NC_URL of each queue/);
  });

  it('is not made a second time by a reload, nor shown again', async () => {
    const world = createPortalWorld();
    const { once } = await create(world);
    const again = await post(world, '/ui/tokens', { ...GOOD, once });
    assert.deepEqual(again, { kind: 'redirect', location: '/ui/tokens?done=made-already' });
    assert.equal(world.state.created.length, 1);
    const page = htmlOf(await get(world, '/ui/tokens?done=made-already'));
    assert.match(page, /That form was used before/);
    assert.doesNotMatch(page, new RegExp(TOKEN_TEXT));
  });

  it('is made once by a form that is sent many times at once', async () => {
    const world = createPortalWorld();
    const once = fieldValue(htmlOf(await get(world, '/ui/tokens')), 'once') ?? '';
    const answers = await Promise.all([1, 2, 3, 4].map(() => post(world, '/ui/tokens', { ...GOOD, once })));
    assert.equal(world.state.created.length, 1);
    assert.deepEqual(answers.map(({ kind }) => kind).sort(), ['page', 'redirect', 'redirect', 'redirect']);
  });

  it('is not hindered by a form that another session used', async () => {
    const world = createPortalWorld();
    const { once } = await create(world);
    const other = { session: sessionOf(ALICE, 'ses-other') };
    await post(world, '/ui/tokens', { ...GOOD, once }, other);
    assert.equal(world.state.created.length, 2);
  });

  for (const once of ['', 'short', 'A'.repeat(23), `${'A'.repeat(21)}!`]) {
    it(`is not made by a form that names itself “${once}”`, async () => {
      const world = createPortalWorld();
      const answer = await post(world, '/ui/tokens', { ...GOOD, once });
      assert.equal(answer.status, 422);
      assert.deepEqual(world.state.created, []);
    });
  }

  it('gives each form a name of its own', async () => {
    const world = createPortalWorld();
    const names = await Promise.all(
      [1, 2, 3].map(async () => fieldValue(htmlOf(await get(world, '/ui/tokens')), 'once')),
    );
    assert.equal(new Set(names).size, 3);
    assert.match(names[0] ?? '', /^[A-Za-z0-9_-]{22}$/);
  });
});

describe('routes for signed-in people', () => {
  it('refuse to answer without a session, whatever the server forgot', async () => {
    const world = createPortalWorld();
    for (const { method, path, needs } of world.portal.routes) {
      if (needs !== 'session') continue;
      const error = await refusal(() => call(world, webRequest(method, path.replace(':id', 'x')), {}));
      assert.equal(error.code, 'GW_UNAUTHENTICATED', path);
    }
  });

  it('are all behind the portal’s door, and every POST needs the session', () => {
    for (const { method, door, needs } of createPortalWorld().portal.routes) {
      assert.equal(door, 'portal');
      if (method === 'POST') assert.equal(needs, 'session');
    }
  });
});

describe('times', () => {
  it('are ISO in UTC, for people and for programs', async () => {
    const world = createPortalWorld({ tokens: [tokenInfo({ createdAt: NOW })] });
    const page = htmlOf(await get(world, '/ui/tokens'));
    assert.match(page, /<time datetime="2026-11-25T09:30:00Z">2026-11-25 09:30\u00a0UTC<\/time>/);
  });
});
