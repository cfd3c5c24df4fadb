import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { html, type Insert, type Markup, render } from '../../src/portal/markup.ts';

const MEANT: Readonly<Record<string, string>> = { '&amp;': '&', '&lt;': '<', '&gt;': '>', '&quot;': '"', '&#39;': "'" };
const unescaped = (text: string): string => text.replace(/&(?:amp|lt|gt|quot|#39);/g, (entity) => MEANT[entity] ?? '');

describe('html', () => {
  it('escapes any text for content and for attributes, and loses none of it', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        const out = render(html`<p title="${text}">${text}</p>`);
        const [, attribute = '', content = ''] = /^<p title="([^"]*)">([^<>]*)<\/p>$/.exec(out) ?? [];
        assert.doesNotMatch(attribute + content, /[<>"']/);
        assert.equal(unescaped(attribute), text);
        assert.equal(unescaped(content), text);
      }),
    );
  });

  it('keeps markup as it is, at any depth', () => {
    const inner = html`<b>${'<'}</b>`;
    assert.equal(render(html`<p>${[inner, [inner, 'x']]}</p>`), '<p><b>&lt;</b><b>&lt;</b>x</p>');
  });

  it('escapes once, however deep the text stands', () => {
    const deep = html`${html`${html`${'&'}`}`}`;
    assert.equal(render(deep), '&amp;');
  });

  it('leaves nothing for what is not there, and writes numbers', () => {
    assert.equal(render(html`a${null}b${undefined}c${false}d${0}e${[]}f${''}`), 'abcd0ef');
  });

  const forged: readonly [string, unknown][] = [
    ['an object with a text', { text: '<script>' }],
    ['an object that prints itself as HTML', { toString: () => '<script>' }],
    ['an object with the prototype of markup', Object.create(Object.getPrototypeOf(html`x`))],
    ['a copy of markup', { ...html`<b></b>` }],
    ['a String object', new String('<script>')],
    ['a function', () => '<script>'],
    ['true', true],
  ];
  for (const [what, value] of forged) {
    it(`refuses ${what}`, () => {
      assert.throws(() => html`<p>${value as Insert}</p>`, TypeError);
    });
  }

  it('gives no way to make markup of a string but the template', () => {
    assert.throws(() => render('<b>' as unknown as Markup), TypeError);
    assert.equal(String(html`<b></b>`), '[object Object]');
  });
});
