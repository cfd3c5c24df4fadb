import { htmlReply, jsonReply, type Reply } from './reply.ts';

/** A word in each page outside REST v3, so that a test can prove that a gateway never shows one. */
export const MARKER = 'standin-marker';

const PAGES: Readonly<Record<string, string>> = {
  '/html/vovrest.html': 'REST API documentation',
  '/project': 'Project home',
  '/vov/srvconfig.cgi': 'Server configuration',
};

/** The pages of vovserver outside REST v3; old API versions answer without a login. Null when there is none. */
export function answerPage(path: string): Reply | null {
  const title = Object.hasOwn(PAGES, path) ? PAGES[path] : undefined;
  if (title !== undefined) return htmlReply(200, `${title} (${MARKER} ${path})`);
  return /^\/api\/v[12]\//.test(path) ? jsonReply(200, { marker: MARKER, path }) : null;
}
