import { until } from '../stage.ts';
import { type Figures, inTurn } from './crossing.ts';
import { ask, type Callback, type Site, signIn, WAYS, type Way } from './site.ts';
import type { Store } from './store.ts';

/** True when the answer opens a session. */
const opens = (setCookie: readonly string[]): boolean => setCookie.some((line) => /^(?:__Host-)?vovgw=[^;]/.test(line));

/** Sends a callback again to each replica, with the cookies that it came with; how many sessions it opens. */
async function again(site: Site, { url, form, cookie }: Callback): Promise<number> {
  let sessions = 0;
  for (const replica of site.replicas) {
    const { setCookie } = await ask(site, replica.url, url.slice(site.url.length), { cookie }, form, site.idp.url);
    if (opens(setCookie)) sessions++;
  }
  return sessions;
}

const backUp = (site: Site): Promise<unknown> =>
  until('the replicas have their Redis back', async () => {
    const states = await Promise.all(
      site.replicas.map(async ({ adminUrl }) => (await fetch(`${adminUrl}/readyz?verbose`)).text()),
    );
    const answers = await Promise.all(site.replicas.map(({ url }) => ask(site, url, '/oidc/oidc/login', {})));
    return states.length > 0 && answers.every(({ status }) => status === 303) ? true : null;
  });

async function proveWay(site: Site, store: Store, figures: Figures, way: Way, rounds: number): Promise<void> {
  const counts = { plain: 0, putBack: 0, restarted: 0, control: 0 };
  const taken: { callback: Callback; before: Awaited<ReturnType<Store['snapshot']>> }[] = [];
  for (let at = 0; at < rounds; at++) {
    const done = await signIn(site, way, inTurn(site.people, at), async (callback) => {
      taken.push({ callback, before: await store.snapshot() });
    });
    if (done.cookie === '') throw new Error(`${way}: the sign-in failed with ${done.end.status}`);
  }
  for (const { callback } of taken) counts.plain += await again(site, callback);
  figures.add(
    `${way}: ${rounds} answers of the provider used again on each replica`,
    '0 sessions',
    counts.plain,
    counts.plain === 0,
  );
  if (way === 'saml') {
    for (const { callback, before } of taken) {
      await store.putBack(before);
      counts.putBack += await again(site, callback);
    }
    figures.add(
      `${way}: the same with what Redis held before put back`,
      '0 sessions',
      counts.putBack,
      counts.putBack === 0,
    );
  }
  await site.stage.redis.stop();
  await site.stage.redis.start();
  await backUp(site);
  for (const { callback, before } of taken) {
    counts.restarted += await again(site, callback);
    if (way !== 'saml') continue;
    await store.putBack(before);
    counts.restarted += await again(site, callback);
  }
  figures.add(`${way}: the same after a restart of Redis`, '0 sessions', counts.restarted, counts.restarted === 0);
  if (way !== 'saml') return;
  // Without the notes of its use it passes: so it is these notes that refuse, and what was sent again was whole.
  for (const { callback, before } of taken) {
    await store.delete([...(await store.keys('*once:*')), ...(await store.keys('*flow:*'))]);
    await store.putBack(before);
    counts.control += await again(site, callback);
  }
  figures.add(
    `${way}: control: with the notes of its use deleted, too`,
    `${rounds} sessions`,
    counts.control,
    counts.control === rounds,
  );
}

/** What a provider sent opens a session once: on all replicas, over a restart, and when Redis is set back. */
export async function proveReplay(site: Site, store: Store, figures: Figures, rounds: number): Promise<void> {
  for (const way of WAYS) await proveWay(site, store, figures, way, rounds);
}
