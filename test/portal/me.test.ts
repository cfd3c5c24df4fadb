import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ALICE, callerOf, createPortalWorld, get, NOW, queueAccount, refusal } from './portal-world.ts';

describe('GET /gateway/v1/me', () => {
  it('says who the caller is, with which accounts and which credential', async () => {
    const answer = await get(createPortalWorld(), '/gateway/v1/me', { caller: callerOf(ALICE) });
    assert.deepEqual(answer, {
      kind: 'json',
      body: {
        user: 'alice',
        subject: ALICE.subject,
        provider: 'corp',
        groups: ALICE.groups,
        roles: ['user'],
        accounts: [
          { queue: 'nightly', account: 'alice', shared: false },
          { queue: 'regress', account: 'svc_regress', shared: true },
        ],
        credential: {
          kind: 'token',
          id: 'k3v9x2m4p7qa',
          label: 'regression dashboard',
          scopes: ['read', 'submit'],
          expires_at: '2026-12-22T09:30:00.000Z',
        },
      },
    });
  });

  it('gives null for a queue without an account', async () => {
    const world = createPortalWorld({ accounts: [queueAccount({ account: null, state: null })] });
    const answer = await get(world, '/gateway/v1/me', { caller: callerOf(ALICE) });
    const { accounts } = (answer as unknown as { body: { accounts: unknown[] } }).body;
    assert.deepEqual(accounts[0], { queue: 'nightly', account: null, shared: false });
  });

  it('leaves out queues on which the credential does not hold', async () => {
    const caller = { ...callerOf(ALICE), queue: 'regress', expiresAt: NOW };
    const answer = await get(createPortalWorld(), '/gateway/v1/me', { caller });
    const { accounts } = (answer as unknown as { body: { accounts: { queue: string }[] } }).body;
    assert.deepEqual(
      accounts.map(({ queue }) => queue),
      ['regress'],
    );
  });

  it('needs a caller, of whatever kind', async () => {
    const world = createPortalWorld();
    const route = world.portal.routes.find(({ path }) => path === '/gateway/v1/me');
    assert.equal(route?.needs, 'caller');
    assert.equal((await refusal(() => get(world, '/gateway/v1/me', {}))).code, 'GW_UNAUTHENTICATED');
  });
});
