import { readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, relative, resolve, sep } from 'node:path';

/** One room of `src/`: its level and the rooms it may import; a trailing `(t)` allows types only. */
export interface Room {
  readonly level: number;
  readonly imports: readonly string[];
}

const EVERY_ROOM_BELOW = [
  'admin',
  'portal',
  'auth',
  'tokens',
  'jobs',
  'limits',
  'access',
  'upstream',
  'identity',
  'observe',
  'platform',
  'config',
  'kernel',
];

/** The house. A room imports only from rooms on a strictly lower level that its row names, through their index.ts. */
export const ROOMS: Readonly<Record<string, Room>> = {
  cli: { level: 7, imports: ['server', ...EVERY_ROOM_BELOW] },
  server: { level: 6, imports: EVERY_ROOM_BELOW },
  admin: {
    level: 5,
    imports: ['auth', 'tokens', 'upstream', 'limits', 'jobs', 'observe', 'platform', 'config(t)', 'kernel'],
  },
  portal: { level: 5, imports: ['auth', 'tokens(t)', 'limits(t)', 'identity', 'platform', 'config(t)', 'kernel'] },
  auth: { level: 4, imports: ['identity', 'platform', 'observe(t)', 'config(t)', 'kernel'] },
  tokens: { level: 4, imports: ['upstream', 'identity', 'platform', 'observe(t)', 'config(t)', 'kernel'] },
  jobs: { level: 4, imports: ['access', 'identity', 'platform', 'observe(t)', 'config(t)', 'kernel'] },
  limits: { level: 3, imports: ['platform', 'observe(t)', 'config(t)', 'kernel'] },
  access: { level: 3, imports: ['identity', 'config(t)', 'kernel'] },
  upstream: { level: 3, imports: ['platform', 'observe(t)', 'config(t)', 'kernel'] },
  identity: { level: 2, imports: ['config(t)', 'kernel'] },
  observe: { level: 2, imports: ['config(t)', 'kernel'] },
  platform: { level: 2, imports: ['config(t)', 'kernel'] },
  config: { level: 1, imports: ['kernel'] },
  kernel: { level: 0, imports: [] },
};

/** One import statement of a source file. */
export interface Import {
  readonly file: string;
  readonly target: string;
  readonly typeOnly: boolean;
}

const SOURCE = resolve(import.meta.dirname, '../src');
const IMPORT =
  /^\s*(?:import|export)\s+(type\s+)?([^'";]*?)\s*from\s*['"](\.[^'"]+)['"]|\bimport\(\s*['"](\.[^'"]+)['"]\s*\)/gm;

/** All TypeScript files under `src/`, relative to it. */
export function sourceFiles(folder = SOURCE): string[] {
  return readdirSync(folder).flatMap((name) => {
    const path = join(folder, name);
    if (statSync(path).isDirectory()) return sourceFiles(path);
    return name.endsWith('.ts') ? [relative(SOURCE, path)] : [];
  });
}

export const readSource = (file: string): string => readFileSync(join(SOURCE, file), 'utf8');

/** `{ type A, type B }` imports nothing at run time, just as `import type`. */
function onlyTypes(clause: string): boolean {
  const names = /^\{([\s\S]*)\}$/.exec(clause.trim())?.[1];
  return names?.split(',').every((name) => name.trim() === '' || name.trim().startsWith('type ')) ?? false;
}

/** The relative imports of a file, each with the file it names. */
export function importsOf(file: string): Import[] {
  return [...readSource(file).matchAll(IMPORT)].map(([, type, clause = '', from, dynamic]) => ({
    file,
    target: relative(SOURCE, resolve(SOURCE, dirname(file), from ?? dynamic ?? '')),
    typeOnly: type !== undefined || (from !== undefined && onlyTypes(clause)),
  }));
}

/** The room of a file under `src/`; `main.ts` belongs to the command line. */
export const roomOf = (file: string): string => (file.includes(sep) ? (file.split(sep)[0] ?? '') : 'cli');

/** The room map as a Markdown table, from this table and the first comment of each room's door. */
export function roomMap(): string {
  const rows = Object.entries(ROOMS).flatMap(([name, room]) => {
    const door = name === 'cli' ? 'main.ts' : `${name}/index.ts`;
    if (!sourceFiles().includes(door)) return [];
    const sentence = /^(?:#!.*\n)?\/\/ (.+)$/m.exec(readSource(door))?.[1] ?? '';
    const label = name === 'cli' ? '`main.ts`, `cli/`' : `\`${name}/\``;
    const imports = name === 'cli' || name === 'server' ? 'every room below' : room.imports.join(', ') || 'nothing';
    return [`| ${label} | ${room.level} | ${sentence} | ${imports} |`];
  });
  return ['| room | level | its one responsibility | may import |', '|---|---|---|---|', ...rows].join('\n');
}
