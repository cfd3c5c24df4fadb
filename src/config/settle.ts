import { resolve } from 'node:path';
import { twinOf, writtenKeys } from './env.ts';
import type { Fault } from './fault.ts';
import { codeOf, type Files, fileMend } from './files.ts';
import { isRaw, pathText, resolved, type Segment, type Shape } from './shape.ts';

const OTHERS_MAY_READ = 0o004;

/** What settling has found besides the values. */
export interface Settled {
  readonly raw: unknown;
  readonly faults: Fault[];
  readonly warnings: string[];
  /** Secret files that were read or tried. */
  readonly files: string[];
  /** Secrets whose file twin is at fault: that they are missing is no news. */
  readonly unread: ReadonlySet<string>;
}

interface Context {
  readonly base: string;
  readonly files: Files;
  readonly faults: Fault[];
  readonly warnings: string[];
  readonly read: string[];
  readonly unread: Set<string>;
}

const readSecret = (context: Context, path: string, file: string): string | null => {
  context.read.push(file);
  const fault = (reason: string, mend: string): null => {
    context.faults.push({ path, reason: `${file} ${reason}`, mend });
    return null;
  };
  try {
    const text = context.files.read(file).replace(/\r?\n$/, '');
    if (text === '') return fault('is empty', 'Write the secret into it.');
    if (((context.files.mode(file) ?? 0) & OTHERS_MAY_READ) !== 0) {
      context.warnings.push(`${path}: ${file} can be read by every user of this machine; chmod o-r it`);
    }
    return text;
  } catch (error) {
    return fault(`cannot be read: ${codeOf(error)}`, fileMend(codeOf(error)));
  }
};

const settleSecret = (context: Context, raw: object, key: string, at: readonly Segment[]): unknown => {
  const plain: unknown = Object.hasOwn(raw, key) ? Reflect.get(raw, key) : undefined;
  const twin = twinOf(key);
  if (!Object.hasOwn(raw, twin)) return plain;
  const file: unknown = Reflect.get(raw, twin);
  const path = pathText([...at, twin]);
  context.unread.add(pathText([...at, key]));
  if (plain !== undefined) {
    context.faults.push({ path, reason: `is given beside ${pathText([...at, key])}`, mend: 'Keep one of the two.' });
    return undefined;
  }
  if (typeof file !== 'string' || file === '') {
    context.faults.push({ path, reason: 'is no path', mend: 'Name the file that holds the secret.' });
    return undefined;
  }
  const value = readSecret(context, path, resolve(context.base, file));
  if (value !== null) context.unread.delete(pathText([...at, key]));
  return value ?? undefined;
};

const settleSection = (context: Context, shape: Shape, raw: object, at: readonly Segment[]): unknown => {
  const twins = new Set([...writtenKeys(shape)].map(([key]) => key).filter((key) => !shape.keys.has(key)));
  const entries = Object.entries(raw).filter(([key]) => !twins.has(key) && shape.keys.get(key)?.secret !== true);
  const settled = entries.map(([key, value]): [string, unknown] => {
    const child = shape.keys.get(key);
    return [key, child === undefined ? value : settleAny(context, child, value, [...at, key])];
  });
  for (const [key, child] of shape.keys) {
    const value = child.secret ? settleSecret(context, raw, key, at) : undefined;
    if (value !== undefined) settled.push([key, value]);
  }
  return Object.fromEntries(settled);
};

const settleAny = (context: Context, shape: Shape, raw: unknown, at: readonly Segment[]): unknown => {
  // A section whose keys are all commented out is null in YAML.
  if (raw === null && shape.filled) return {};
  const here = resolved(shape, raw);
  if (here === null) return raw;
  const { element } = here;
  if (here.kind === 'section' && isRaw(raw)) return settleSection(context, here, raw, at);
  if (here.kind === 'list' && element !== null && Array.isArray(raw)) {
    return raw.map((value, index) => settleAny(context, element, value, [...at, index]));
  }
  if (here.kind === 'map' && element !== null && isRaw(raw)) {
    const entries = Object.entries(raw).map(([key, value]) => [key, settleAny(context, element, value, [...at, key])]);
    return Object.fromEntries(entries);
  }
  return here.path && typeof raw === 'string' && raw !== '' ? resolve(context.base, raw) : raw;
};

/** Replaces file twins by what their files hold (one trailing newline cut) and makes all paths absolute. */
export function settle(shape: Shape, raw: unknown, base: string, files: Files): Settled {
  const context: Context = { base, files, faults: [], warnings: [], read: [], unread: new Set() };
  const settled = settleAny(context, shape, raw, []);
  const { faults, warnings, read, unread } = context;
  return { raw: settled, faults, warnings, files: read, unread };
}
