// The adaptive limit answers at least 90 % of what the best fixed limit answers while vovserver slows down tenfold, and holds.
//
// Each arm has a stand-in, a Redis and gateways of its own; all meet the same scene at the same time: lists take
// `--service-ms`, then `--step` times as long, then as before, `--seconds` each. Helpers work on `--helpers` at once, and
// whoever waits for them makes all slower (`--contention`), so that there is a best limit. The adaptive arm has three
// replicas, as has one fixed arm; in a second scene one of their replicas is killed, one added, and Redis is away for 10 s.
// The witness of what is in flight is the stand-in. Control: bad fixed limits of the sweep fall short.

import { type Arm, startArm } from './adaptive/arm.ts';
import type { Met } from './adaptive/client.ts';
import { above, watchPublished } from './adaptive/published.ts';
import { createFigures } from './figures.ts';
import { readFlags } from './flags.ts';
import { pause } from './pace.ts';

const { values, number } = readFlags(
  {
    helpers: '6',
    contention: '0.02',
    spread: '0.3',
    'service-ms': '60',
    step: '10',
    seconds: '20',
    callers: '30',
    'in-time-ms': '5000',
    limits: '1,4,6,8,12',
    share: '0.9',
  },
  { least: { contention: 0, spread: 0, share: 0 } },
);
const seconds = number('seconds');
const wait = (seconds: number): Promise<void> => pause(seconds * 1000);
const server = { helpers: number('helpers'), contention: number('contention'), spread: number('spread') };
const lane = (concurrency: number) => ({ concurrency, most: Math.max(concurrency, 64) });
const fixed = (limit: number) => ({ mode: 'fixed', list: lane(limit) });

const stack = new AsyncDisposableStack();
await using _ = stack;
const start = async (...args: Parameters<typeof startArm>): Promise<Arm> => stack.use(await startArm(...args));
const adaptive = await start('adaptive, 3 replicas', 3, { mode: 'adaptive' }, server);
const strict = await start('fixed, 3 replicas', 3, fixed(server.helpers), server);
const sweep: { readonly limit: number; readonly arm: Arm }[] = [];
for (const limit of values.limits.split(',').map(Number)) {
  sweep.push({ limit, arm: await start(`fixed at ${limit}`, 1, fixed(limit), server) });
}
const arms = [adaptive, strict, ...sweep.map(({ arm }) => arm)];
const everywhere = async (ms: number): Promise<void> => {
  for (const arm of arms) await arm.service(ms);
};

const figures = createFigures(
  `Lists of ${values['service-ms']} ms × ${values.step} and back, ${values.helpers} helpers, ${values.callers} callers`,
);
using published = watchPublished(() => adaptive.stage.redis.command('get', 'vovgw:limit:{turns}'));

// The same scene for all, with a few seconds before it to get going.
const WARM = 12;
await everywhere(number('service-ms'));
const calls = { callers: number('callers'), inTimeMs: number('in-time-ms') };
const running = arms.map((arm) => arm.callers({ ...calls, seconds: WARM + 3 * seconds }));
await wait(WARM);
const begins: number[] = [];
for (const factor of [1, number('step'), 1]) {
  begins.push(Date.now());
  await everywhere(number('service-ms') * factor);
  await wait(seconds);
}
const ends = Date.now();
const met = await Promise.all(running);
const goodIn = ({ good }: Met, from: number, to: number): number => good.filter((at) => at >= from && at < to).length;
const phases = (one: Met): number[] => begins.map((from, i) => goodIn(one, from, begins[i + 1] ?? ends));
const whole = (one: Met): number => goodIn(one, begins[0] ?? 0, ends);
const fixedGood = sweep.map(({ limit }, i) => ({ limit, met: met[i + 2] as Met }));
const best = fixedGood.reduce((a, b) => (whole(b.met) > whole(a.met) ? b : a));
for (const each of fixedGood) {
  const what = `answers in time, fixed at ${each.limit}`;
  const isBest = each === best ? ', the best' : '';
  figures.add(what, '', `${whole(each.met)} (${phases(each.met).join(' + ')})${isBest}`, true);
}
const [ofLaw, ofStrict] = met as [Met, Met];
const bestPhases = phases(best.met);
const shares = phases(ofLaw).map((n, i) => `${((100 * n) / (bestPhases[i] ?? 1)).toFixed(0)} %`);
const share = whole(ofLaw) / whole(best.met);
figures.add(
  'answers in time, adaptive over 3 replicas',
  `≥ ${100 * number('share')} % of the best fixed`,
  `${whole(ofLaw)} (${phases(ofLaw).join(' + ')}): ${(100 * share).toFixed(1)} % (${shares.join(', ')})`,
  share >= number('share'),
);
figures.add(
  `answers in time, fixed at ${server.helpers} over 3 replicas`,
  '',
  `${whole(ofStrict)} (${phases(ofStrict).join(' + ')})`,
  true,
);
const worst = Math.min(...fixedGood.map((each) => whole(each.met))) / whole(best.met);
figures.add(
  'control: the worst fixed limit',
  `< ${100 * number('share')} %`,
  `${(100 * worst).toFixed(1)} %`,
  worst < number('share'),
);
figures.add(
  'other answers, adaptive',
  'none but too late',
  JSON.stringify(ofLaw.other),
  Object.keys(ofLaw.other).every((what) => what === 'too late'),
);

