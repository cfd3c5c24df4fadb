import type { Session } from '../auth/index.ts';
import type { WebAnswer } from '../kernel/index.ts';
import type { Assets } from './assets.ts';
import { html, type Insert, type Markup, render } from './markup.ts';
import type { PortalConfig } from './ports.ts';

/** One page before it gets its frame. */
export interface View {
  readonly title: string;
  readonly body: Markup;
  /** Null for pages that anybody may see: they have no navigation. */
  readonly session: Session | null;
  /** The entry of the navigation that this page belongs to. */
  readonly current?: string;
  readonly width?: 'narrow' | 'wide';
  /** Names of scripts and further stylesheets. */
  readonly scripts?: readonly string[];
  readonly styles?: readonly string[];
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly formActions?: readonly string[];
}

/** Puts a page into its frame: head, navigation, footer. */
export type Frame = (view: View) => WebAnswer;

interface Entry {
  readonly path: string;
  readonly text: string;
}

/** What the frame knows beside the page. */
export interface FrameParts {
  readonly version: string;
  readonly assets: Assets;
  readonly config: () => PortalConfig;
  /** Whether people of some queue may give the gateway their vovserver password. */
  readonly mayEnrol: () => boolean;
}

function entriesFor({ identity }: Session, { config, mayEnrol }: FrameParts): readonly Entry[] {
  const seesAll = identity.roles.includes('operator') || identity.roles.includes('admin');
  const entry = (path: string, text: string, shown = true): readonly Entry[] => (shown ? [{ path, text }] : []);
  return [
    ...entry('/ui/', 'Account'),
    ...entry('/ui/tokens', 'Access tokens'),
    ...entry('/ui/credential', 'vovserver password', mayEnrol()),
    ...entry('/ui/sessions', 'Sessions'),
    ...entry('/ui/api', 'API', config().docs.explorer),
    ...entry('/ui/admin/tokens', 'All tokens', seesAll),
  ];
}

/** The hidden field that every form of a session carries. */
export const csrfField = ({ csrf }: Session): Markup => html`<input type="hidden" name="csrf" value="${csrf}">`;

function navigation(session: Session, entries: readonly Entry[], current: string | undefined): Markup {
  const item = ({ path, text }: Entry): Markup =>
    html`<li><a href="${path}"${path === current && html` aria-current="page"`}>${text}</a></li>`;
  return html`<nav aria-label="Pages"><ul>${entries.map(item)}</ul></nav>
<div class="who"><span><span class="hidden">Signed in as </span><b>${session.identity.user}</b></span>
<form class="inline" method="post" action="/logout">${csrfField(session)}<button class="small">Sign out</button></form></div>`;
}

/** Creates the {@link Frame} of all pages. */
export function createFrame(parts: FrameParts): Frame {
  const { assets, version } = parts;
  const links = (view: View): Insert => [
    ['portal.css', ...(view.styles ?? [])].map((name) => html`<link rel="stylesheet" href="${assets.urlOf(name)}">\n`),
    (view.scripts ?? []).map((name) => html`<script src="${assets.urlOf(name)}" defer></script>\n`),
  ];
  const top = ({ session, current }: View): Markup => html`<header class="top"><div class="bar">
<a class="brand" href="/ui/"><img src="${assets.urlOf('icon.svg')}" alt="" width="28" height="28">vov-gateway</a>
${session && navigation(session, entriesFor(session, parts), current)}</div></header>`;
  return (view) => {
    const { title, body, width, status, headers, formActions } = view;
    const page = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="robots" content="noindex">
<title>${title} – vov-gateway</title>
<link rel="icon" type="image/svg+xml" href="${assets.urlOf('icon.svg')}">
${links(view)}</head>
<body class="${width ?? 'normal'}">
<a class="skip" href="#main">Skip to the content</a>
${top(view)}
<main id="main" tabindex="-1">
${body}
</main>
<footer class="foot"><p>vov-gateway ${version}</p></footer>
</body>
</html>
`;
    return {
      kind: 'page',
      html: render(page),
      ...(status === undefined ? {} : { status }),
      ...(headers === undefined ? {} : { headers }),
      ...(formActions === undefined ? {} : { formActions }),
    };
  };
}
