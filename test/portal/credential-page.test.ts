import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { GatewayError } from '../../src/kernel/index.ts';
import { formsOf, tagsOf } from './page-shape.ts';
import {
  ALICE,
  createPortalWorld,
  get,
  htmlOf,
  NOW,
  type PortalState,
  post,
  queueAccount,
  refusal,
} from './portal-world.ts';

const PASSWORD = 'correct horse <b>&"';
const OWN = queueAccount({ mayEnrol: true, state: { kind: 'no-password' } });
const SHARED = queueAccount({
  queue: 'regress',
  account: 'svc',
  shared: true,
  mayEnrol: false,
  state: { kind: 'ready' },
});

const worldWith = (change: Partial<PortalState> = {}) => createPortalWorld({ accounts: [OWN, SHARED], ...change });

const enrol = (world: ReturnType<typeof worldWith>, queue = 'nightly', password = PASSWORD) =>
  post(world, '/ui/credential/enrol', { queue, field: 'password-0', 'password-0': password });

describe('the page of the vovserver password', () => {
  it('asks for the password of each account of one’s own, never filled in', async () => {
    const page = htmlOf(await get(worldWith(), '/ui/credential'));
    const fields = tagsOf(page).filter(({ attributes }) => attributes.get('type') === 'password');
    assert.equal(fields.length, 1);
    const [field] = fields;
    assert.equal(field?.attributes.get('autocomplete'), 'off');
    assert.equal(field?.attributes.get('value'), '');
    assert.match(page, /Password of alice/);
    assert.match(page, /Give to the gateway/);
  });

  it('does not ask for the password of a shared account', async () => {
    const page = htmlOf(await get(worldWith({ accounts: [SHARED] }), '/ui/credential'));
    assert.match(page, /svc is shared by several people/);
    assert.doesNotMatch(page, /type="password"/);
  });

  it('says why where there is no account, and where the administrator keeps the passwords', async () => {
    const accounts = [
      queueAccount({ account: null, reason: 'A rule denies it.', state: null }),
      queueAccount({ queue: 'regress', mayEnrol: false }),
    ];
    const page = htmlOf(await get(worldWith({ accounts }), '/ui/credential'));
    assert.match(page, /A rule denies it\./);
    assert.match(page, /On this queue the administrator keeps the passwords\./);
  });

  it('offers to replace and to remove what was given, and says when', async () => {
    const accounts = [queueAccount({ mayEnrol: true, enrolledAt: NOW - 3 * 86_400_000 })];
    const page = htmlOf(await get(worldWith({ accounts }), '/ui/credential'));
    assert.match(page, /You gave the password <time datetime="2026-11-22T09:30:00Z">/);
    assert.match(page, /3 days ago/);
    assert.match(page, />Replace</);
    const actions = formsOf(page).map(({ form }) => form.attributes.get('action'));
    assert.deepEqual(actions.slice(1), ['/ui/credential/enrol', '/ui/credential/remove']);
  });

  it('says how the account stands, and where to give the password', async () => {
    const accounts = [OWN, { ...OWN, queue: 'regress', state: { kind: 'rejected', until: NOW + 600_000 } as const }];
    const page = htmlOf(await get(worldWith({ accounts }), '/ui/credential'));
    assert.match(page, /no password of this account yet: give it below\./);
    assert.match(page, /It is tried again in 10 minutes; or give the current one below\./);
    assert.doesNotMatch(page, /Tell the administrator/);
  });

  it('is in the navigation only where somebody may enrol', async () => {
    assert.match(htmlOf(await get(worldWith(), '/ui/')), /<a href="\/ui\/credential">/);
    assert.doesNotMatch(htmlOf(await get(worldWith({ accounts: [SHARED] }), '/ui/')), /href="\/ui\/credential"/);
  });
});

