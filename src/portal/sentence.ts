import { html, type Markup } from './markup.ts';

/** A reason, as the other rooms word them, as a sentence of a page: a capital at the front, a full stop at the end. */
export function asSentence(reason: string): string {
  const text = reason.trim();
  return `${text.slice(0, 1).toUpperCase()}${text.slice(1)}${/[.!?]$/.test(text) || text === '' ? '' : '.'}`;
}

/** Text whose parts between backticks are code, as in the documents that share it. */
export function withCode(text: string): readonly (Markup | string)[] {
  return text.split('`').map((part, at) => (at % 2 === 1 ? html`<code>${part}</code>` : part));
}
