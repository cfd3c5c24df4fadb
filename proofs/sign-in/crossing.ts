import type { createFigures } from '../figures.ts';
import { count, counted } from '../pollers.ts';
import { ask, CALLER_ADDRESS, openPage, type SignIn, type Site, signIn, WAYS, whoIs } from './site.ts';

export type Figures = ReturnType<typeof createFigures>;

/** Picks in turn. */
export const inTurn = <T>(list: readonly T[], at: number): T => {
  const one = list[at % list.length];
  if (one === undefined) throw new RangeError('an empty list');
  return one;
};

/** Sign-ins that begin on one replica and end on another, and what each replica then says of the session. */
export async function proveCrossing(site: Site, figures: Figures, wanted: number): Promise<SignIn[]> {
  const all: SignIn[] = [];
  for (const way of WAYS) {
    const crossed: SignIn[] = [];
    const failed = new Map<string, number>();
    const roads = new Map<string, number>();
    let wrong = 0;
    // Some may end where they began, since the provider fetches metadata through the same balancer: they do not count.
    for (let at = 0; crossed.length < wanted && at < wanted * 2; at++) {
      const person = inTurn(site.people, at);
      const done = await signIn(site, way, person);
      if (done.cookie === '' || done.end.status !== 303) count(failed, `${done.end.status} ${done.end.url}`);
      const seen = await Promise.all(site.replicas.map((replica) => whoIs(site, replica.url, done)));
      wrong += seen.filter((user) => user !== person.name).length;
      if (done.began === done.finished) continue;
      count(roads, `${done.began}→${done.finished}`);
      crossed.push(done);
    }
    all.push(...crossed);
    const road = [...roads].map(([name, n]) => `${name} ${n}`).join(', ');
    figures.add(
      `${way}: sign-ins begun on one replica, finished on another`,
      `${wanted}`,
      `${crossed.length} (${road})`,
      crossed.length >= wanted,
    );
    figures.add(`${way}: of these failed`, '0', counted(failed), failed.size === 0);
    figures.add(`${way}: answers of the three replicas that did not know the person`, '0', wrong, wrong === 0);
  }
  await proveAddress(site, figures, all);
  return all;
}

/** Behind the balancer the gateway sees the caller's own address, and believes nobody else about it. */
async function proveAddress(site: Site, figures: Figures, signIns: readonly SignIn[]): Promise<void> {
  const one = inTurn(signIns, 0);
  const { body } = await openPage(site, one, '/ui/sessions');
  const seen = new Set([...body.matchAll(/>(\d+\.\d+\.\d+\.\d+)</g)].map(([, address = '']) => address));
  const text = [...seen].join(', ');
  figures.add('address of the caller behind the balancer', CALLER_ADDRESS, text, text === CALLER_ADDRESS);
  const direct = await ask(site, inTurn(site.replicas, 0).url, '/ui/sessions', one);
  figures.add('a replica past the balancer, under the public name', '200', direct.status, direct.status === 200);
}
