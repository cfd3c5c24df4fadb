import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { formsOf, textOf } from './page-shape.ts';
import { createPortalWorld, get, htmlOf, post } from './portal-world.ts';

const CODE = 'WDJB-MJHT';

describe('the page of a device code', () => {
  it('asks for the code first', async () => {
    const answer = await get(createPortalWorld(), '/ui/device');
    assert.equal(answer.status, undefined);
    assert.match(htmlOf(answer), /<form method="get" action="\/ui\/device">[\s\S]*name="user_code" value=""/);
  });

  for (const target of [
    '/ui/device?user_code=WDJB-MJHT',
    '/ui/device?code=wdjb-mjht',
    '/ui/device?user_code=%20WDJBMJHT%20',
  ]) {
    it(`shows what is asked: ${target}`, async () => {
      const text = textOf(htmlOf(await get(createPortalWorld(), target)));
      for (const part of [CODE, 'submit07.example.com', '10.20.30.40', 'read, submit, control', '2026-11-25 09:29']) {
        assert.ok(text.includes(part), part);
      }
      assert.match(text, /Approve only what you started yourself/);
    });
  }

  it('decides nothing by being opened', async () => {
    const world = createPortalWorld();
    await get(world, `/ui/device?user_code=${CODE}`);
    assert.deepEqual(world.state.decisions, []);
  });

  it('offers both decisions in one form that posts the code', async () => {
    const page = htmlOf(await get(createPortalWorld(), `/ui/device?user_code=${CODE}`));
    const fields = formsOf(page)
      .find(({ form }) => form.attributes.get('action') === '/ui/device')
      ?.fields.map(({ attributes }) => [attributes.get('name'), attributes.get('value')]);
    assert.deepEqual(fields, [
      ['csrf', 'csrf-of-the-session'],
      ['user_code', CODE],
      ['decision', 'approve'],
      ['decision', 'deny'],
    ]);
  });

  it('keeps a wrong code and says what to do', async () => {
    const answer = await get(createPortalWorld(), '/ui/device?user_code=AAAA-BBBB');
    assert.equal(answer.status, 422);
    const page = htmlOf(answer);
    assert.match(page, /value="AAAA-BBBB"/);
    assert.match(page, /id="user_code-wrong">This code is not valid[^<]*Start vovgw login again/);
  });
});

describe('the decision', () => {
  for (const [decision, title] of [
    ['approve', 'Approved'],
    ['deny', 'Denied'],
  ] as const) {
    it(`can be to ${decision}`, async () => {
      const world = createPortalWorld();
      const page = htmlOf(await post(world, '/ui/device', { user_code: CODE, decision }));
      assert.match(page, new RegExp(`<h1>${title}</h1>`));
      assert.deepEqual(world.state.decisions, [`${decision} by alice`]);
    });
  }

  it('is taken once', async () => {
    const world = createPortalWorld();
    await post(world, '/ui/device', { user_code: CODE, decision: 'deny' });
    const again = await post(world, '/ui/device', { user_code: CODE, decision: 'approve' });
    assert.equal(again.status, 422);
    assert.match(htmlOf(again), /was used already/);
    assert.deepEqual(world.state.decisions, ['deny by alice']);
  });

  for (const decision of ['', 'Approve', 'yes', 'toString']) {
    it(`is not “${decision}”`, async () => {
      const world = createPortalWorld();
      assert.equal((await post(world, '/ui/device', { user_code: CODE, decision })).status, 422);
      assert.deepEqual(world.state.decisions, []);
    });
  }
});
