// The bench's table with its promise: with everything on at least 1.5 times bare express + http-proxy-middleware.
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { parseArgs, promisify } from 'node:util';
import type { Load } from '../bench/load.ts';
import { createFigures } from './figures.ts';

const { values } = parseArgs({
  options: {
    ratio: { type: 'string', default: '1.5' },
    seconds: { type: 'string', default: '10' },
    rounds: { type: 'string', default: '3' },
    distinct: { type: 'boolean', default: false },
  },
});
const bench = join(import.meta.dirname, '../bench/bench.ts');
const flags = ['--json', '--seconds', values.seconds, '--rounds', values.rounds];
if (values.distinct) flags.push('--distinct');
const { stdout } = await promisify(execFile)(process.execPath, [bench, ...flags], { maxBuffer: 1 << 24 });
const results = JSON.parse(stdout.trim().split('\n').at(-1) ?? '[]') as { name: string; load: Load }[];
const speed = (start: string): number =>
  results.find(({ name }) => name.startsWith(start))?.load.requestsPerSecond ?? Number.NaN;
const figures = createFigures('Requests per second of the plain read path');
for (const { name, load } of results) {
  figures.add(
    name,
    'no errors',
    `${load.requestsPerSecond.toFixed(0)}/s, p99 ${load.p99Ms} ms, ${load.errors} errors`,
    load.errors === 0,
  );
}
const ratio = speed('vov-gateway') / speed('express +');
figures.add(
  'gateway ÷ express + http-proxy-middleware',
  `≥ ${values.ratio}`,
  ratio.toFixed(2),
  ratio >= Number(values.ratio),
);
figures.print();
