// The vendor's tutorial programs run unchanged against the demo, only URL and password replaced (--text FILE: the tutorial).
import { join } from 'node:path';
import { createFigures } from './figures.ts';
import { startDemo } from './stage.ts';
import { layOutPrograms, runPython } from './tutorial/programs.ts';

const { folder, names } = await layOutPrograms(
  'tutorial',
  join(import.meta.dirname, '../test/clients/python/vov_rest_v3.py'),
);
await using demo = await startDemo();
const figures = createFigures('The tutorial’s programs against the demo');
const env = { NC_URL: demo.url, USER: demo.user };
const show = (title: string, result: { code: number | null; out: string; err: string }): string => {
  console.log(`\n$ ${title}\n${result.out}${result.code === 0 ? '' : result.err}`);
  return result.out;
};
const run = async (program: string, ...args: string[]) => {
  const result = await runPython(folder, program, args, env, demo.token);
  return { ...result, out: show([program, ...args].join(' '), result) };
};

figures.add('programs found in the text', '5', names.length, names.length === 5);
const queue = await run('nc_rest_101.py');
figures.add(
  'nc_rest_101.py',
  'the queue name',
  JSON.parse(queue.out || '{}').rows?.[0]?.[0] ?? 'none',
  queue.out.includes(demo.queue),
);
const ids: string[] = [];
for (const seconds of ['33', '66']) {
  const { out } = await run('nc_run.py', 'sleep', seconds);
  const id = /New job is (\d+)/.exec(out)?.[1];
  if (id !== undefined) ids.push(id);
}
figures.add('nc_run.py, twice', '2 jobs', ids.join(' '), ids.length === 2);
const list = await run('nc_list.py');
const listed = ids.filter((id) => list.out.includes(id.padStart(9, '0')));
figures.add('nc_list.py', 'both jobs', listed.length, listed.length === 2 && list.out.includes('vw sleep 33'));
const info = await run('nc_info.py', ...ids.map((id) => id.padStart(9, '0')));
const infos = (info.out.match(/^Status +(Running|Queued|Idle|Done)$/gm) ?? []).length;
figures.add('nc_info.py', 'both jobs', infos, infos === 2 && info.out.includes(`/time/users.${demo.user}`));
figures.print();
