// 10 000 submissions with idempotency keys in a storm of faults: each has one job, and nobody is told otherwise.
//
// Client processes submit through three gateways (processes, one Redis with AOF) to a stand-in over TLS, whose job store is the
// witness. It resets, hangs, answers late, cut or nonsense, before and after it made the job, and so it does to the search for
// lost jobs; gateways are killed and started again, Redis is restarted and killed, the server fails over to another process.
// Clients repeat with the same key, at another replica, until they know. `duplicateLogfile=sleeping` (`--logfile-rule`) makes
// the stand-in take two jobs with one log file, so that the gateway alone is tried. Control: the same without keys.

import type { Fate, Order } from './exactly-once/client.ts';
import { startClients } from './exactly-once/clients.ts';
import { atTwoReplicas, control, crash, otherBody, powerCut, withoutKeys } from './exactly-once/scenes.ts';
import { openSite } from './exactly-once/site.ts';
import { rulesOf, strike } from './exactly-once/storm.ts';
import { answersOf, few, judge, merged } from './exactly-once/witness.ts';
import { createFigures } from './figures.ts';
import { readFlags } from './flags.ts';
import { counted } from './pollers.ts';
import { setStage } from './stage.ts';

const { values, number } = readFlags(
  {
    submissions: '10000',
    seed: '1',
    marker: 'jobname',
    'logfile-rule': 'sleeping',
    /** How many times the usual chance of a fault. */
    faults: '1.0',
    'calm-ms': '4000',
    failovers: '2',
    'at-once': '24',
    'patience-s': '30',
    /** Submissions of each of the smaller scenes; 0 leaves them out. */
    scenes: '300',
  },
  {
    least: { faults: 0, failovers: 0, scenes: 0 },
    oneOf: { marker: ['none', 'jobname'], 'logfile-rule': ['error', 'sleeping'] },
  },
);
const { marker } = values;
const USERS = ['ann', 'bob', 'cid', 'dan'];

await using stage = await setStage();
await using site = await openSite(stage, {
  seed: number('seed'),
  marker,
  logfileRule: values['logfile-rule'],
  users: USERS,
});

const usual: Omit<Order, 'names' | 'token'> = {
  urls: site.urls,
  keyed: true,
  atOnce: number('at-once'),
  patienceMs: number('patience-s') * 1000,
  scale: 0.25,
  breaksOff: 0.01,
  twice: false,
};

/** The names of a scene, dealt out to the users: who submits what stays the same when it is repeated. */
function ordersOf(names: readonly string[], change: Partial<Order> = {}): Order[] {
  return site.tokens.map((token, user) => ({
    ...usual,
    token,
    names: names.filter((name) => Number(/\d+$/.exec(name)?.[0]) % site.tokens.length === user),
    ...change,
  }));
}

const namesOf = (scene: string, count: number): string[] => Array.from({ length: count }, (_, at) => `${scene}-${at}`);

/** Lets everybody who does not know yet ask again, without faults. */
async function resolve(fates: readonly Fate[]): Promise<Fate[]> {
  await site.faults({ rules: [] });
  const open = fates.filter(({ end }) => end === 'open').map(({ name }) => name);
  if (open.length === 0) return [...fates];
  const again = startClients(stage.folder, ordersOf(open, { breaksOff: 0 }));
  await again.done;
  return merged(fates, again.fates);
}

const figures = createFigures(
  `Exactly one submission: marker ${marker}, seed ${values.seed}, same log file ${values['logfile-rule']}`,
);
const none = (what: string, names: readonly string[]): void => figures.add(what, '0', few(names), names.length === 0);

// The storm.
const total = number('submissions');
await site.faults({ requestsPerConnection: 50, rules: rulesOf(number('faults')) });
const started = Date.now();
const storm = startClients(stage.folder, ordersOf(namesOf('storm', total)));
const blows = await strike(stage, site, {
  calmMs: number('calm-ms'),
  failovers: number('failovers'),
  over: () => storm.fates.length / total,
});
await storm.done;
const took = (Date.now() - started) / 1000;
const after = storm.fates.filter(({ end }) => end === 'open').length;
const fates = await resolve(storm.fates);
const seen = answersOf(fates);
console.log(`storm: ${total} submissions in ${took.toFixed(1)} s; blows: ${counted(blows)}`);
console.log(`answers: ${counted(seen)}`);
console.log(`attempts: ${fates.reduce((sum, { seen: all }) => sum + all.length, 0)}`);
console.log(`found again or replayed: ${fates.filter(({ replayed }) => replayed).length}`);
console.log(
  `ends: ${counted(new Map(['job', 'refused', 'open'].map((end) => [end, fates.filter((f) => f.end === end).length])))}`,
);
console.log(`open when patience of ${values['patience-s']} s ended, in the storm: ${after}`);
const verdict = judge(fates, await site.jobs());
figures.add(
  'submissions and blows',
  `${total}, all kinds`,
  `${fates.length}, ${blows.size} kinds`,
  fates.length === total,
);
none('duplicates', verdict.duplicates);
none('lost: told a job that is not there', verdict.lost);
none('told two different jobs', verdict.torn);
none('told that nothing was executed, and has a job', verdict.denied);
figures.add('2xx without a job', '0', seen.get('2xx without a job') ?? 0, !seen.has('2xx without a job'));
// Of few submissions, or with few faults, it may be that none was lost on its way.
const some = total * number('faults') >= 400;
figures.add(
  'unknown outcomes reported as such',
  some ? '> 0' : 'shown only',
  seen.get('504 GW_OUTCOME_UNKNOWN') ?? 0,
  !some || seen.has('504 GW_OUTCOME_UNKNOWN'),
);
figures.add(
  'still unknown after retries without faults',
  marker === 'none' ? 'told' : '0',
  few(verdict.open),
  marker === 'none' || verdict.open.length === 0,
);

// The smaller scenes.
const count = number('scenes');
if (count > 0) {
  const scenery = { stage, site, figures, count, marked: marker !== 'none', ordersOf, namesOf, resolve };
  await otherBody(scenery, await atTwoReplicas(scenery));
  await withoutKeys(scenery);
  await crash(scenery);
  await powerCut(scenery, 'always');
  await powerCut(scenery, 'everysec');
  await control(scenery);
}
const fatal = await stage.fatal();
for (const line of new Set(fatal)) console.log(line);
figures.add('replicas that ended by a fault that nothing caught', '0', fatal.length, fatal.length === 0);
figures.print();
