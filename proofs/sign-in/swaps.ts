import { pause } from '../pace.ts';
import type { GatewayProcess } from '../stage.ts';
import { type Figures, inTurn } from './crossing.ts';
import { ask, makeToken, openPage, type Shown, type SignIn, type Site, type Somebody, signIn, whoIs } from './site.ts';
import type { Store } from './store.ts';

/** Longer than any replica believes what it has read. */
const TRUST_MS = 1200;
const READ = '/api/v3/project/1/version';

/** Two people whose values change places. */
interface Pair {
  readonly what: string;
  /** Keys of the first and of the second. */
  readonly keys: readonly [string, string];
  readonly shown: readonly (readonly [Somebody, Shown])[];
  /** Whether everything holds again once the values are back. */
  readonly survives: boolean;
}

interface Seen {
  accepted: number;
  other: number;
  back: number;
}

const only = (keys: readonly string[], what: string): string => {
  const [key] = keys;
  if (key === undefined || keys.length > 1) throw new Error(`${keys.length} keys of ${what}: ${keys.join(' ')}`);
  return key;
};

/** Swaps, asks every replica for both, and swaps back. */
async function swapped(site: Site, store: Store, { keys, shown }: Pair): Promise<Seen> {
  const seen = { accepted: 0, other: 0, back: 0 };
  const each = async (look: (user: string, person: Somebody) => void): Promise<void> => {
    for (const { url } of site.replicas) for (const [person, what] of shown) look(await whoIs(site, url, what), person);
  };
  await store.swap(...keys);
  await pause(TRUST_MS);
  await each((user, person) => {
    if (/^\d{3} /.test(user)) return;
    seen.accepted++;
    if (user !== person.name) seen.other++;
  });
  await store.swap(...keys);
  await pause(TRUST_MS);
  await each((user, person) => {
    if (user === person.name) seen.back++;
  });
  return seen;
}

/** Signs two people in and gives each a token; the keys that each thing has in the store. */
async function pairsOf(site: Site, store: Store, at: number): Promise<Pair[]> {
  const way = at % 2 === 0 ? 'oidc' : 'saml';
  const people = [inTurn(site.people, 2 * at), inTurn(site.people, 2 * at + 1)] as const;
  const made: { one: SignIn; session: string; token: string; tokenKey: string }[] = [];
  for (const person of people) {
    let one: SignIn | null = null;
    const session = only(
      await store.newKeys('*:session:{*', async () => {
        one = await signIn(site, way, person);
      }),
      'a session',
    );
    if (one === null) throw new Error('no sign-in');
    const token = await makeToken(site, one, `swap ${at}`);
    made.push({ one, session, token, tokenKey: only(await store.keys(`*:token:{${token.slice(4, 16)}}`), 'a token') });
  }
  const [a, b] = made;
  if (a === undefined || b === undefined) throw new Error('two people are needed');
  const withToken = [
    [people[0], { token: a.token }],
    [people[1], { token: b.token }],
  ] as const;
  const withCookie = [
    [people[0], { cookie: a.one.cookie }],
    [people[1], { cookie: b.one.cookie }],
  ] as const;
  return [
    { what: 'sessions', keys: [a.session, b.session], shown: withCookie, survives: true },
    { what: 'access tokens', keys: [a.tokenKey, b.tokenKey], shown: withToken, survives: true },
  ];
}

/** The key of a person's record: the one that is gone when only theirs is not there. */
async function personKeys(site: Site, store: Store, pair: Pair): Promise<[string, string]> {
  const all = await store.keys('*:person:{*');
  const found: string[] = [];
  const [replica] = site.replicas;
  for (const [person, shown] of pair.shown) {
    for (const key of all) {
      const value = await store.get(key);
      await store.put(key, 'gone');
      await pause(TRUST_MS);
      const user = await whoIs(site, replica?.url ?? '', shown);
      await store.put(key, value ?? '');
      if (user === person.name) continue;
      found.push(key);
      break;
    }
  }
  const [a, b] = found;
  if (a === undefined || b === undefined) throw new Error('the records of two people were not found');
  return [a, b];
}

/** Values of two people that change places in Redis, as somebody would do who can write there. */
export async function proveSwaps(site: Site, store: Store, figures: Figures, rounds: number): Promise<void> {
  const totals = new Map<string, Seen & { asked: number }>();
  const add = (what: string, seen: Seen, asked: number): void => {
    const sum = totals.get(what) ?? { accepted: 0, other: 0, back: 0, asked: 0 };
    totals.set(what, {
      accepted: sum.accepted + seen.accepted,
      other: sum.other + seen.other,
      back: sum.back + seen.back,
      asked: sum.asked + asked,
    });
  };
  const asked = 2 * site.replicas.length;
  for (let at = 0; at < rounds; at++) {
    const pairs = await pairsOf(site, store, at);
    for (const pair of pairs) add(pair.what, await swapped(site, store, pair), asked);
    const tokens = pairs.find(({ what }) => what === 'access tokens');
    if (tokens === undefined || at > 0) continue;
    const keys = await personKeys(site, store, tokens);
    add('records of people, asked with tokens', await swapped(site, store, { ...tokens, keys }), asked);
  }
  for (const [what, { accepted, other, back, asked: of }] of totals) {
    figures.add(
      `${what} swapped: accepted of ${of}, as somebody else`,
      '0, 0',
      `${accepted}, ${other}`,
      accepted + other === 0,
    );
    figures.add(`${what} swapped back: accepted`, `${of}`, back, back === of);
  }
  await provePasswords(site, store, figures);
}

