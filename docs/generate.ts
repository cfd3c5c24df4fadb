import { readFileSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { roomMap } from '../test/rooms.ts';
import { configExample } from './config-example.ts';
import { configReference } from './config-reference.ts';
import { configJsonSchema } from './config-schema.ts';
import { errorPage } from './error-page.ts';
import { logsPage, metricsPage } from './observe-pages.ts';

/** One generated file, or one with a generated part; `current` is its text now, empty when there is none. */
export interface Generated {
  readonly file: string;
  make(current: string): string;
}

/** Replaces what stands between `<!-- name -->` and `<!-- /name -->`; throws when the markers are missing. */
export function betweenMarkers(text: string, name: string, part: string): string {
  const [open, close] = [`<!-- ${name} -->`, `<!-- /${name} -->`];
  const start = text.indexOf(open);
  const end = text.indexOf(close, start);
  if (start < 0 || end < 0) throw new Error(`the markers ${open} and ${close} are missing`);
  return `${text.slice(0, start + open.length)}\n${part}\n${text.slice(end)}`;
}

/** Everything that is generated: one row, one file. */
export const GENERATED: readonly Generated[] = [
  { file: 'config/gateway.example.yaml', make: configExample },
  { file: 'config/gateway.schema.json', make: configJsonSchema },
  { file: 'docs/configuration.md', make: configReference },
  { file: 'docs/errors.md', make: errorPage },
  { file: 'docs/metrics.md', make: metricsPage },
  { file: 'docs/logs.md', make: logsPage },
  { file: 'README.md', make: (current) => betweenMarkers(current, 'rooms', roomMap()) },
];

const textOf = (path: string): string => {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
};

/** The files under `root` whose text is not what would be generated; they are written unless `check` is set. */
export function generate(root: string, check: boolean): string[] {
  return GENERATED.flatMap(({ file, make }) => {
    const path = resolve(root, file);
    const current = textOf(path);
    const next = make(current);
    if (current === next) return [];
    if (!check) writeFileSync(path, next);
    return [file];
  });
}

if (import.meta.main) {
  const { check = false } = parseArgs({ options: { check: { type: 'boolean' } } }).values;
  const stale = generate(resolve(import.meta.dirname, '..'), check);
  for (const file of stale) console.log(check ? `stale: ${file}; run npm run generate` : `written: ${file}`);
  process.exitCode = check && stale.length > 0 ? 1 : 0;
}
