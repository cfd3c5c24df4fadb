import { pause } from '../pace.ts';
import { count, counted } from '../pollers.ts';
import { until } from '../stage.ts';
import { type Figures, inTurn } from './crossing.ts';
import {
  ask,
  type Callback,
  ME,
  makeToken,
  openPage,
  type Reply,
  type Shown,
  type Site,
  signIn,
  WAYS,
  whoIs,
} from './site.ts';

/** Milliseconds. */
const BOUND = 500;

/** What is asked while Redis is away, and what must not be in the answer. */
interface Question {
  readonly name: string;
  ask(base: string): Promise<Reply>;
}

async function callbackOf(site: Site, way: (typeof WAYS)[number]): Promise<Callback> {
  let kept: Callback | null = null;
  const stop = new Error('kept');
  const keep = async (callback: Callback): Promise<void> => {
    kept = callback;
    throw stop;
  };
  await signIn(site, way, inTurn(site.people, 0), keep).catch((error: unknown) => {
    if (error !== stop) throw error;
  });
  if (kept === null) throw new Error(`${way}: no callback`);
  return kept;
}

/** Everything that needs the store: sign-in, sessions and tokens that no replica has seen of late, changes. */
async function questionsOf(site: Site, hot: Shown, stale: Shown): Promise<Question[]> {
  const unseen = await signIn(site, 'oidc', inTurn(site.people, 1));
  const maker = await signIn(site, 'saml', inTurn(site.people, 2));
  const token = await makeToken(site, maker, 'unseen');
  const page = await openPage(site, maker, '/ui/tokens');
  const csrf = page.forms.find(({ fields }) => fields.csrf !== undefined)?.fields.csrf ?? '';
  const cookie = maker.cookie;
  // The change is asked for with a session that all know: only the change itself needs the store.
  for (const { url } of site.replicas) await whoIs(site, url, { cookie });
  const callbacks = await Promise.all(WAYS.map(async (way) => ({ way, callback: await callbackOf(site, way) })));
  const form = { csrf, label: 'away', scopes: 'read', life: '86400000', once: 'A'.repeat(22) };
  return [
    { name: 'a session that no replica has seen', ask: (base) => ask(site, base, ME, { cookie: unseen.cookie }) },
    { name: 'a session last seen more than 60 s ago', ask: (base) => ask(site, base, ME, stale) },
    { name: 'a token that no replica has seen', ask: (base) => ask(site, base, ME, { token }) },
    ...WAYS.map((way) => ({
      name: `the start of a sign-in by ${way}`,
      ask: (base: string) => ask(site, base, `/${way}/${way}/login`, {}),
    })),
    ...callbacks.map(({ way, callback }) => ({
      name: `the end of a sign-in by ${way}`,
      ask: (base: string) =>
        ask(site, base, callback.url.slice(site.url.length), { cookie: callback.cookie }, callback.form, site.idp.url),
    })),
    {
      name: 'a new token in the portal',
      ask: (base) => ask(site, base, '/ui/tokens', hot.cookie === undefined ? {} : { cookie }, form),
    },
    { name: 'vovgw login', ask: (base) => ask(site, base, '/oauth/device_authorization', {}, { client_id: 'vovgw' }) },
  ];
}

/** Asks with what was seen a moment ago, twice a second on each replica. */
function keepUsing(site: Site, held: readonly Shown[]) {
  const wrong = new Map<string, number>();
  let slowest = 0;
  let calls = 0;
  let stopped = false;
  const one = async (shown: Shown): Promise<void> => {
    while (!stopped) {
      for (const { url } of site.replicas) {
        const { status, took } = await ask(site, url, ME, shown);
        calls++;
        slowest = Math.max(slowest, took);
        if (status !== 200) count(wrong, String(status));
      }
      await pause(BOUND);
    }
  };
  const done = Promise.all(held.map(one));
  return {
    wrong,
    figures: () => ({ calls, slowest }),
    async stop() {
      stopped = true;
      await done;
    },
  };
}

/** Redis stopped for some seconds: who goes on, who is told to come back, and that nothing opens. */
export async function proveOutage(site: Site, figures: Figures, seconds: number): Promise<void> {
  const stale = { cookie: (await signIn(site, 'oidc', inTurn(site.people, 0))).cookie };
  for (const { url } of site.replicas) await whoIs(site, url, stale);
  await pause(61_000);
  const held: Shown[] = [];
  for (const way of WAYS) {
    const one = await signIn(site, way, inTurn(site.people, 3));
    held.push({ cookie: one.cookie }, { token: await makeToken(site, one, 'held') });
  }
  const questions = await questionsOf(site, inTurn(held, 0), stale);
  for (const shown of held) for (const { url } of site.replicas) await whoIs(site, url, shown);
  const using = keepUsing(site, held);
  await site.stage.redis.stop();
  const away = performance.now();
  const seen = new Map<string, { readonly statuses: Map<string, number>; slowest: number }>();
  let opened = 0;
  for (let round = 0; performance.now() - away < seconds * 1000; round++) {
    for (const { name, ask: question } of questions) {
      const entry = seen.get(name) ?? { statuses: new Map<string, number>(), slowest: 0 };
      seen.set(name, entry);
      const { status, took, setCookie, body } = await question(inTurn(site.replicas, round).url);
      count(entry.statuses, String(status));
      entry.slowest = Math.max(entry.slowest, took);
      if (status < 400 || /vgw_\w/.test(body) || setCookie.some((line) => /vovgw=[^;]/.test(line))) opened++;
    }
    await pause(200);
  }
  const { calls, slowest } = using.figures();
  figures.add(
    `Redis away ${seconds} s: failed of ${calls} calls with what was seen in the last 60 s`,
    '0',
    counted(using.wrong),
    using.wrong.size === 0 && calls > 0,
  );
  figures.add('the slowest of them', `≤ ${BOUND} ms`, `${Math.ceil(slowest)} ms`, slowest <= BOUND);
  for (const [name, entry] of seen) {
    const all = entry.statuses.size === 1 && entry.statuses.has('503');
    figures.add(
      name,
      `503 within ${BOUND} ms`,
      `${counted(entry.statuses)}, ${Math.ceil(entry.slowest)} ms`,
      all && entry.slowest <= BOUND,
    );
  }
  figures.add('sessions, tokens or pages that opened meanwhile', '0', opened, opened === 0);
  await site.stage.redis.start();
  const started = performance.now();
  await until('each replica starts sign-ins again', async () => {
    const answers = await Promise.all(site.replicas.map(({ url }) => ask(site, url, '/oidc/oidc/login', {})));
    return answers.every(({ status }) => status === 303) ? true : null;
  });
  const recovered = Math.ceil(performance.now() - started);
  figures.add('back: each replica starts sign-ins after', '≤ 5000 ms', `${recovered} ms`, recovered <= 5000);
  const back = await Promise.all(site.replicas.map(({ url }) => whoIs(site, url, stale)));
  await using.stop();
  const known = back.filter((user) => user === inTurn(site.people, 0).name).length;
  figures.add(
    'back: the session that was not seen for long, on each replica',
    `${site.replicas.length}`,
    known,
    known === site.replicas.length,
  );
  figures.add('back: failed calls of the others', '0', counted(using.wrong), using.wrong.size === 0);
}
