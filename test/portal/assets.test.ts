import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createAssets } from '../../src/portal/assets.ts';
import { call, createPortalWorld, get, portalConfig, refusal } from './portal-world.ts';

const assets = createAssets(() => true);
const TYPES: readonly [string, RegExp][] = [
  ['portal.css', /^text\/css; charset=utf-8$/],
  ['copy.js', /^text\/javascript; charset=utf-8$/],
  ['send-away.js', /^text\/javascript; charset=utf-8$/],
  ['explorer.js', /^text\/javascript; charset=utf-8$/],
  ['icon.svg', /^image\/svg\+xml$/],
  ['swagger-ui.css', /^text\/css; charset=utf-8$/],
  ['swagger-ui-bundle.js', /^text\/javascript; charset=utf-8$/],
];

describe('files of the portal', () => {
  for (const [name, type] of TYPES) {
    it(`${name} has a URL of its content and never changes under it`, async () => {
      const url = assets.urlOf(name);
      assert.match(url, /^\/assets\/(swagger\/)?[a-z-]+\.[A-Za-z0-9_-]{12}\.(css|js|svg)$/);
      const answer = await get(createPortalWorld(), url, {});
      assert.ok(answer.kind === 'bytes');
      assert.match(answer.contentType, type);
      assert.equal(answer.immutable, true);
      assert.ok(answer.bytes.length > 50);
    });
  }

  it('need no credential', () => {
    assert.ok(assets.routes.every(({ needs, method }) => needs === 'nothing' && method === 'GET'));
  });

  it('of another version are served as they are here, but not for ever', async () => {
    const answer = await get(createPortalWorld(), '/assets/portal.AAAAAAAAAAAA.css', {});
    assert.equal(answer.kind === 'bytes' && answer.immutable, false);
  });

  const others = [
    '/assets/portal.css',
    '/assets/package.AAAAAAAAAAAA.json',
    '/assets/swagger-ui.AAAAAAAAAAAA.css',
    '/assets/swagger/package.AAAAAAAAAAAA.json',
    '/assets/swagger/index.AAAAAAAAAAAA.html',
    '/assets/swagger/swagger-initializer.AAAAAAAAAAAA.js',
    '/assets/swagger/portal.AAAAAAAAAAAA.css',
    '/assets/..%2F..%2Fpackage.AAAAAAAAAAAA.json',
    '/assets/constructor.AAAAAAAAAAAA.css',
  ];
  for (const path of others) {
    it(`do not include ${path}`, async () => {
      assert.equal((await refusal(() => get(createPortalWorld(), path, {}))).code, 'GW_NOT_FOUND');
    });
  }

  it('of the explorer are not served when it is switched off', async () => {
    const config = portalConfig({ docs: { explorer: false } });
    const world = createPortalWorld({ config });
    assert.equal((await refusal(() => get(world, assets.urlOf('swagger-ui.css'), {}))).code, 'GW_NOT_FOUND');
    assert.equal((await refusal(() => get(world, '/ui/api'))).code, 'GW_NOT_FOUND');
  });

  it('have no URL when they are not served', () => assert.throws(() => assets.urlOf('index.html'), TypeError));

  it('load nothing from elsewhere', async () => {
    const own = TYPES.map(([name]) => name).filter((name) => !name.startsWith('swagger'));
    for (const name of own) {
      const answer = await call(createPortalWorld(), { ...request(assets.urlOf(name)) } as never, {});
      const text = answer.kind === 'bytes' ? answer.bytes.toString() : '';
      assert.doesNotMatch(text.replace('http://www.w3.org/2000/svg', ''), /https?:|url\(|@import/);
    }
  });
});

const request = (path: string) => ({ method: 'GET', path });
