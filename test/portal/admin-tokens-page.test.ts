import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Role } from '../../src/kernel/index.ts';
import { formsOf } from './page-shape.ts';
import { ALICE, createPortalWorld, get, htmlOf, NOW, post, refusal, sessionOf, tokenInfo } from './portal-world.ts';

const as = (...roles: Role[]) => ({ session: sessionOf({ ...ALICE, roles: ['user', ...roles] }) });
const BOB = tokenInfo({ id: 'bobs', user: 'bob', subject: 'corp:bob', label: 'bob’s laptop' });

describe('everybody’s tokens', () => {
  it('are not for users', async () => {
    assert.equal((await refusal(() => get(createPortalWorld(), '/ui/admin/tokens', as()))).code, 'GW_ROLE_MISSING');
    assert.doesNotMatch(htmlOf(await get(createPortalWorld(), '/ui/', as())), /admin\/tokens/);
  });

  it('are seen by an operator, without a way to revoke them', async () => {
    const page = htmlOf(await get(createPortalWorld({ tokens: [BOB] }), '/ui/admin/tokens', as('operator')));
    assert.match(page, /bob’s laptop[\s\S]*corp:bob/);
    assert.equal(
      formsOf(page).some(({ form }) => form.attributes.get('action')?.endsWith('/revoke')),
      false,
    );
    assert.match(page, /Revoking them takes the role admin/);
  });

  it('are seen and revoked by an admin, and the log says who did it', async () => {
    const world = createPortalWorld({ tokens: [BOB] });
    const page = htmlOf(await get(world, '/ui/admin/tokens', as('admin')));
    assert.match(page, /action="\/ui\/admin\/tokens\/bobs\/revoke"/);
    const answer = await post(world, '/ui/admin/tokens/bobs/revoke', { user: 'b&b' }, as('admin'));
    assert.deepEqual(answer, { kind: 'redirect', location: '/ui/admin/tokens?done=revoked&user=b%26b' });
    assert.deepEqual(world.state.tokens, []);
    const { subject } = ALICE;
    const done = { user: 'alice', subject, token_id: 'bobs', address: '10.20.30.41', request_id: 'req-12345678' };
    assert.deepEqual(
      world.state.log.map(({ fields }) => fields),
      [{ event: 'token_revoked_by_admin', ...done }],
    );
  });

  for (const role of [[], ['operator']] as Role[][]) {
    it(`are not revoked by ${role.join() || 'a user'}`, async () => {
      const world = createPortalWorld({ tokens: [BOB] });
      const run = () => post(world, '/ui/admin/tokens/bobs/revoke', {}, as(...role));
      assert.equal((await refusal(run)).code, 'GW_ROLE_MISSING');
      assert.equal(world.state.tokens.length, 1);
    });
  }

  it('that do not exist are said not to', async () => {
    const world = createPortalWorld({ tokens: [] });
    assert.equal((await refusal(() => post(world, '/ui/admin/tokens/x/revoke', {}, as('admin')))).code, 'GW_NOT_FOUND');
    assert.deepEqual(world.state.log, []);
  });

  it('can be asked for by user name, which stays in the field', async () => {
    const world = createPortalWorld();
    world.state.tokens.push(BOB);
    const page = htmlOf(await get(world, '/ui/admin/tokens?user=bob', as('admin')));
    assert.match(page, /bob’s laptop/);
    assert.doesNotMatch(page, /regression dashboard/);
    assert.match(page, /name="user" value="bob"/);
  });

  it('are shown page by page, the latest first', async () => {
    const tokens = Array.from({ length: 401 }, (_, at) => tokenInfo({ id: `t${at}`, createdAt: NOW + at }));
    const world = createPortalWorld({ tokens, more: 7 });
    const page = async (query: string) => htmlOf(await get(world, `/ui/admin/tokens${query}`, as('admin')));
    const first = await page('');
    assert.match(first, /Page 1 of 3/);
    assert.match(first, />t400<[\s\S]*>t201</);
    assert.doesNotMatch(first, />t200<|Newer/);
    assert.match(first, /7 more derived tokens/);
    assert.match(first, /href="\/ui\/admin\/tokens\?page=2">Older</);
    const last = await page('?page=3&user=alice');
    assert.match(last, />t0</);
    assert.doesNotMatch(last, />t1<|Older/);
    assert.match(last, /href="\/ui\/admin\/tokens\?user=alice&amp;page=2">Newer</);
    for (const query of ['?page=0', '?page=-1', '?page=x', '?page=1e3']) assert.match(await page(query), /Page 1 of 3/);
    assert.match(await page('?page=9'), /There are none[\s\S]*page=3">Newer</);
  });
});
