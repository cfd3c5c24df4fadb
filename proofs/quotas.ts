// Quotas: a minute, a day and live jobs, of a person and of a group, hold exactly over three gateways, whoever floods them.
//
// Client processes submit more than they may through three gateways (processes, one Redis with AOF). The job store of the
// stand-in is the witness: what it took in any minute, and what lived in it at once. What vovserver refuses, what was not sent,
// repeats of a key and dry runs must not cost; the counts outlive the death of everything; with Redis away each gateway gives
// its share of what was left. Control: the same without quotas.

import { createFigures } from './figures.ts';
import { readFlags } from './flags.ts';
import { besideAndSeen, control, everyName, failed500, failures, keyed, liveJobs, redisAway } from './quotas/scenes.ts';
import { openSite } from './quotas/site.ts';
import { afterRestart, firstMinute, secondMinute } from './quotas/windows.ts';
import { setStage } from './stage.ts';

const { values, number } = readFlags(
  {
    people: '8',
    /** All submissions of each of the two minutes. */
    submissions: '1200',
    seed: '1',
    /** Submissions that a person may make in a minute; a group of half the people may make two and a half times as many. */
    'per-minute': '30',
    /** Jobs of a person that may live; of a group of four, two and a half times as many. */
    live: '8',
    'live-seconds': '25',
    processes: '3',
    'at-once': '12',
  },
  { least: { people: 6, 'per-minute': 12, live: 4, submissions: 600 } },
);
const names = (prefix: string, count: number): string[] => Array.from({ length: count }, (_, at) => `${prefix}${at}`);
const half = Math.floor(number('people') / 2);
const [perMinute, live] = [number('per-minute'), number('live')];
const each = Math.ceil(number('submissions') / (2 * half));

await using stage = await setStage();
await using site = await openSite(stage, {
  sizes: { perMinute, teamPerMinute: Math.floor(2.5 * perMinute), live, teamLive: Math.floor(2.5 * live) },
  groups: {
    red: names('red', half),
    blue: names('blue', half),
    minute: names('min', 6),
    farm: names('farm', 4),
    one: ['one0'],
    all: ['all0'],
  },
  seed: number('seed'),
  processes: number('processes'),
  atOnce: number('at-once'),
});

const figures = createFigures(
  `Quotas over three gateways: ${2 * half} people, ${each} submissions each and minute (--seed ${values.seed})`,
);
const first = await firstMinute(site, figures, each, number('seed'));
// While the minute goes by.
await everyName(site, figures);
await besideAndSeen(site, figures);
await liveJobs(site, figures, number('live-seconds'));
await secondMinute(site, figures, each, number('seed'), first);
await afterRestart(site, figures);
await failures(site, figures, 20);
await keyed(site, figures);
await failed500(site, figures, 10);
await redisAway(site, figures);
await control(site, figures, each);
figures.print();
