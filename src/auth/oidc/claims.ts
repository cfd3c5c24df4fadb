import { isObject } from './provider-calls.ts';

const MAX_DEPTH = 6;
const MAX_ATTRIBUTES = 500;

const isScalar = (value: unknown): value is string | number | boolean =>
  typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean';

/**
 * Claims as attributes: strings, numbers, booleans and lists of them as lists of texts; nested ones by dotted path, for
 * example `realm_access.roles`. A claim whose own name holds the dots wins over a nested one.
 */
export function attributesOf(claims: Readonly<Record<string, unknown>>): Readonly<Record<string, readonly string[]>> {
  const found = new Map<string, readonly string[]>();
  let level: readonly (readonly [string, unknown])[] = Object.entries(claims);
  for (let depth = 0; depth < MAX_DEPTH && level.length > 0; depth++) {
    for (const [name, value] of level) {
      const texts = textsOf(value);
      if (texts !== null && !found.has(name) && found.size < MAX_ATTRIBUTES) found.set(name, texts);
    }
    level = level.flatMap(([name, value]) =>
      isObject(value) ? Object.entries(value).map(([key, child]) => [`${name}.${key}`, child] as const) : [],
    );
  }
  return Object.fromEntries(found);
}

function textsOf(value: unknown): readonly string[] | null {
  if (isScalar(value)) return [String(value)];
  if (Array.isArray(value) && value.every(isScalar)) return value.map(String);
  return null;
}
