import type { RequestEntry } from '../../standin/vovserver/ledger.ts';
import type { createFigures } from '../figures.ts';
import { pause } from '../pace.ts';
import { type Ask, type Told, wasAccepted, wasRefused } from './post.ts';
import { ALL_NAMES, type Site, SMALL } from './site.ts';
import { asksOf, namesIn, spread } from './windows.ts';
import { jobsOf, mostLive } from './witness.ts';

type Figures = ReturnType<typeof createFigures>;

const counts = (told: readonly Told[]): string => {
  const by = new Map<string, number>();
  for (const { status, code } of told)
    by.set(`${status} ${code}`.trim(), (by.get(`${status} ${code}`.trim()) ?? 0) + 1);
  return [...by].map(([what, n]) => `${n} × ${what}`).join(', ') || 'none';
};

/** Everything used up at once, by five long jobs. */
export async function everyName(site: Site, figures: Figures): Promise<void> {
  const who = site.groups.all?.[0] ?? '';
  const ask = (name: string, more: Partial<Ask> = {}): Ask => ({ who, name, command: 'sleep 600', ...more });
  const free = await site.ask(0, ask('all-dry', { dry: true }));
  for (let at = 0; at < SMALL; at += 1) await site.ask(at, ask(`all-${at}`));
  const refused = await site.ask(1, ask('all-more'));
  const dry = await site.ask(2, ask('all-more', { dry: true }));
  const numbers = refused.detail.split(';').length;
  figures.add(
    'minute, day, live, and minute and live of a group used up: told',
    `5 numbers of ${ALL_NAMES.join(', ')}`,
    `${numbers} of ${[...new Set(namesIn(refused))].join(', ')}`,
    numbers === 5 && [...new Set(namesIn(refused))].join() === [...ALL_NAMES].sort().join(),
  );
  const day = refused.retryAfter;
  figures.add('Retry-After for the day', '23:50 to 24:10 h', `${day} s`, day >= 85_800 && day <= 87_000);
  figures.add(
    'dry runs, before and after: quotas told',
    `0, ${ALL_NAMES.length} names`,
    `${free.quotas?.length}, ${new Set(dry.quotas).size} names`,
    free.quotas?.length === 0 && new Set(dry.quotas).size === ALL_NAMES.length,
  );
}

/** What comes to nothing costs nothing. */
export async function failures(site: Site, figures: Figures, count: number): Promise<void> {
  const [who = '', stopped = ''] = site.groups.minute ?? [];
  const { perMinute } = site.sizes;
  const asks = (prefix: string, more: Partial<Ask> = {}, whose = who): Ask[] =>
    asksOf([whose], count, prefix, 0).map((ask) => ({ ...ask, ...more }));
  const spoilt = await site.flood(asks('bad', { spoilt: true }));
  const text = JSON.stringify({ errmsg: 'no such jobclass' });
  const no = { kind: 'answer', path: '^/api/v3/jobs$', method: 'POST', account: who, status: 200, text };
  await site.standin.control('PUT', '/faults', { rules: [no] });
  const errmsg = await site.flood(asks('no'));
  await site.standin.control('PUT', '/faults', { rules: [] });
  const dry = await site.flood(asks('dry', { dry: true }));
  const failed = [...spoilt, ...errmsg].filter((one) => wasRefused(one) || one.jobId !== null);
  figures.add(
    'refused by vovserver: answers',
    'as vovserver says, none a 429',
    `${counts(spoilt)}, ${counts(errmsg)}`,
    failed.length === 0,
  );
  await site.standin.control('POST', '/stop');
  const away = await site.flood(asks('away', {}, stopped));
  await site.standin.control('POST', '/restart', {});
  await pause(3000);
  const told = await site.flood([...asksOf([who, stopped], 3 * perMinute, 'then', 0)], { restsMs: 10 });
  const got = [who, stopped].map((one) => told.filter((t) => t.who === one && wasAccepted(t)).length);
  figures.add('nothing sent, vovserver being stopped: answers', 'none a 429', counts(away), !away.some(wasRefused));
  figures.add(
    `accepted after ${count} × 400, ${count} × errmsg and ${dry.length} dry runs; after ${count} not sent`,
    `${perMinute}, ${perMinute}`,
    got.join(', '),
    got.every((n) => n === perMinute),
  );
}

