import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { html, render } from '../../src/portal/markup.ts';
import { asSentence, withCode } from '../../src/portal/sentence.ts';

describe('a reason as a sentence', () => {
  const sentences: Readonly<Record<string, string>> = {
    'the rule denies an account': 'The rule denies an account.',
    'A rule denies it.': 'A rule denies it.',
    'who knows?': 'Who knows?',
    '  the name is taken. ': 'The name is taken.',
    '': '',
  };
  for (const [reason, sentence] of Object.entries(sentences))
    it(`of “${reason}”`, () => assert.equal(asSentence(reason), sentence));

  it('is one already', () => {
    fc.assert(fc.property(fc.string(), (text) => assert.equal(asSentence(asSentence(text)), asSentence(text))));
  });
});

describe('text with code', () => {
  const shown = (text: string): string => render(html`${withCode(text)}`);
  it('has what stands between backticks as code', () =>
    assert.equal(
      shown('roles under `identity.roles`, or `a`.'),
      'roles under <code>identity.roles</code>, or <code>a</code>.',
    ));
  it('is escaped inside and outside', () => assert.equal(shown('<b> `<i>`'), '&lt;b&gt; <code>&lt;i&gt;</code>'));
});
