import { htmlReply, jsonReply, type Reply } from './reply.ts';
import { answerVendorPage, MARKER } from './vendor-page.ts';

export { MARKER };

const PAGES: Readonly<Record<string, string>> = {
  '/project': 'Project home',
  '/vov/srvconfig.cgi': 'Server configuration',
};

/** The pages of vovserver outside REST v3; old API versions answer without a login. Null when there is none. */
export function answerPage(path: string): Reply | null {
  const documentation = answerVendorPage(path);
  if (documentation !== null) return documentation;
  const title = Object.hasOwn(PAGES, path) ? PAGES[path] : undefined;
  if (title !== undefined) return htmlReply(200, `${title} (${MARKER} ${path})`);
  return /^\/api\/v[12]\//.test(path) ? jsonReply(200, { marker: MARKER, path }) : null;
}
