import { cp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { createFigures } from '../figures.ts';
import { counted } from '../pollers.ts';
import type { Stage } from '../stage.ts';
import { bodyOf } from './body.ts';
import type { Fate, Order } from './client.ts';
import { startClients } from './clients.ts';
import type { Site } from './site.ts';
import { rulesOf } from './storm.ts';
import { answersOf, few, judge } from './witness.ts';

/** What the scenes play with. */
export interface Scenery {
  readonly stage: Stage;
  readonly site: Site;
  readonly figures: ReturnType<typeof createFigures>;
  readonly count: number;
  /** Whether jobs carry a mark; without one what was lost may stay unknown. */
  readonly marked: boolean;
  ordersOf(names: readonly string[], change?: Partial<Order>): Order[];
  namesOf(scene: string, count: number): string[];
  /** Lets everybody who does not know yet ask again, without faults. */
  resolve(fates: readonly Fate[]): Promise<Fate[]>;
}

/** Lets clients submit in faults that come `times` as often as usual; `half` is called in the middle. */
async function play(scenery: Scenery, scene: string, change: Partial<Order>, half?: () => Promise<void>) {
  const { stage, site, count, ordersOf, namesOf } = scenery;
  await site.faults({ rules: rulesOf(2) });
  const clients = startClients(stage.folder, ordersOf(namesOf(scene, count), change));
  if (half !== undefined) {
    while (clients.fates.length < count / 2) await new Promise((done) => setTimeout(done, 5));
    await half();
  }
  await clients.done;
  return clients.fates;
}

/** The same key at two replicas in the same moment: one job, and both are told the same. */
export async function atTwoReplicas(scenery: Scenery): Promise<readonly string[]> {
  const fates = await scenery.resolve(await play(scenery, 'twice', { twice: true }));
  const { duplicates, torn, lost, open } = judge(fates, await scenery.site.jobs());
  const seen = answersOf(fates);
  scenery.figures.add(
    `${fates.length} keys at two replicas at once: twice, two answers, lost, open`,
    '0, 0, 0, 0',
    `${duplicates.length}, ${torn.length}, ${lost.length}, ${open.length} (${seen.get('409 GW_KEY_IN_PROGRESS') ?? 0} × 409)`,
    [duplicates, torn, lost, open].every(({ length }) => length === 0),
  );
  return fates.filter(({ end }) => end === 'job').map(({ name }) => name);
}

/** Keys that made a job, with another body. */
export async function otherBody({ site, figures }: Scenery, used: readonly string[]): Promise<void> {
  const answers = await Promise.all(
    used.slice(0, 50).map(async (name, at) => {
      const token = site.tokens[Number(/\d+$/.exec(name)?.[0]) % site.tokens.length];
      const headers = { authorization: `Bearer ${token}`, 'idempotency-key': `"${name}"` };
      const url = `${site.urls[at % site.urls.length]}/api/v3/jobs`;
      const answer = await fetch(url, { method: 'POST', headers, body: bodyOf(`other-${at}`) });
      return `${answer.status} ${/GW_[A-Z_]+/.exec(await answer.text())?.[0]}`;
    }),
  );
  const made = (await site.jobs()).filter(({ logfile }) => logfile.includes('.other-')).length;
  const counts = new Map(answers.map((what) => [what, answers.filter((one) => one === what).length]));
  const only = counts.size === 1 && counts.has('422 GW_KEY_REUSED');
  figures.add('a used key with another body', '422, no job', `${counted(counts)}; ${made} jobs`, only && made === 0);
}

/** Scripts that know no keys: what they repeat after a lost answer is found by its log file. */
export async function withoutKeys(scenery: Scenery): Promise<void> {
  const fates = await scenery.resolve(await play(scenery, 'bare', { keyed: false, breaksOff: 0 }));
  const { duplicates, lost } = judge(fates, await scenery.site.jobs());
  const again = fates.filter(({ seen }) => seen.length > 1).length;
  scenery.figures.add(
    `${fates.length} without keys, ${again} of them repeated: twice, lost`,
    '0, 0',
    `${few(duplicates)}, ${few(lost)}`,
    duplicates.length === 0 && lost.length === 0,
  );
}

/** The new server has lost the newest jobs of the old one: nothing else is lost, and nothing is there twice. */
export async function crash(scenery: Scenery): Promise<void> {
  let gone: readonly number[] = [];
  const fates = await scenery.resolve(
    await play(scenery, 'crash', {}, async () => {
      gone = await scenery.site.failover(500);
    }),
  );
  const { duplicates, lost, open } = judge(fates, await scenery.site.jobs());
  const byItself = new Set(
    fates.filter(({ jobIds }) => jobIds.some((id) => gone.includes(id))).map(({ name }) => name),
  );
  const beyond = lost.filter((name) => !byItself.has(name));
  scenery.figures.add(
    `a failover that loses ${gone.length} jobs: twice, lost beyond those, open`,
    scenery.marked ? '0, 0, 0' : '0, 0, told',
    `${duplicates.length}, ${few(beyond)}, ${open.length}`,
    duplicates.length === 0 && beyond.length === 0 && (open.length === 0 || !scenery.marked),
  );
}

/** Redis is killed in the middle, and what it had not yet given to the disk is gone; then everybody asks again. */
export async function powerCut(scenery: Scenery, fsync: 'always' | 'everysec'): Promise<void> {
  const { stage, site, figures } = scenery;
  const { redis } = stage;
  await redis.command('CONFIG', 'SET', 'appendfsync', fsync);
  const [, dir] = (await redis.command('CONFIG', 'GET', 'dir')) as string[];
  const [aof, copy] = ['appendonlydir', 'appendonlydir.earlier'].map((name) => join(dir ?? '', name)) as [
    string,
    string,
  ];
  const fates = await play(scenery, `cut-${fsync}`, { breaksOff: 0 }, async () => {
    if (fsync === 'everysec') await cp(aof, copy, { recursive: true });
  });
  await redis.kill();
  if (fsync === 'everysec') {
    await rm(aof, { recursive: true });
    await cp(copy, aof, { recursive: true });
  }
  await redis.start();
  await redis.command('CONFIG', 'SET', 'appendfsync', 'always');
  const again = await scenery.resolve(fates.map((fate) => ({ ...fate, end: 'open' as const })));
  const { duplicates } = judge(again, await site.jobs());
  figures.add(
    fsync === 'always'
      ? 'Redis killed, appendfsync always: submitted twice'
      : 'power cut, appendfsync everysec, repeats of the last second: submitted twice',
    fsync === 'always' ? '0' : 'may be',
    duplicates.length,
    fsync === 'everysec' || duplicates.length === 0,
  );
}

/** So many submissions meet a fault for certain. */
const ENOUGH = 150;

/** The control: the same faults, no keys, nothing remembered. */
export async function control(scenery: Scenery): Promise<void> {
  const url = await scenery.site.aside({ implicitKeyLife: '0s' });
  const enough = { ...scenery, count: Math.max(scenery.count, ENOUGH) };
  const fates = await play(enough, 'control', { keyed: false, urls: [url] });
  const { duplicates, denied } = judge(fates, await scenery.site.jobs());
  scenery.figures.add(
    `control: ${fates.length} without keys or memory: twice, denied`,
    '> 0',
    `${duplicates.length}, ${denied.length}`,
    // vovserver's own rule of one job per log file refuses the second one, and says of the first that it failed.
    duplicates.length + denied.length > 0,
  );
}
