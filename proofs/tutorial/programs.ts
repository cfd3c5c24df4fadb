import { spawn } from 'node:child_process';
import { copyFile, mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pythonWithRequests } from '../../test/world/python.ts';
import { readFlags } from '../flags.ts';

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
export function runPython(
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

/** The programs of the tutorial, beside the module that they import. */
export interface Programs {
  readonly folder: string;
  readonly names: readonly string[];
}

/** Lays out the programs of `--text FILE` (the tutorial as Markdown; not part of this project) beside `module`. */
export async function layOutPrograms(proof: string, module: string): Promise<Programs> {
  const { values } = readFlags({ text: '' });
  if (values.text === '') {
    const what = 'the text of the vendor’s tutorial (Markdown); it is not part of this project';
    console.error(`proof ${proof}: --text FILE is missing: ${what}`);
    process.exit(2);
  }
  const programs = extractPrograms(await readFile(values.text, 'utf8'));
  const folder = await mkdtemp(join(tmpdir(), 'vovgw-tutorial-'));
  for (const [name, program] of programs) await writeFile(join(folder, name), mend(name, program));
  await copyFile(module, join(folder, 'vov_rest_v3.py'));
  return { folder, names: [...programs.keys()] };
}
