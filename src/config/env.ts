import { parseDocument } from 'yaml';
import type { Fault, FaultSource } from './fault.ts';
import { nearest } from './nearest.ts';
import { configShape, pathSegments, type Raw, type Segment, type Shape } from './shape.ts';

/** One value that lies over the file: where it goes, what it is and who says so. */
export interface Overlay {
  readonly at: readonly Segment[];
  readonly value: unknown;
  readonly source: FaultSource;
  /** The variable or flag, for messages. */
  readonly name: string;
  /** The key that says the same in the other way (`password` and `passwordFile`), or null. */
  readonly twin: string | null;
}

const PREFIX = 'VOVGW_';

/** What people and scripts export for `vovgw login`, `curl` and the Python module; it says nothing of a gateway. */
const CLIENT_VARIABLES = ['VOVGW_TOKEN', 'VOVGW_URL', 'VOVGW_CA_FILE'] as const;

/** Variables with the prefix that are no keys of the configuration. */
const OTHER_VARIABLES: ReadonlySet<string> = new Set(['VOVGW_CONFIG', ...CLIENT_VARIABLES]);

/** Whether a variable says something of the configuration; another program's and a client's do not. */
export const isConfigVariable = (name: string): boolean => name.startsWith(PREFIX) && !OTHER_VARIABLES.has(name);

/** What Kubernetes puts into every container when a Service is named `vovgw`. */
const SERVICE_LINK = /^VOVGW_(SERVICE_(HOST|PORT(_[A-Z0-9_]+)?)|PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)$/;

const snake = (key: string): string => key.replace(/([a-z0-9])([A-Z])/g, '$1_$2').toUpperCase();

/** The environment twin of a key: `server.limits.bodyBytes` is VOVGW_SERVER_LIMITS_BODY_BYTES. */
export const envName = (at: readonly Segment[]): string =>
  PREFIX + at.map((segment) => (typeof segment === 'number' ? String(segment) : snake(segment))).join('_');

/** The key that names the file of a secret key: `password` has `passwordFile`. */
export const twinOf = (key: string): string => `${key}File`;

/** The keys of a section as they may be written: with the file twins of its secrets. */
export function* writtenKeys(shape: Shape): Generator<[key: string, child: Shape, twin: string | null]> {
  for (const [key, child] of shape.keys) {
    yield [key, child, child.secret ? twinOf(key) : null];
    if (child.secret) yield [twinOf(key), { ...child, secret: false, path: true, required: false }, key];
  }
}

interface Target {
  readonly at: readonly Segment[];
  readonly shape: Shape;
  readonly twin: string | null;
}

const branches = (shape: Shape): Iterable<[string, Shape, string | null]> =>
  shape.kind === 'tagged'
    ? [...shape.choices.values()].flatMap((choice) => [...writtenKeys(choice)])
    : writtenKeys(shape);

/** Every key that the rest of a variable's name can mean. */
function* targets(rest: string, shape: Shape, at: readonly Segment[]): Generator<Target> {
  if (shape.kind === 'list' && shape.element !== null) {
    const [, index, more] = /^(\d{1,3})(?:_(.+))?$/.exec(rest) ?? [];
    if (index === undefined) return;
    const here = [...at, Number(index)];
    if (more === undefined) yield { at: here, shape: shape.element, twin: null };
    else yield* targets(more, shape.element, here);
    return;
  }
  for (const [key, child, twin] of branches(shape)) {
    const name = snake(key);
    if (rest === name) yield { at: [...at, key], shape: child, twin };
    else if (rest.startsWith(`${name}_`)) yield* targets(rest.slice(name.length + 1), child, [...at, key]);
  }
}

/** The key that a variable means, or null. */
export const keyOf = (variable: string): Target | null =>
  targets(variable.slice(PREFIX.length), configShape, []).next().value ?? null;

const parseValue = (text: string): { value: unknown } | null => {
  const document = parseDocument(text, { prettyErrors: false, logLevel: 'silent' });
  return document.errors.length > 0 ? null : { value: document.toJS() as unknown };
};

/** Text of a variable or flag as the value that its key takes; null when it is no YAML where YAML is due. */
export function valueFrom(text: string, shape: Shape): { value: unknown } | null {
  if (shape.kind === 'text') return { value: text };
  if (shape.kind === 'number') return { value: /^-?\d+(\.\d+)?$/.test(text) ? Number(text) : text };
  if (shape.kind === 'boolean') return { value: text === 'true' ? true : text === 'false' ? false : text };
  return parseValue(text);
}

