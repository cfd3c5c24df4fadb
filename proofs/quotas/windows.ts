import type { createFigures } from '../figures.ts';
import { pause } from '../pace.ts';
import { type Ask, type Told, wasAccepted, wasRefused } from './post.ts';
import type { Site } from './site.ts';
import { jobsOf, mostWithin } from './witness.ts';

type Figures = ReturnType<typeof createFigures>;

const MINUTE_MS = 60_000;
/** What is counted is freed when its whole second has left the minute. */
const FREE_MS = 61_500;

/** `each` submissions of everybody, mixed up by a shuffle that is the same for the same seed. */
export function asksOf(people: readonly string[], each: number, prefix: string, seed: number): Ask[] {
  const asks = people.flatMap((who) =>
    Array.from({ length: each }, (_, at) => ({ who, name: `${prefix}-${who}-${at}`, command: 'sleep 600' })),
  );
  let state = seed + 1;
  for (let at = asks.length - 1; at > 0; at -= 1) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    const other = state % (at + 1);
    [asks[at], asks[other]] = [asks[other] as Ask, asks[at] as Ask];
  }
  return asks;
}

/** Text of a list of numbers, each once. */
export const spread = (numbers: readonly number[]): string =>
  [...new Set(numbers)].sort((a, b) => a - b).join(', ') || '–';

/** What a refusal must name, by what the witness counted of the last minute. */
export function dueNames(site: Site, who: string, count: (people: readonly string[]) => number): string[] {
  const { groups, sizes } = site;
  const due = count([who]) >= sizes.perMinute ? ['person'] : [];
  const { red = [] } = groups;
  return red.includes(who) && count(red) >= sizes.teamPerMinute ? [...due, 'red-team'] : due;
}

/** The names of quotas in the text of a refusal. */
export const namesIn = ({ detail }: Told): string[] =>
  [...detail.matchAll(/\(quota ([^)]+)\)/g)].map(([, name]) => name ?? '').sort();

/** What a flood into the first and the second minute was told. */
export interface Windows {
  readonly first: readonly Told[];
  readonly second: readonly Told[];
}

/** Accepted ones by person. */
function accepted(told: readonly Told[], people: readonly string[]): number[] {
  return people.map((who) => told.filter((one) => one.who === who && wasAccepted(one)).length);
}

const sum = (numbers: readonly number[]): number => numbers.reduce((a, b) => a + b, 0);

/** The first minute: everybody wants more than there is. Then each refusal is held against the witness. */
export async function firstMinute(site: Site, figures: Figures, each: number, seed: number): Promise<Windows['first']> {
  const { red = [], blue = [] } = site.groups;
  const { perMinute, teamPerMinute } = site.sizes;
  const told = await site.flood(asksOf([...red, ...blue], each, 'one', seed));
  const people = accepted(told, blue);
  figures.add(
    'accepted of each person',
    `${perMinute}`,
    spread(people),
    people.every((n) => n === perMinute),
  );
  const team = accepted(told, red);
  const teamHolds = sum(team) === teamPerMinute && team.every((n) => n <= perMinute);
  figures.add(
    `accepted of the group of ${red.length}`,
    `${teamPerMinute}, nobody above ${perMinute}`,
    `${sum(team)}: ${team.join(' + ')}`,
    teamHolds,
  );
  const odd = told.filter((one) => !wasAccepted(one) && !wasRefused(one));
  const oddText = odd.length === 0 ? '0' : `${odd.length}: ${odd[0]?.status} ${odd[0]?.code} ${odd[0]?.detail}`;
  figures.add('neither accepted nor 429 GW_QUOTA', '0', oddText, odd.length === 0);
  const refused = told.filter(wasRefused);
  const poor = refused.filter(
    ({ retryAfter, limits }) => !(retryAfter >= 1 && retryAfter <= 61) || !limits.includes('r=0'),
  );
  figures.add(
    `of ${refused.length} refusals: without Retry-After of 1 to 61 s, RateLimit r=0, or a name`,
    '0',
    poor.length + refused.filter((one) => namesIn(one).length === 0).length,
    poor.length === 0 && refused.length > 0 && refused.every((one) => namesIn(one).length > 0),
  );
  const jobs = await site.jobs();
  const now = Date.now();
  const count = (some: readonly string[]): number =>
    jobsOf(jobs, some, 'one').filter(({ submittedAt }) => submittedAt > now - MINUTE_MS).length;
  const wrong: string[] = [];
  for (const [at, who] of [...red, ...blue].entries()) {
    const one = await site.ask(at, { who, name: `asked-${who}`, command: 'sleep 600' });
    const due = dueNames(site, who, count);
    if (!wasRefused(one) || namesIn(one).join() !== due.join()) wrong.push(`${who}: ${one.detail} / ${due}`);
  }
  figures.add(
    `of ${red.length + blue.length} refusals in the quiet: other names than the witness counts`,
    '0',
    wrong.length === 0 ? '0' : `${wrong.length}: ${wrong[0]}`,
    wrong.length === 0,
  );
  return told;
}

