import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { importsOf, ROOMS, readSource, roomMap, roomOf, sourceFiles } from './rooms.ts';

const FILE_LINES = 400;
const FUNCTION_LINES = 80;
const files = sourceFiles();
const imports = files.flatMap(importsOf);

/** Lines of each function whose header stands at some indentation and whose closing brace stands at the same one. */
function functionLengths(file: string): { name: string; lines: number }[] {
  const lines = readSource(file).split('\n');
  return lines.flatMap((line, start) => {
    const header =
      /^(\s*)(?:export )?(?:async )?(?:function\*? (\w+)|(?:const (\w+) = )(?:async )?\(|(?:(?:async|get|static) )*(\w+)\([^)]*\)(?:: [^{]+)? \{$)/.exec(
        line,
      );
    const name = header?.[2] ?? header?.[3] ?? header?.[4];
    // What does not open a block or a list of parameters at its line end is an expression of its own.
    if (!/[{(]$/.test(line)) return [];
    if (header === null || name === undefined || ['if', 'for', 'while', 'switch', 'catch'].includes(name)) return [];
    const end = lines.findIndex((other, at) => at > start && new RegExp(`^${header[1]}\\}`).test(other));
    return end === -1 ? [] : [{ name, lines: end - start + 1 }];
  });
}

describe('architecture', () => {
  it('finds the sources and their imports', () => {
    assert.ok(files.length > 40, `only ${files.length} files found`);
    assert.ok(imports.length > files.length, `only ${imports.length} imports found`);
  });

  it('knows every room', () => {
    assert.deepEqual(
      [...new Set(files.map(roomOf))].filter((room) => ROOMS[room] === undefined),
      [],
    );
  });

  it('lets a room import only rooms on a lower level that its row names, types only where it says so', () => {
    const breaches = imports.flatMap(({ file, target, typeOnly }) => {
      const from = roomOf(file);
      const to = roomOf(target);
      if (from === to) return [];
      const row = ROOMS[from];
      const allowed = row?.imports.includes(to) || (typeOnly && row?.imports.includes(`${to}(t)`));
      const lower = (ROOMS[to]?.level ?? 99) < (row?.level ?? -1);
      return allowed && lower ? [] : [`${file} imports ${target}`];
    });
    assert.deepEqual(breaches, []);
  });

  it('enters a room only through its index.ts', () => {
    const breaches = imports
      .filter(({ file, target }) => roomOf(file) !== roomOf(target) && target !== join(roomOf(target), 'index.ts'))
      .map(({ file, target }) => `${file} imports ${target}`);
    assert.deepEqual(breaches, []);
  });

  it('has no import cycle at run time', () => {
    const edges = new Map<string, string[]>();
    for (const { file, target, typeOnly } of imports) {
      if (!typeOnly) edges.set(file, [...(edges.get(file) ?? []), target]);
    }
    const done = new Set<string>();
    const visit = (file: string, path: readonly string[]): void => {
      assert.ok(!path.includes(file), `cycle: ${[...path, file].join(' → ')}`);
      if (done.has(file)) return;
      for (const next of edges.get(file) ?? []) visit(next, [...path, file]);
      done.add(file);
    };
    for (const file of files) visit(file, []);
  });

  it('imports only files that exist', () => {
    const missing = imports.filter(({ target }) => !existsSync(join(import.meta.dirname, '../src', target)));
    assert.deepEqual(missing, []);
  });

  it('opens every room with its one sentence', () => {
    for (const room of new Set(files.map(roomOf))) {
      const door = room === 'cli' ? 'main.ts' : join(room, 'index.ts');
      assert.match(readSource(door), /^(#!.*\n)?\/\/ [A-Z].+\.$/m, `${door} has no sentence`);
    }
    assert.match(roomMap(), /\| `kernel\/` \| 0 \|/);
  });

  it(`holds files at ${FILE_LINES} lines and functions at ${FUNCTION_LINES}`, () => {
    const long = files.flatMap((file) => {
      const lines = readSource(file).split('\n').length;
      const functions = functionLengths(file).filter((f) => f.lines > FUNCTION_LINES);
      return [
        ...(lines > FILE_LINES ? [`${file}: ${lines} lines`] : []),
        ...functions.map((f) => `${file} ${f.name}: ${f.lines} lines`),
      ];
    });
    assert.deepEqual(long, []);
  });

  it('has no default export, no silenced check and no word that names nothing', () => {
    for (const file of files) {
      assert.doesNotMatch(readSource(file), /^export default/m, file);
      assert.doesNotMatch(readSource(file), /@ts-(ignore|expect-error|nocheck)|biome-ignore|\bas any\b/, file);
      assert.doesNotMatch(file, /(^|\/)(utils?|helpers?|manager|common|misc)(\.ts|\/)/, file);
    }
  });
});