interface Login {
  readonly seq: number;
  readonly user: string;
  readonly result: string;
}
interface Call {
  readonly seq: number;
  readonly account: string | null;
  readonly target: string;
}
const ledgerOf = async (site: Site): Promise<{ logins: Login[]; requests: Call[] }> =>
  (await site.standin.control('GET', '/ledger')) as { logins: Login[]; requests: Call[] };

async function enrol(site: Site, store: Store, one: SignIn): Promise<string> {
  const page = await openPage(site, one, '/ui/credential');
  const keys = await store.newKeys('*:enrolled:{*', async () => {
    const form = page.forms.find(({ action }) => action.endsWith('/enrol'));
    const done = await one.browser.submit(
      page,
      { [form?.fields.field ?? '']: one.person.password },
      { form: (other) => other === form },
    );
    if (done.status !== 200) throw new Error(`enrolling failed: ${done.status} ${done.body.slice(0, 500)}`);
  });
  return only(keys, 'an enrolled password');
}

/** Calls vovserver through a replica that has just started and remembers nothing. */
async function callsOf(site: Site, pairs: readonly { one: SignIn; token: string }[]) {
  await using fresh: GatewayProcess = await site.start();
  const from = await ledgerOf(site);
  const statuses: number[] = [];
  for (const { token } of pairs) statuses.push((await ask(site, fresh.url, READ, { token })).status);
  const to = await ledgerOf(site);
  const calls = to.requests.slice(from.requests.length).filter(({ target }) => target === READ);
  return { statuses, calls, logins: to.logins.slice(from.logins.length) };
}

/** Enrolled passwords and cached JWTs of two people that change places. */
async function provePasswords(site: Site, store: Store, figures: Figures): Promise<void> {
  const both: { one: SignIn; token: string; key: string }[] = [];
  for (const person of site.people.slice(0, 2)) {
    const one = await signIn(site, 'oidc', person);
    both.push({ one, token: await makeToken(site, one, 'enrolled'), key: await enrol(site, store, one) });
  }
  const [a, b] = both;
  if (a === undefined || b === undefined) throw new Error('two people are needed');
  const names = both.map(({ one }) => one.person.name);
  const forget = async (): Promise<void> => store.delete(await store.keys('*:jwt:*'));
  await forget();
  await store.swap(a.key, b.key);
  const wrong = await callsOf(site, both);
  await store.swap(a.key, b.key);
  const seen = `${wrong.statuses.join(' ')}; ${wrong.logins.length} logins, ${wrong.calls.length} calls`;
  figures.add(
    'enrolled passwords swapped: calls',
    'refused; 0 logins, 0 calls at vovserver',
    seen,
    wrong.statuses.every((status) => status >= 400) && wrong.logins.length + wrong.calls.length === 0,
  );
  await forget();
  const right = await callsOf(site, both);
  const own = right.calls.map(({ account }) => account).join(' ') === names.join(' ');
  figures.add(
    'enrolled passwords swapped back: calls as their owners',
    '200 200',
    right.statuses.join(' '),
    own && right.statuses.every((status) => status === 200),
  );
  await proveJwts(site, store, figures, both);
}

async function proveJwts(
  site: Site,
  store: Store,
  figures: Figures,
  both: readonly { one: SignIn; token: string }[],
): Promise<void> {
  const jwts = (
    await Promise.all(
      (
        await store.keys('*:jwt:*')
      ).map(async (key) => (((await store.get(key).catch(() => null)) ?? '').includes('s1.') ? [key] : [])),
    )
  ).flat();
  const [x, y] = jwts;
  if (x === undefined || y === undefined || jwts.length !== 2)
    throw new Error(
      `${jwts.length} JWTs in the store: ${(await store.keys('*')).filter((key) => !/session|person|binding|token|once|flow/.test(key)).join(' ')}`,
    );
  await store.swap(x, y);
  const { statuses, calls } = await callsOf(site, both);
  const accounts = calls.map(({ account }) => account);
  const own = both.every(({ one }, at) => accounts[at] === one.person.name);
  figures.add(
    'JWTs of two accounts swapped: calls that reach vovserver as somebody else',
    '0',
    `${accounts.filter((account, at) => account !== both[at]?.one.person.name).length} (answers ${statuses.join(' ')})`,
    own,
  );
}
