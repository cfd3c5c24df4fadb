import { randomBytes } from 'node:crypto';
import { pause } from '../pace.ts';
import { count, counted } from '../pollers.ts';
import { readText } from '../stage.ts';
import { type Figures, inTurn } from './crossing.ts';
import { makeToken, type Shown, type Site, type Somebody, signIn, WAYS, whoIs } from './site.ts';

interface Held {
  readonly person: Somebody;
  readonly shown: Shown;
  readonly what: 'session' | 'access token';
}

const newKey = (): string => randomBytes(32).toString('base64');

/** Uses everything once a second through the balancer until told to stop; what was not answered as it should be. */
function use(site: Site, held: readonly Held[], intervalMs: number) {
  const wrong = new Map<string, number>();
  let calls = 0;
  let stopped = false;
  const one = async ({ person, shown, what }: Held): Promise<void> => {
    while (!stopped) {
      const user = await whoIs(site, site.url, shown).catch(
        (error: unknown) => `cut off (${error instanceof Error ? error.message : 'no answer'})`,
      );
      calls++;
      if (user !== person.name) count(wrong, `${what}: ${user}`);
      await pause(intervalMs);
    }
  };
  const done = Promise.all(held.map(one));
  return {
    wrong,
    calls: () => calls,
    async stop() {
      stopped = true;
      await done;
    },
  };
}

async function lost(site: Site, held: readonly Held[], what: Held['what']): Promise<number> {
  let gone = 0;
  for (const one of held.filter((candidate) => candidate.what === what)) {
    const users = await Promise.all(site.replicas.map(({ url }) => whoIs(site, url, one.shown)));
    if (users.some((user) => user !== one.person.name)) gone++;
  }
  return gone;
}

/** The secrets that the stage gave to its gateways. */
async function secretsOf(site: Site): Promise<{ sealingKey: string; tokenKey: string }> {
  const file = JSON.parse(await readText(inTurn(site.replicas, 0).configFile)) as {
    secrets: { sealingKey: string; tokenKey: string };
  };
  return file.secrets;
}

/** Rotates the sealing key twice by rolling restarts, while everything is in use. */
export async function proveRotation(
  site: Site,
  figures: Figures,
  sessions: number,
  betweenSeconds: number,
): Promise<void> {
  const held: Held[] = [];
  for (let at = 0; at < sessions; at++) {
    const one = await signIn(site, inTurn(WAYS, at), inTurn(site.people, at));
    held.push({ person: one.person, shown: { cookie: one.cookie }, what: 'session' });
    if (at < site.people.length)
      held.push({ person: one.person, shown: { token: await makeToken(site, one, 'rotation') }, what: 'access token' });
  }
  const { sealingKey: first, tokenKey } = await secretsOf(site);
  const keys = [first, newKey(), newKey()] as const;
  const using = use(site, held, 1000);
  for (const [at, key] of keys.slice(1).entries()) {
    const previous = inTurn(keys, at);
    // The next key opens everywhere before it seals anywhere.
    await site.roll({ secrets: { sealingKey: previous, previousSealingKey: key, tokenKey } });
    await site.roll({ secrets: { sealingKey: key, previousSealingKey: previous, tokenKey } });
    const gone = [await lost(site, held, 'session'), await lost(site, held, 'access token')];
    figures.add(
      `rotation ${at + 1}: lost sessions of ${sessions}, access tokens of ${held.length - sessions}`,
      '0, 0',
      gone.join(', '),
      gone.every((n) => n === 0),
    );
    const again = await Promise.all(WAYS.map((way) => signIn(site, way, inTurn(site.people, at))));
    const refused = again.filter(({ cookie }) => cookie === '').length;
    figures.add(`rotation ${at + 1}: sign-ins refused afterwards`, '0 of 2', refused, refused === 0);
    if (at === 0) await pause(betweenSeconds * 1000);
  }
  await using.stop();
  figures.add(
    `calls not answered as they should be, of ${using.calls()} meanwhile`,
    '0',
    counted(using.wrong),
    using.wrong.size === 0,
  );
}