/** One person comes back before its Retry-After is over, and then after it. */
export async function afterRetry(site: Site, figures: Figures): Promise<Told[]> {
  const who = site.groups.blue?.[0] ?? '';
  const name = (text: string) => ({ who, name: `two-retry-${text}`, command: 'sleep 600' });
  const refused = await site.ask(0, name('first'));
  const due = refused.ended + refused.retryAfter * 1000;
  await pause(due - 1200 - Date.now());
  const early = await site.ask(1, name('early'));
  await pause(due - Date.now());
  const late = await site.ask(2, name('late'));
  figures.add(
    `a refusal with Retry-After ${refused.retryAfter}: 1.2 s too early, and after it`,
    '429, 200',
    `${early.status}, ${late.status}`,
    wasRefused(early) && wasAccepted(late),
  );
  return [early, late];
}

/** The second minute, when all of the first has left the span: the same again. */
export async function secondMinute(
  site: Site,
  figures: Figures,
  each: number,
  seed: number,
  first: Windows['first'],
): Promise<void> {
  const { red = [], blue = [] } = site.groups;
  const { perMinute, teamPerMinute } = site.sizes;
  const retried = await afterRetry(site, figures);
  const last = Math.max(...first.filter(wasAccepted).map(({ ended }) => ended));
  await pause(last + FREE_MS - Date.now());
  const told = [...retried, ...(await site.flood(asksOf([...red, ...blue], each, 'two', seed + 1)))];
  const people = accepted(told, blue);
  const team = accepted(told, red);
  figures.add(
    'the minute after: accepted of each person, of the group',
    `${perMinute}, ${teamPerMinute}`,
    `${spread(people)}, ${sum(team)}`,
    people.every((n) => n === perMinute) && sum(team) === teamPerMinute,
  );
  const jobs = await site.jobs();
  // A submission is counted on its way to vovserver: two can come closer there by as long as one takes.
  const slowest = Math.max(...[...first, ...told].filter(wasAccepted).map(({ began, ended }) => ended - began));
  const ms = MINUTE_MS - slowest;
  const mostOf = (some: readonly string[]): number =>
    Math.max(mostWithin(jobsOf(jobs, some, 'one-').concat(jobsOf(jobs, some, 'two-')), ms));
  const most = [Math.max(...[...red, ...blue].map((who) => mostOf([who]))), mostOf(red)];
  figures.add(
    `vovserver: most jobs of a person, of the group, in any ${(ms / 1000).toFixed(1)} s`,
    `≤ ${perMinute}, ${teamPerMinute}`,
    most.join(', '),
    (most[0] ?? 0) <= perMinute && (most[1] ?? 0) <= teamPerMinute,
  );
  const witnessed = jobsOf(jobs, [...red, ...blue], 'one-').length + jobsOf(jobs, [...red, ...blue], 'two-').length;
  const answered = [...first, ...told].filter(wasAccepted).length;
  figures.add('jobs in vovserver', `${answered}, as were answered well`, witnessed, witnessed === answered);
}

/** After all gateways and Redis were killed: who had used up the minute has, and so have those with live jobs. */
export async function afterRestart(site: Site, figures: Figures): Promise<void> {
  const { red = [], blue = [], one = [] } = site.groups;
  const before = (await site.jobs()).length;
  const began = Date.now();
  await site.killAll();
  const told = await site.flood(asksOf([...red, ...blue, ...one], 6, 'restarted', 0));
  const took = ((Date.now() - began) / 1000).toFixed(1);
  const others = told.filter((answer) => !wasRefused(answer));
  const more = (await site.jobs()).length - before;
  figures.add(
    `all gateways and Redis killed, started and tried ${told.length} times within ${took} s: accepted, otherwise answered`,
    '0, 0',
    `${more}, ${others.length}${others.length > 0 ? ` ${others[0]?.status} ${others[0]?.code}` : ''}`,
    more === 0 && others.length === 0 && told.length > 0,
  );
}