/** A 500 may come after the job was made: it may stay counted, but once, and a repeat of its key that becomes a job is that one. */
export async function failed500(site: Site, figures: Figures, count: number): Promise<void> {
  const { minute = [] } = site.groups;
  const people = minute.slice(4, 6);
  const { perMinute } = site.sizes;
  const text = JSON.stringify({ errmsg: 'logfile is the output of another job' });
  const answers = people.map((account) => {
    return { kind: 'answer', path: '^/api/v3/jobs$', method: 'POST', account, status: 500, text };
  });
  await site.standin.control('PUT', '/faults', { rules: answers });
  const asks = people.flatMap((who, keys) =>
    asksOf([who], count, 'odd', 0).map((ask) => (keys === 1 ? { ...ask, key: ask.name } : ask)),
  );
  const told = await site.flood(asks);
  await site.standin.control('PUT', '/faults', { rules: [] });
  const again = await site.flood(
    asks.filter(({ key }) => key !== undefined),
    { patienceMs: 20_000 },
  );
  const more = await site.flood(asksOf(people, 3 * perMinute, 'odd-more', 0));
  const [plain = 0, withKey = 0] = people.map((who) => more.filter((t) => t.who === who && wasAccepted(t)).length);
  figures.add(
    `${counts(told)}: cost of each without a key`,
    '0 or 1, unknown as it is',
    ((perMinute - plain) / count).toFixed(2),
    plain >= perMinute - count && plain <= perMinute,
  );
  const jobs = again.filter(wasAccepted).length;
  figures.add(
    `${count} keys of which vovserver said 500, repeated: jobs, and accepted beside them`,
    `${count}, ${perMinute - count}`,
    `${jobs}, ${withKey}`,
    jobs === count && withKey === perMinute - count,
  );
}

/** Keys: three times at once, at different gateways, some answers lost; then repeated when all is used up. */
export async function keyed(site: Site, figures: Figures): Promise<void> {
  const who = site.groups.minute?.[2] ?? '';
  const { perMinute } = site.sizes;
  const lost = { kind: 'reset-after', path: '^/api/v3/jobs$', method: 'POST', account: who, probability: 0.25 };
  await site.standin.control('PUT', '/faults', { rules: [lost] });
  const asks = asksOf([who], perMinute, 'key', 0).map((ask) => ({ ...ask, key: ask.name }));
  const told = await site.flood([...asks, ...asks, ...asks], { patienceMs: 15_000 });
  await site.standin.control('PUT', '/faults', { rules: [] });
  const more = await site.flood(asksOf([who], 20, 'key-more', 0).map((ask) => ({ ...ask, key: ask.name })));
  const again = await site.flood(asks);
  const entries = (await site.standin.control('GET', '/ledger/requests')) as RequestEntry[];
  const losses = entries.filter(({ account, fault }) => account === who && fault === 'reset-after').length;
  const jobs = jobsOf(await site.jobs(), [who], 'key');
  const known = new Set(jobs.map(({ id }) => id));
  figures.add(
    `${perMinute} keys, each sent 3 times at once with ${losses} answers lost: jobs, refused`,
    `${perMinute}, 0`,
    `${jobs.length}, ${told.filter(wasRefused).length} of ${counts(told)}`,
    jobs.length === perMinute && losses > 0 && told.every(wasAccepted),
  );
  figures.add(
    'then: new keys accepted, old keys replayed',
    `0, ${perMinute}`,
    `${more.filter(wasAccepted).length} of ${counts(more)}, ${again.filter(({ replayed }) => replayed).length}`,
    more.every(wasRefused) && again.every((one) => wasAccepted(one) && one.replayed && known.has(one.jobId ?? 0)),
  );
}

/** Jobs of a few seconds, more than may live, from everywhere at once. */
export async function liveJobs(site: Site, figures: Figures, seconds: number): Promise<void> {
  const { farm = [] } = site.groups;
  const { live, teamLive } = site.sizes;
  const asks = asksOf(farm, 30, 'live', 1).map((ask, at) => ({ ...ask, command: `sleep ${1 + (at % 3)}` }));
  const told = await site.flood(asks, { lastsMs: seconds * 1000, restsMs: 200 });
  const jobs = await site.jobs();
  const each = farm.map((who) => mostLive(jobsOf(jobs, [who], 'live')));
  const all = mostLive(jobsOf(jobs, farm, 'live'));
  figures.add(
    `vovserver: most live jobs of a person, of the group of ${farm.length}, in ${seconds} s`,
    `≤ ${live}, = ${teamLive}`,
    `${Math.max(...each)}, ${all}`,
    each.every((n) => n <= live) && all === teamLive,
  );
  const accepted = told.filter(wasAccepted).length;
  figures.add('places that ended jobs gave free: accepted', `≥ ${2 * teamLive}`, accepted, accepted >= 2 * teamLive);
  const names = new Set(told.filter(wasRefused).flatMap(namesIn));
  figures.add('refusals name', 'farm-person, farm-team', [...names].sort().join(', '), names.size === 2);
  const odd = told.filter((one) => !wasAccepted(one) && !wasRefused(one));
  figures.add('neither accepted nor 429', '0', counts(odd), odd.length === 0);
}