describe('giving the password', () => {
  it('enrols it for the account of this person, and tells who did it', async () => {
    const world = worldWith();
    assert.deepEqual(await enrol(world), { kind: 'redirect', location: '/ui/credential?done=enrolled' });
    assert.deepEqual(world.state.enrolled, [
      {
        account: { queue: 'nightly', name: 'alice', shared: false },
        password: PASSWORD,
        by: { user: 'alice', subject: ALICE.subject, address: '10.20.30.41', requestId: 'req-12345678' },
      },
    ]);
    const page = htmlOf(await get(world, '/ui/credential?done=enrolled'));
    assert.match(page, /role="status">vovserver accepted the password/);
  });

  const answers: readonly [string, PortalState['enrol'], RegExp][] = [
    ['a rejected password', async () => ({ kind: 'rejected' }), /vovserver rejected this password/],
    ['an account that was refused a moment ago', async () => ({ kind: 'wait', seconds: 42 }), /again in 42 seconds/],
    [
      'a text that is no password',
      async () => {
        throw new GatewayError('GW_BAD_BODY', 'The password holds a line break or a NUL.');
      },
      /holds a line break/,
    ],
  ];
  for (const [what, enrolment, text] of answers) {
    it(`gives ${what} a message beside the field, and never the password back`, async () => {
      const world = worldWith({ enrol: enrolment });
      const answer = await enrol(world);
      assert.equal(answer.status, 422);
      const page = htmlOf(answer);
      assert.match(/id="password-0-wrong">([^<]+)</.exec(page)?.[1] ?? '', text);
      assert.doesNotMatch(page, /correct horse/);
      assert.deepEqual(world.state.enrolled, []);
    });
  }

  for (const password of ['', 'x'.repeat(5000)]) {
    it(`does not try a password of ${password.length} characters`, async () => {
      const world = worldWith({
        enrol: async () => {
          throw new Error('not to be called');
        },
      });
      const answer = await enrol(world, 'nightly', password);
      assert.equal(answer.status, 422);
      assert.match(htmlOf(answer), /Type the password/);
    });
  }

  it('refuses a shared account, whatever is posted', async () => {
    const world = worldWith({ accounts: [OWN, { ...SHARED, mayEnrol: true }] });
    assert.equal((await refusal(() => enrol(world, 'regress'))).code, 'GW_NO_ACCOUNT');
    assert.deepEqual(world.state.enrolled, []);
  });

  it('refuses a queue without an account', async () => {
    const world = worldWith({ accounts: [{ ...OWN, account: null }] });
    assert.equal((await refusal(() => enrol(world))).code, 'GW_NO_ACCOUNT');
  });

  it('refuses a queue that takes no passwords, and one that does not exist', async () => {
    const world = worldWith();
    assert.equal((await refusal(() => enrol(world, 'regress'))).code, 'GW_NOT_FOUND');
    assert.equal((await refusal(() => enrol(world, 'none'))).code, 'GW_NOT_FOUND');
  });

  it('lets other errors through', async () => {
    const world = worldWith({
      enrol: async () => {
        throw new GatewayError('GW_UPSTREAM_DOWN', 'vovserver is not reachable.');
      },
    });
    assert.equal((await refusal(() => enrol(world))).code, 'GW_UPSTREAM_DOWN');
  });

  it('shows the message above the page when its queue has no form there', async () => {
    const world = worldWith({ enrol: async () => ({ kind: 'rejected' }) });
    const [account] = world.state.accounts;
    assert.ok(account);
    const answering = enrol(world);
    world.state.accounts = [{ ...account, mayEnrol: false }];
    assert.match(htmlOf(await answering), /role="alert">vovserver rejected this password/);
  });
});

describe('removing the password', () => {
  it('removes it for one’s own account', async () => {
    const world = worldWith({ accounts: [{ ...OWN, enrolledAt: NOW }] });
    const answer = await post(world, '/ui/credential/remove', { queue: 'nightly' });
    assert.deepEqual(answer, { kind: 'redirect', location: '/ui/credential?done=removed' });
    assert.deepEqual(world.state.removed, [{ queue: 'nightly', name: 'alice', shared: false }]);
  });

  it('says so when there was none', async () => {
    const answer = await post(worldWith(), '/ui/credential/remove', { queue: 'nightly' });
    assert.deepEqual(answer, { kind: 'redirect', location: '/ui/credential?done=none-there' });
  });

  it('refuses a shared account', async () => {
    const world = worldWith({ accounts: [{ ...SHARED, mayEnrol: true }] });
    assert.equal(
      (await refusal(() => post(world, '/ui/credential/remove', { queue: 'regress' }))).code,
      'GW_NO_ACCOUNT',
    );
    assert.deepEqual(world.state.removed, []);
  });
});
