import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Role } from '../../src/kernel/index.ts';
import { fullWorld, PAGES } from './all-pages.ts';
import { formsOf, tagsOf } from './page-shape.ts';
import { ALICE, createPortalWorld, get, htmlOf, queueAccount, sessionOf } from './portal-world.ts';

const linksOf = (page: string): string[] => {
  const nav = page.slice(page.indexOf('<nav'), page.indexOf('</nav>'));
  return tagsOf(nav).flatMap(({ attributes }) => attributes.get('href') ?? []);
};

const pageFor = async (roles: readonly Role[], accounts = [queueAccount({ mayEnrol: true })]): Promise<string> =>
  htmlOf(await get(createPortalWorld({ accounts }), '/ui/', { session: sessionOf({ ...ALICE, roles }) }));

describe('the navigation', () => {
  it('leads to every page of a user', async () => {
    assert.deepEqual(linksOf(await pageFor(['user'])), [
      '/ui/',
      '/ui/tokens',
      '/ui/credential',
      '/ui/sessions',
      '/ui/api',
    ]);
  });

  for (const role of ['operator', 'admin'] as const) {
    it(`also leads ${role}s to everybody’s tokens`, async () => {
      assert.equal(linksOf(await pageFor(['user', role])).at(-1), '/ui/admin/tokens');
    });
  }

  it('leads nowhere that does not answer', async () => {
    const world = createPortalWorld({ accounts: [queueAccount({ mayEnrol: true })] });
    for (const link of linksOf(await pageFor(['user', 'admin']))) {
      const session = sessionOf({ ...ALICE, roles: ['user', 'admin'] });
      const page = htmlOf(await get(world, link, { session }));
      assert.match(page, new RegExp(`<a href="${link}" aria-current="page">`));
    }
  });

  it('is absent where nobody is signed in', async () => {
    for (const name of ['sign-in', 'signed out', 'error GW_NOT_FOUND']) {
      const page = await PAGES[name]?.(fullWorld());
      assert.ok(page);
      assert.doesNotMatch(page, /<nav|Sign out<\/button>/);
    }
  });
});

describe('the frame', () => {
  it('signs out by a form, not by a link that another site could plant', async () => {
    const page = await pageFor(['user']);
    const [out] = formsOf(page);
    assert.deepEqual([out?.form.attributes.get('method'), out?.form.attributes.get('action')], ['post', '/logout']);
    assert.doesNotMatch(page, /href="\/logout/);
  });

  it('names the page first in the title, and the version in the footer', async () => {
    const page = await pageFor(['user']);
    assert.match(page, /<title>Your account – vov-gateway<\/title>/);
    assert.match(page, /<footer class="foot"><p>vov-gateway 1\.2\.3<\/p>/);
  });

  for (const [name, make] of Object.entries(PAGES)) {
    it(`gives every field of “${name}” a label`, async () => {
      const page = await make(fullWorld());
      const labelled = new Set(
        tagsOf(page).flatMap(({ name: tag, attributes }) => (tag === 'label' ? (attributes.get('for') ?? []) : [])),
      );
      for (const { fields } of formsOf(page)) {
        for (const { name: tag, attributes } of fields) {
          if (tag === 'button' || attributes.get('type') === 'hidden') continue;
          assert.ok(labelled.has(attributes.get('id') ?? ''), JSON.stringify([...attributes]));
        }
      }
    });
  }
});
