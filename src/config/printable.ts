import { Secret } from '../kernel/index.ts';
import type { Config } from './schema.ts';
import { configShape, isRaw, rawAt, resolved, type Shape } from './shape.ts';
import { durationText, sizeText } from './values.ts';

const REDACTED = '[redacted]';

const keysOf = (shape: Shape, value: object): Iterable<[string, Shape]> =>
  shape.element === null ? shape.keys : Object.keys(value).map((key): [string, Shape] => [key, shape.element ?? shape]);

/** A decided value in the form of the file: units written out, secrets redacted, absent keys left out. */
export function written(shape: Shape, value: unknown): unknown {
  if (value === undefined) return undefined;
  if (shape.secret || value instanceof Secret) return REDACTED;
  const here = resolved(shape, value) ?? shape;
  if (Array.isArray(value)) return value.map((entry) => written(here.element ?? here, entry));
  if (isRaw(value)) {
    const entries = [...keysOf(here, value)].map(([key, child]) => [key, written(child, rawAt(value, [key]))]);
    return Object.fromEntries(entries.filter(([, entry]) => entry !== undefined));
  }
  if (typeof value === 'number' && here.unit !== null) {
    return here.unit === 'duration' ? durationText(value) : sizeText(value);
  }
  return value;
}

/** The decided configuration in the form of the file, with every secret as `[redacted]`. */
export const printable = (config: Config): unknown => written(configShape, config);