const unknownVariable = (name: string): Fault => {
  const near = nearest(name, variableNames(name));
  return {
    path: name,
    reason: 'is no variable of this program',
    mend: near === null ? 'Unset it; docs/configuration.md lists all variables.' : `Did you mean ${near}?`,
    source: 'env',
  };
};

const indexed = (name: string): number[] => [...name.matchAll(/_(\d{1,3})(?=_|$)/g)].map((match) => Number(match[1]));

/** All names that a mistyped one may have meant; list indexes are taken from it. */
function variableNames(wrong: string): string[] {
  const names: string[] = [...OTHER_VARIABLES];
  const walk = (shape: Shape, at: readonly Segment[], indexes: readonly number[]): void => {
    if (at.length > 0) names.push(envName(at));
    if (shape.kind === 'list' && shape.element !== null) {
      const [index, ...more] = indexes;
      if (index !== undefined) walk(shape.element, [...at, index], more);
      return;
    }
    for (const [key, child] of branches(shape)) walk(child, [...at, key], indexes);
  };
  walk(configShape, [], indexed(wrong));
  return names;
}

const badValue = (name: string, reason: string, mend: string): Fault => ({ path: name, reason, mend, source: 'env' });

/** What the environment says: values to lay over the file, and variables that say nothing. */
export function readEnv(env: Readonly<Record<string, string | undefined>>): {
  overlays: Overlay[];
  faults: Fault[];
  warnings: string[];
} {
  const overlays: Overlay[] = [];
  const faults: Fault[] = [];
  const warnings: string[] = [];
  for (const [name, text] of Object.entries(env)) {
    if (text === undefined || !isConfigVariable(name)) continue;
    const target = keyOf(name);
    if (target === null && SERVICE_LINK.test(name)) {
      warnings.push(`${name}: looks like a Kubernetes service link and is ignored; set enableServiceLinks: false`);
    } else if (target === null) {
      faults.push(unknownVariable(name));
    } else if (text === '') {
      faults.push(badValue(name, 'is empty', 'Give it a value or unset it.'));
    } else {
      const parsed = valueFrom(text, target.shape);
      if (parsed === null)
        faults.push(badValue(name, 'is no YAML or JSON', 'Write the whole value, for example [a, b] or {key: value}.'));
      else overlays.push({ at: target.at, value: parsed.value, source: 'env', name, twin: target.twin });
    }
  }
  return { overlays, faults, warnings };
}

/** Flags are given by key, for example `{'server.port': 0}`; text is read as in the environment. */
export function readFlags(flags: Raw): { overlays: Overlay[]; faults: Fault[] } {
  const overlays: Overlay[] = [];
  const faults: Fault[] = [];
  for (const [name, given] of Object.entries(flags)) {
    if (given === undefined) continue;
    const target = keyOfPath(pathSegments(name));
    const parsed = target !== null && typeof given === 'string' ? valueFrom(given, target.shape) : { value: given };
    if (target === null) {
      faults.push({
        path: name,
        reason: 'is no known key',
        mend: 'docs/configuration.md lists all keys.',
        source: 'flag',
      });
    } else if (parsed === null) {
      faults.push({ path: name, reason: 'is no YAML or JSON', mend: 'Write the whole value.', source: 'flag' });
    } else {
      overlays.push({ at: target.at, value: parsed.value, source: 'flag', name, twin: target.twin });
    }
  }
  return { overlays, faults };
}

type Step = readonly [shape: Shape, twin: string | null];

const stepsOf = (shape: Shape, segment: Segment): Step[] => {
  if (shape.kind === 'list' && typeof segment !== 'number') return [];
  if (shape.kind === 'list' || shape.kind === 'map') return shape.element === null ? [] : [[shape.element, null]];
  return [...branches(shape)].filter(([key]) => key === segment).map(([, child, twin]) => [child, twin]);
};

/** The key at a path such as that of `server.port` or `redis.passwordFile`, or null. */
export function keyOfPath(at: readonly Segment[]): Target | null {
  const found = at.reduce<Step[]>(
    (steps, segment) => steps.flatMap(([shape]) => stepsOf(shape, segment)),
    [[configShape, null]],
  )[0];
  return found === undefined || at.length === 0 ? null : { at, shape: found[0], twin: found[1] };
}
