import { type Figures, inTurn } from './crossing.ts';
import { formsOf, search } from './notes.ts';
import { ask, makeToken, type Site, signIn, WAYS } from './site.ts';
import type { Store } from './store.ts';

const PLANTED = 'planted ~~~???>>> by the proof';

/** One of everything that is kept: sessions, tokens, a login of `vovgw login` under way, a sign-in under way. */
async function keepOfAll(site: Site): Promise<void> {
  for (const way of WAYS) {
    const one = await signIn(site, way, inTurn(site.people, 1));
    await makeToken(site, one, 'dump');
    await ask(site, site.url, `/${way}/${way}/login`, {});
  }
  const { body } = await ask(
    site,
    site.url,
    '/oauth/device_authorization',
    {},
    { client_id: 'vovgw', host: 'submit-host-1' },
  );
  const { device_code: device, user_code: user } = JSON.parse(body) as { device_code: string; user_code: string };
  site.notes.add('device code', device).add('user code', user).add('user code', user.replace('-', ''));
}

/** A complete dump of Redis with its files holds nothing of what was noted. */
export async function proveDump(site: Site, store: Store, figures: Figures): Promise<void> {
  await keepOfAll(site);
  // Nothing but its head: the rest is different in each.
  site.notes.add('JWT', 'eyJhbGciOi');
  const { bytes, keys, files } = await store.everything();
  const found = search(bytes, site.notes);
  figures.add(
    'a dump of Redis: keys, files, megabytes',
    'shown only',
    `${keys}, ${files}, ${(bytes.length / 1e6).toFixed(1)}`,
    true,
  );
  for (const [kind, texts] of site.notes.kinds) {
    const hits = found.filter((hit) => hit.kind === kind);
    const where = hits.length === 0 ? '0' : `${hits.length} (${hits[0]?.form}: …${JSON.stringify(hits[0]?.around)})`;
    figures.add(`of ${texts.size} × ${kind}: found in clear, hex, base64, base64url`, '0', where, hits.length === 0);
  }
  await proveSearch(site, store, figures);
}

/** The search finds what is there. */
async function proveSearch(site: Site, store: Store, figures: Figures): Promise<void> {
  const forms = [...formsOf(PLANTED)];
  site.notes.add('planted', PLANTED);
  await Promise.all(forms.map(([form], at) => store.put(`planted:${at}`, `before ${form} after`)));
  const { bytes } = await store.everything();
  const hits = search(bytes, site.notes).filter(({ kind }) => kind === 'planted');
  const ways = new Set(hits.map(({ form }) => form));
  await store.delete(forms.map((_, at) => `planted:${at}`));
  // In the value, in its DUMP, and in the files.
  const least = forms.length * 3;
  figures.add(
    `control: a text planted in ${forms.length} spellings`,
    `found ≥ ${least} times, in 4 ways`,
    `${hits.length} times, in ${ways.size} ways`,
    hits.length >= least && ways.size === 4,
  );
}