// Second scene: replicas come and go, and Redis goes, under a tenfold step.
await everywhere(number('service-ms'));
const both = [adaptive, strict];
const disturbed = Date.now();
const later = both.map((arm) => arm.callers({ ...calls, seconds: 50 }));
await wait(5);
for (const arm of both) await arm.gateways[2]?.kill();
await wait(8);
for (const arm of both) await arm.add();
await wait(5);
await everywhere(number('service-ms') * number('step'));
for (const arm of both) await arm.stage.redis.stop();
await wait(10);
for (const arm of both) await arm.stage.redis.start();
await wait(6);
await everywhere(number('service-ms'));
const after = await Promise.all(later);

// A smaller limit reaches a replica with its next beat, and what is out then is seen through.
const grace = 1500 + Math.max(...after.map(() => number('service-ms') * number('step') * 4));
const sceneOf =
  (from: number) =>
  (entry: { at: number }): boolean =>
    entry.at >= from;
const peaks = await adaptive.peaks(begins[0] ?? 0);
const wrong = above(peaks, published.seen, grace);
const trace = published.seen
  .map(({ at, limit }) => `${limit}@${((at - (begins[0] ?? 0)) / 1000).toFixed(0)}`)
  .join(' ');
figures.add(
  'most lists in flight at once, adaptive',
  '',
  `${Math.max(...peaks.map(({ list }) => list))}; limits ${trace}`,
  published.seen.length > 1,
);
figures.add(
  `more in flight than the limit of the last ${grace} ms`,
  '0',
  `${wrong.length} of ${peaks.length} moments ${[...new Set(wrong)].join(', ')}`,
  wrong.length === 0,
);
for (const [what, from, to] of [
  ['steady replicas', begins[0] ?? 0, disturbed],
  ['a replica killed, one added, Redis away', disturbed, Number.POSITIVE_INFINITY],
] as const) {
  const strictPeaks = (await strict.peaks(from)).filter(({ at }) => at < to);
  const most = Math.max(...strictPeaks.map(({ list }) => list));
  figures.add(
    `most in flight, fixed at ${server.helpers}: ${what}`,
    `≤ ${server.helpers}`,
    `${most} in ${strictPeaks.length} moments`,
    most <= server.helpers && strictPeaks.length > 0,
  );
}
const disturbedPeaks = peaks.filter(sceneOf(disturbed));
figures.add(
  'answers in time meanwhile: adaptive, fixed',
  '> 0',
  after.map(({ good, other }) => `${good.length} ${JSON.stringify(other)}`).join('; '),
  after.every(({ good }) => good.length > 0) && disturbedPeaks.length > 0,
);
figures.add('longest call: adaptive, fixed', '', `${ofLaw.longestMs} ms, ${ofStrict.longestMs} ms`, true);
figures.print();
