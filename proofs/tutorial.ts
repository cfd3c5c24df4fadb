// The vendor's tutorial programs run unchanged against the demo, only URL and password replaced (--text FILE: the tutorial).
import { spawn } from 'node:child_process';
import { mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { pythonWithRequests } from '../test/world/python.ts';
import { createFigures } from './figures.ts';
import { startDemo } from './stage.ts';

const { values } = parseArgs({ options: { text: { type: 'string' } } });
if (values.text === undefined) {
  console.error(
    'proof tutorial: --text FILE is missing: the text of the vendor’s tutorial (Markdown); it is not part of this project',
  );
  process.exit(2);
}

/** A block whose lines are numbered, as the first program is printed, without its numbers. */
const unnumbered = (block: string): string => (block.startsWith('1 ') ? block.replaceAll(/^\d+ {0,2}/gm, '') : block);

/** The programs stand in the text as fenced blocks; the one that a page break cuts goes on in the next block. */
function extractPrograms(text: string): Map<string, string> {
  const blocks = [...text.matchAll(/```(?:python)?\n([\s\S]*?)```/g)].map((match) => unnumbered(match[1] ?? ''));
  const programs = new Map<string, string>();
  for (const [at, block] of blocks.entries()) {
    const name = block.includes('JWT Token utilities') ? 'getToken.py' : /^#\s+(nc_\w+\.py)$/m.exec(block)?.[1];
    if (name === undefined || !block.includes('import os')) continue;
    const cut =
      name !== 'getToken.py' && !block.includes("os.environ['NC_URL']") && !block.includes('os.environ["NC_URL"]');
    programs.set(name, cut ? block + (blocks[at + 1] ?? '') : block);
  }
  return programs;
}

/** Reference section 7, item 1: nc_info.py passes a session that getJWT() does not take. Nothing else is touched. */
const mend = (name: string, program: string): string =>
  name === 'nc_info.py' ? program.replace('getJWT(ss, url,', 'getJWT(url,') : program;

/** Runs a program without a terminal, so that getpass reads the password from standard input. */
function python(
  folder: string,
  program: string,
  args: readonly string[],
  env: Record<string, string>,
  password: string,
) {
  return new Promise<{ code: number | null; out: string; err: string }>((resolve) => {
    const child = spawn(pythonWithRequests(), [program, ...args], {
      cwd: folder,
      env: { ...process.env, ...env },
      detached: true,
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    let out = '';
    let err = '';
    child.stdout.on('data', (chunk) => {
      out += chunk;
    });
    child.stderr.on('data', (chunk) => {
      err += chunk;
    });
    child.stdin.end(`${password}\n`);
    child.once('exit', (code) => resolve({ code, out, err }));
  });
}

const programs = extractPrograms(await readFile(values.text, 'utf8'));
const folder = await mkdtemp(join(tmpdir(), 'vovgw-tutorial-'));
for (const [name, program] of programs) await writeFile(join(folder, name), mend(name, program));
const module = await readFile(join(import.meta.dirname, '../test/clients/python/vov_rest_v3.py'), 'utf8');
await writeFile(join(folder, 'vov_rest_v3.py'), module);

await using demo = await startDemo();
const figures = createFigures('The tutorial’s programs against the demo');
const env = { NC_URL: demo.url, USER: demo.user };
const show = (title: string, result: { code: number | null; out: string; err: string }): string => {
  console.log(`\n$ ${title}\n${result.out}${result.code === 0 ? '' : result.err}`);
  return result.out;
};
const run = async (program: string, ...args: string[]) => {
  const result = await python(folder, program, args, env, demo.token);
  return { ...result, out: show([program, ...args].join(' '), result) };
};

figures.add('programs found in the text', '5', programs.size, programs.size === 5);
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
