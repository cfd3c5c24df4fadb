import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { textOf } from './page-shape.ts';
import {
  ALICE,
  call,
  createPortalWorld,
  get,
  htmlOf,
  NOW,
  queueAccount,
  sessionOf,
  webRequest,
} from './portal-world.ts';

const HOUR = 3_600_000;

describe('the account page', () => {
  it('is where the root leads, with or without a session', async () => {
    const answer = await call(createPortalWorld(), webRequest('GET', '/'), {});
    assert.deepEqual(answer, { kind: 'redirect', location: '/ui/' });
  });

  it('says who is signed in, how, and with which groups and roles', async () => {
    const text = textOf(htmlOf(await get(createPortalWorld(), '/ui/')));
    for (const part of ['alice', ALICE.subject, 'Corporate sign-in', 'cad-users', 'chip7-verification', 'user']) {
      assert.ok(text.includes(part), part);
    }
  });

  it('names a provider that is no longer configured', async () => {
    const session = { ...sessionOf(ALICE), provider: 'old-idp' };
    assert.match(htmlOf(await get(createPortalWorld(), '/ui/', { session })), /<dd>old-idp<\/dd>/);
  });

  it('says so when there are no groups', async () => {
    const session = sessionOf({ ...ALICE, groups: [] });
    assert.match(
      htmlOf(await get(createPortalWorld(), '/ui/', { session })),
      /Groups<\/dt><dd><span class="quiet">none/,
    );
  });

  it('marks where one is', async () => {
    assert.match(htmlOf(await get(createPortalWorld(), '/ui/')), /<a href="\/ui\/" aria-current="page">Account/);
    const tokens = htmlOf(await get(createPortalWorld(), '/ui/tokens'));
    assert.deepEqual(tokens.match(/aria-current="page"/g)?.length, 1);
    assert.match(tokens, /<a href="\/ui\/tokens" aria-current="page">/);
  });

  it('has the explorer in its navigation only when it is served', async () => {
    const world = createPortalWorld();
    assert.match(htmlOf(await get(world, '/ui/')), /href="\/ui\/api"/);
    world.state.config = { ...world.state.config, docs: { explorer: false, vendorPages: false } };
    assert.doesNotMatch(htmlOf(await get(world, '/ui/')), /href="\/ui\/api"/);
  });
});

describe('the state of an account in words', () => {
  const states: readonly [string, Parameters<typeof queueAccount>[0], RegExp][] = [
    [
      'signed in',
      { state: { kind: 'signed-in', until: NOW + 2 * HOUR } },
      /Signed in at vovserver until 2026-11-25 11:30/,
    ],
    ['ready', { state: { kind: 'ready' } }, /signs in with your next call/],
    [
      'rejected, mine',
      { mayEnrol: true, state: { kind: 'rejected', until: NOW + 15 * 60_000 } },
      /tried again in 15 minutes; or give the gateway the current one/,
    ],
    [
      'rejected, not mine',
      { state: { kind: 'rejected', until: NOW + 10 } },
      /in less than a minute; the administrator has to/,
    ],
    [
      'no password, mine',
      { mayEnrol: true, state: { kind: 'no-password' } },
      /no password of this account yet: give it/,
    ],
    ['no password, not mine', { state: { kind: 'no-password' } }, /Tell the administrator/],
    [
      'unknown',
      { state: { kind: 'unknown', reason: 'the store is away' } },
      /cannot be told right now: the store is away\./,
    ],
    ['unknown without a reason', { state: null }, /cannot be told right now\./],
    [
      'no account',
      { account: null, reason: 'Rule 3 denies it.', state: null },
      /No account[\s\S]*Rule 3 denies it\. The administrator can add/,
    ],
    ['no account, no reason', { account: null, state: null }, /No rule gives you an account/],
    ['shared', { account: 'svc', shared: true, state: { kind: 'ready' } }, /svc[\s\S]*shared/],
  ];
  for (const [what, change, text] of states) {
    it(what, async () => {
      const page = htmlOf(await get(createPortalWorld({ accounts: [queueAccount(change)] }), '/ui/'));
      assert.match(textOf(page.slice(page.indexOf('id="accounts"'))), text);
    });
  }
});

describe('limits', () => {
  it('are shown with what is left of them', async () => {
    const page = htmlOf(await get(createPortalWorld(), '/ui/'));
    const text = textOf(page.slice(page.indexOf('id="limits"')));
    assert.match(text, /All calls\s*600 per minute\s*512\s*in 9 seconds/);
    assert.match(text, /Submissions\s*100 per hour\s*12\s*in 50 minutes/);
    assert.match(page, /<meter min="0" max="600" low="120" value="512" aria-label="All calls: 512 of 600 left">/);
  });

  it('of a group have plain words too, and a whole one is whole now', async () => {
    const limits = [{ name: 'group-power-list', quota: 5, windowSeconds: 90, remaining: 5, resetSeconds: 0 }];
    const page = htmlOf(await get(createPortalWorld({ limits }), '/ui/'));
    assert.match(textOf(page), /Lists and queries\s*5 per 90 seconds\s*5\s*now/);
  });

  it('that do not exist are said not to', async () => {
    assert.match(htmlOf(await get(createPortalWorld({ limits: [] }), '/ui/')), /No rate limit concerns you/);
  });
});
