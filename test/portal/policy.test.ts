import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { fullWorld, PAGES } from './all-pages.ts';
import { formsOf, tagsOf, textOf } from './page-shape.ts';

const CSRF = 'csrf-of-the-session';

describe('every page', () => {
  for (const [name, make] of Object.entries(PAGES)) {
    it(`${name}: gets along with the strict policy`, async () => {
      const page = await make(fullWorld());
      const tags = tagsOf(page);
      assert.ok(tags.length > 20);
      for (const { name: tag, attributes } of tags) {
        assert.notEqual(tag, 'style');
        assert.notEqual(tag, 'base');
        assert.equal(attributes.has('style'), false);
        for (const key of attributes.keys()) assert.doesNotMatch(key, /^on/i);
        for (const key of ['href', 'src', 'action'])
          assert.doesNotMatch(attributes.get(key) ?? '', /^\s*(javascript|data):/i);
      }
      const scripts = [...page.matchAll(/<script([^>]*)>([\s\S]*?)<\/script>/g)];
      assert.equal(scripts.length, tags.filter(({ name: tag }) => tag === 'script').length);
      for (const [, attributes = '', content] of scripts) {
        assert.match(attributes, /^ src="\/assets\/[^"]+" defer$/);
        assert.equal(content, '');
      }
    });

    it(`${name}: loads only files that are served`, async () => {
      const world = fullWorld();
      const page = await make(world);
      const files = tagsOf(page).flatMap(({ attributes }) => [attributes.get('src'), attributes.get('href')]);
      const assets = files.filter((file): file is string => file?.startsWith('/assets/') ?? false);
      assert.ok(assets.length >= 3);
      for (const file of assets) {
        const prefix = file.startsWith('/assets/swagger/') ? '/assets/swagger/:file' : '/assets/:file';
        const route = world.portal.routes.find(({ path }) => path === prefix);
        const params = { file: file.slice(prefix.length - ':file'.length) };
        const answer = await route?.handle({ params } as never, { session: null, caller: null });
        assert.equal(answer?.kind === 'bytes' && answer.immutable, true);
      }
    });

    it(`${name}: carries the csrf field in every form that posts to the gateway`, async () => {
      const page = await make(fullWorld());
      for (const { form, fields } of formsOf(page)) {
        if (form.attributes.get('method') !== 'post' || form.attributes.get('action')?.startsWith('https://')) continue;
        const tokens = fields.filter(({ attributes }) => attributes.get('name') === 'csrf');
        assert.deepEqual(
          tokens.map(({ attributes }) => attributes.get('value')),
          [CSRF],
        );
      }
    });

    it(`${name}: is a whole document with landmarks, one h1, and ids that occur once`, async () => {
      const page = await make(fullWorld());
      const tags = tagsOf(page);
      const count = (wanted: string): number => tags.filter(({ name: tag }) => tag === wanted).length;
      assert.match(page, /^<!doctype html>\n<html lang="en">/);
      for (const one of ['h1', 'main', 'header', 'footer', 'title']) assert.equal(count(one), 1, one);
      assert.match(page, /<a class="skip" href="#main">/);
      const ids = tags.flatMap(({ attributes }) => attributes.get('id') ?? []);
      assert.deepEqual(ids, [...new Set(ids)]);
      for (const { attributes } of tags) {
        for (const key of ['for', 'aria-labelledby', 'aria-describedby', 'data-copy']) {
          for (const id of attributes.get(key)?.split(' ') ?? []) assert.ok(ids.includes(id), `${key} ${id}`);
        }
      }
      assert.doesNotMatch(textOf(page), /[<>]|undefined|\[object|NaN/);
    });
  }
});

describe('the scan itself', () => {
  it('sees what it looks for', () => {
    const [tag] = tagsOf('<p style="x" onclick="y()">');
    assert.deepEqual([...(tag?.attributes.keys() ?? [])], ['style', 'onclick']);
    assert.equal(formsOf('<form method="post"><input name="a" value="b"></form><input name="c">')[0]?.fields.length, 1);
  });
});
