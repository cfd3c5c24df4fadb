import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { deviceText } from '../../src/portal/session-page.ts';
import { formsOf, textOf } from './page-shape.ts';
import { createPortalWorld, get, htmlOf, post, refusal } from './portal-world.ts';

describe('the list of sessions', () => {
  it('shows browser, address, last use and marks this one', async () => {
    const page = htmlOf(await get(createPortalWorld(), '/ui/sessions'));
    const [own = '', other = ''] = page.split('<tr>').slice(2).map(textOf);
    assert.match(own, /Firefox on Linux[\s\S]*this one[\s\S]*10\.20\.30\.41[\s\S]*just now/);
    assert.match(other, /Chrome on Windows[\s\S]*2001:db8::2f:41[\s\S]*2 hours ago/);
    assert.doesNotMatch(other, /this one/);
  });

  it('offers to end every other session, not this one', async () => {
    const page = htmlOf(await get(createPortalWorld(), '/ui/sessions'));
    const actions = formsOf(page).map(({ form }) => form.attributes.get('action'));
    assert.deepEqual(actions, ['/logout', '/ui/sessions/ses-2/end', '/ui/sessions/end-others']);
  });

  it('does not offer to end others when there are none', async () => {
    const world = createPortalWorld();
    world.state.sessions = world.state.sessions.slice(0, 1);
    assert.doesNotMatch(htmlOf(await get(world, '/ui/sessions')), /end-others/);
  });
});

describe('ending sessions', () => {
  it('ends one', async () => {
    const world = createPortalWorld();
    const answer = await post(world, '/ui/sessions/ses-2/end', {});
    assert.deepEqual(answer, { kind: 'redirect', location: '/ui/sessions?done=ended' });
    assert.deepEqual(
      world.state.sessions.map(({ id }) => id),
      ['ses-1'],
    );
  });

  it('refuses one that is not the person’s own', async () => {
    const world = createPortalWorld();
    assert.equal((await refusal(() => post(world, '/ui/sessions/ses-of-bob/end', {}))).code, 'GW_NOT_FOUND');
    assert.equal(world.state.sessions.length, 2);
  });

  it('ends all but this one', async () => {
    const world = createPortalWorld();
    const answer = await post(world, '/ui/sessions/end-others', {});
    assert.deepEqual(answer, { kind: 'redirect', location: '/ui/sessions?done=ended-others' });
    assert.deepEqual(
      world.state.sessions.map(({ id }) => id),
      ['ses-1'],
    );
    assert.match(htmlOf(await get(world, '/ui/sessions?done=ended-others')), /All other sessions have ended/);
  });
});

describe('the text of a browser', () => {
  const known: readonly [string, string][] = [
    ['Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0', 'Firefox on Linux'],
    ['Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/141.0 Safari/537.36 Edg/141.0', 'Edge on Windows'],
    ['Mozilla/5.0 (Macintosh; Intel Mac OS X 15_0) AppleWebKit/605.1 Version/18.0 Safari/605.1', 'Safari on macOS'],
    ['Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Mobile Safari/604.1', 'Safari on iOS'],
    ['Mozilla/5.0 (Linux; Android 15) AppleWebKit/537.36 Chrome/141.0 Mobile Safari/537.36', 'Chrome on Android'],
    ['Mozilla/5.0 (X11; Linux) AppleWebKit/537.36 Chrome/141.0 Safari/537.36 OPR/120.0', 'Opera on Linux'],
    ['Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 HeadlessChrome/141.0 Safari/537.36', 'Chrome on Linux'],
    ['Firefox/1', 'Firefox'],
    ['curl/8.9.0', 'curl/8.9.0'],
    ['', 'unknown'],
    ['evil\u202e\u0007agent', 'evil??agent'],
  ];
  for (const [userAgent, text] of known) {
    it(`of “${userAgent.slice(0, 40)}…” is ${text}`, () => assert.equal(deviceText(userAgent), text));
  }

  it('is never long', () => assert.ok(deviceText('x'.repeat(5000)).length <= 65));
});
