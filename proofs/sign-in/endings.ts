import { pause } from '../pace.ts';
import { type Figures, inTurn } from './crossing.ts';
import { ask, ME, makeToken, openPage, type Shown, type SignIn, type Site, signIn, WAYS, type Way } from './site.ts';

const PATIENCE = 5000;

/** A way in which something ends: what is shown to be refused, and the act that ends it. */
interface Ending {
  readonly name: string;
  prepare(site: Site, at: number): Promise<{ readonly shown: Shown; readonly stays?: Shown; end(): Promise<unknown> }>;
}

/** Milliseconds from `since` until each replica refuses what is shown. */
async function refusedEverywhere(site: Site, shown: Shown, since: number): Promise<number> {
  const each = site.replicas.map(async ({ url }) => {
    for (;;) {
      const { status } = await ask(site, url, ME, shown);
      const after = performance.now() - since;
      if (status === 401) return after;
      if (after > PATIENCE) return Number.POSITIVE_INFINITY;
      await pause(2);
    }
  });
  return Math.max(...(await Promise.all(each)));
}

const acceptedBy = async (site: Site, shown: Shown): Promise<number> => {
  const answers = await Promise.all(site.replicas.map(({ url }) => ask(site, url, ME, shown)));
  return answers.filter(({ status }) => status === 200).length;
};

async function signOut(site: Site, { browser }: SignIn): Promise<void> {
  const page = await browser.open(`${site.url}/ui/`);
  await browser.submit(page, {}, { form: (form) => form.action.endsWith('/logout') });
}

/** Ends the login at the provider, which tells the gateway: by back-channel in OpenID Connect, by the browser in SAML. */
async function signOutAtProvider(site: Site, { browser }: SignIn): Promise<void> {
  const page = await browser.open(`${site.idp.url}/logout`);
  const out = await browser.settle(await browser.submit(page));
  if (out.status !== 200 || !out.body.includes('signed out everywhere'))
    throw new Error(`the provider says ${out.status}: ${out.body.slice(-400)}`);
}

const ofSession = (way: Way, name: string, act: (site: Site, one: SignIn) => Promise<unknown>): Ending => ({
  name: `${way}: ${name}`,
  async prepare(site, at) {
    const one = await signIn(site, way, inTurn(site.people, at));
    return { shown: { cookie: one.cookie }, end: () => act(site, one) };
  },
});

const endOthers = (way: Way): Ending => ({
  name: `${way}: “end all other sessions” in the portal`,
  async prepare(site, at) {
    const person = inTurn(site.people, at);
    const [one, other] = [await signIn(site, way, person), await signIn(site, way, person)];
    const page = await openPage(site, one, '/ui/sessions');
    const end = (): Promise<unknown> =>
      one.browser.submit(page, {}, { form: (form) => form.action.endsWith('/end-others') });
    return { shown: { cookie: other.cookie }, stays: { cookie: one.cookie }, end };
  },
});

const revokeToken = (way: Way): Ending => ({
  name: `${way}: an access token revoked in the portal`,
  async prepare(site, at) {
    const one = await signIn(site, way, inTurn(site.people, at));
    const token = await makeToken(site, one, `proof ${at}`);
    const page = await openPage(site, one, '/ui/tokens');
    const id = token.slice(4, 16);
    const end = (): Promise<unknown> =>
      one.browser.submit(page, {}, { form: (form) => form.action.endsWith(`/${id}/revoke`) });
    return { shown: { token }, stays: { cookie: one.cookie }, end };
  },
});

const ENDINGS: readonly Ending[] = WAYS.flatMap((way) => [
  ofSession(way, 'logged out on one replica', signOut),
  endOthers(way),
  revokeToken(way),
  ofSession(
    way,
    way === 'oidc' ? 'back-channel logout of the provider' : 'single logout of the provider',
    signOutAtProvider,
  ),
]);

/** Everything that ends a session or token, measured from the moment at which it is asked for. */
export async function proveEndings(site: Site, figures: Figures, times: number): Promise<void> {
  const ended: Shown[] = [];
  for (const ending of ENDINGS) {
    const took: number[] = [];
    let wasNotThere = 0;
    let lost = 0;
    for (let at = 0; at < times; at++) {
      const { shown, stays, end } = await ending.prepare(site, at);
      // All replicas have just seen it, so that each has something to forget.
      if ((await acceptedBy(site, shown)) < site.replicas.length) wasNotThere++;
      const since = performance.now();
      await Promise.all([end(), refusedEverywhere(site, shown, since).then((ms) => took.push(ms))]);
      if (stays !== undefined && (await acceptedBy(site, stays)) < site.replicas.length) lost++;
      ended.push(shown);
    }
    const worst = Math.max(...took);
    const sorted = took.sort((a, b) => a - b);
    const median = sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
    figures.add(
      `${ending.name}: refused by all replicas, worst of ${took.length}`,
      '≤ 1000 ms after the click',
      `${Math.ceil(worst)} ms (median ${Math.ceil(median)} ms)`,
      worst <= 1000 && took.length === times,
    );
    if (wasNotThere + lost > 0)
      figures.add(`${ending.name}: not known before, or ended though it should stay`, '0', wasNotThere + lost, false);
  }
  await pause(1100);
  let back = 0;
  for (const shown of ended) back += await acceptedBy(site, shown);
  figures.add(`accepted again of ${ended.length} that ended, on three replicas`, '0', back, back === 0);
}