/** One person with long jobs, some of them submitted beside the gateway; what was seen to end gives its place at once. */
export async function besideAndSeen(site: Site, figures: Figures): Promise<void> {
  const [who = ''] = site.groups.one ?? [];
  const { live } = site.sizes;
  const beside = Math.floor(live / 2);
  const login = await fetch(`${site.standin.url}/api/v3/token`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: new URLSearchParams({ username: who, password: 'pw', grant_type: 'password' }).toString(),
  });
  const { access_token: jwt } = (await login.json()) as { access_token: string };
  for (let at = 0; at < beside; at += 1) {
    const job = { command: 'sleep 600', logfile: `beside-${at}.log`, rundir: '/proj/beside', env: 'BASE' };
    const headers = { authorization: `Bearer ${jwt}`, 'content-type': 'application/json' };
    const answer = await fetch(`${site.standin.url}/api/v3/jobs`, {
      method: 'POST',
      headers,
      body: JSON.stringify(job),
    });
    if (!answer.ok) throw new Error(`beside the gateway: ${answer.status} ${await answer.text()}`);
  }
  const short = await site.ask(0, { who, name: 'seen-short', command: 'sleep 3' });
  const told = await site.flood(asksOf([who], 4 * live, 'seen', 0));
  const accepted = 1 + told.filter(wasAccepted).length;
  figures.add(
    `with ${beside} of ${live} live jobs submitted beside the gateway: accepted`,
    `${live - beside}`,
    accepted,
    accepted === live - beside,
  );
  const [refused] = told.filter(wasRefused);
  const seconds = refused?.retryAfter ?? Number.NaN;
  figures.add('Retry-After for live jobs', '15 to 30 s', spread([seconds]), seconds >= 15 && seconds <= 30);
  await pause(short.ended + 3500 - Date.now());
  const seen = await site.get(1, who, `/api/v3/jobs/${short.jobId}`);
  await pause(300);
  const next = await site.flood(asksOf([who], 8, 'seen-next', 0));
  figures.add(
    'a job that was seen as ended gives its place within 0.3 s: accepted',
    '1',
    `${next.filter(wasAccepted).length} (${seen.status})`,
    next.filter(wasAccepted).length === 1,
  );
}

/** Redis away: each replica gives its share of what was left; keys are refused, since nothing can be promised. */
export async function redisAway(site: Site, figures: Figures): Promise<void> {
  const who = site.groups.minute?.[3] ?? '';
  const { perMinute } = site.sizes;
  const before = Math.floor(perMinute / 2);
  for (let at = 0; at < before; at += 1) await site.ask(at, { who, name: `left-${at}`, command: 'sleep 600' });
  await site.stage.redis.stop();
  const key = await site.ask(0, { who, name: 'left-key', command: 'sleep 600', key: 'left-key' });
  const told = await site.flood(asksOf([who], 3 * perMinute, 'left-away', 0), { restsMs: 20 });
  const accepted = told.filter(wasAccepted).length;
  const odd = told.filter((one) => !wasAccepted(one) && !wasRefused(one));
  const jobs = jobsOf(await site.jobs(), [who], 'left').length;
  await site.stage.redis.start();
  const left = perMinute - before;
  figures.add(
    `Redis away, ${left} of ${perMinute} left: accepted by three replicas, jobs in all`,
    `${left - 5} to ${left}, ≤ ${perMinute}`,
    `${accepted}, ${jobs}; ${counts(odd)} otherwise`,
    accepted >= left - 5 && accepted <= left && jobs <= perMinute && odd.length === 0,
  );
  figures.add(
    'with a key',
    '503 GW_STORE_UNAVAILABLE',
    `${key.status} ${key.code}`,
    key.code === 'GW_STORE_UNAVAILABLE',
  );
}

/** The same flood without quotas. */
export async function control(site: Site, figures: Figures, each: number): Promise<void> {
  const { red = [], blue = [], farm = [] } = site.groups;
  const { perMinute, teamPerMinute, teamLive } = site.sizes;
  await site.withoutQuotas();
  const told = await site.flood(asksOf([...red, ...blue, ...farm], each, 'free', 0));
  const jobs = await site.jobs();
  const [person, team] = [jobsOf(jobs, blue.slice(0, 1), 'free').length, jobsOf(jobs, red, 'free').length];
  const live = mostLive(jobsOf(jobs, farm, 'free'));
  figures.add(
    'control, without quotas: jobs of a person, of the group; live jobs of the farm',
    `> ${perMinute}, > ${teamPerMinute}; > ${teamLive}`,
    `${person}, ${team}; ${live}`,
    person > perMinute && team > teamPerMinute && live > teamLive && !told.some(wasRefused),
  );
}
