import type { AccessTokenPage } from '../auth/index.ts';
import type { WebRequest } from '../kernel/index.ts';
import { html, type Markup } from './markup.ts';

/** The page of a list that a request names by `page`, from 0; the first for anything else. */
export function pageOf({ query }: WebRequest): number {
  const text = query.get('page') ?? '';
  return /^[1-9]\d{0,5}$/.test(text) ? Number(text) - 1 : 0;
}

/** Ways to the neighbours of a page, and what is not shown on it. */
export function pageLinks(
  path: string,
  query: Readonly<Record<string, string>>,
  at: number,
  list: AccessTokenPage,
): Markup {
  const { pages, more } = list;
  const to = (page: number): string => `${path}?${new URLSearchParams({ ...query, page: String(page + 1) })}`;
  return html`${more > 0 && html`<p class="quiet">${more} more derived tokens are not shown; they end with the token above them.</p>`}
${
  pages > 1 &&
  html`<nav class="row" aria-label="Pages of the list"><span class="quiet">Page ${at + 1} of ${pages}, the latest first.</span>
${at > 0 && html`<a class="button small" href="${to(Math.min(at, pages) - 1)}">Newer</a>`}${at + 1 < pages && html`<a class="button small" href="${to(at + 1)}">Older</a>`}</nav>`
}`;
}
