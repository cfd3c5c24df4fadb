// `npm run demo` prints a URL, a token and four commands; each of the commands works as printed.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { createFigures } from './figures.ts';
import { startDemo } from './stage.ts';

const run = promisify(execFile);
await using demo = await startDemo();
const figures = createFigures('The demo’s commands, as printed');
figures.add(
  'URL, user and token',
  'printed',
  demo.url,
  demo.url !== '' && demo.user !== '' && demo.token.startsWith('vgw_'),
);
figures.add('commands', '4', demo.commands.length, demo.commands.length === 4);

const expected: readonly [string, RegExp][] = [
  ['the queue name', /"rows":\[\["demo"\]\]/],
  ['a job id', /"jobid":"?\d+/],
  ['the job in the list', /sleep 60/],
  ['a gateway token', /"access_token":"vgw_/],
];
for (const [at, [what, pattern]] of expected.entries()) {
  const env = { ...process.env, NC_URL: demo.url, USER: demo.user, TOKEN: demo.token };
  const { stdout } = await run('bash', ['-c', demo.commands[at] ?? 'false'], { env }).catch(() => ({ stdout: '' }));
  figures.add(demo.commands[at]?.slice(0, 60) ?? 'missing', what, stdout.slice(0, 60), pattern.test(stdout));
}
figures.print();
