import type { Secret } from '../kernel/index.ts';
import type { Config } from './schema.ts';
import { isRaw, rawAt, resolved, type Shape } from './shape.ts';

/** A configuration of which any part may be missing, because it is absent or at fault. */
export type Draft = Part<Omit<Config, 'secrets'>> & { secrets?: Part<Config['secrets']> | undefined };

/** Every member optional, all the way down. */
export type Part<T> = T extends Secret | string | number | boolean | undefined
  ? T
  : T extends readonly (infer E)[]
    ? readonly (Part<E> | undefined)[]
    : { readonly [K in keyof T]?: Part<T[K]> | undefined };

const decideSection = (shape: Shape, raw: unknown): unknown => {
  if (!isRaw(raw)) return undefined;
  return Object.fromEntries([...shape.keys].map(([key, child]) => [key, decide(child, rawAt(raw, [key]))]));
};

const decide = (shape: Shape, raw: unknown): unknown => {
  if (raw === undefined) return shape.filled ? decideSection(shape, {}) : shape.fallback;
  const here = resolved(shape, raw);
  if (here === null) return undefined;
  const { element } = here;
  if (here.kind === 'section') return decideSection(here, raw);
  if (here.kind === 'list' && element !== null) {
    return Array.isArray(raw) ? raw.map((value) => decide(element, value)) : undefined;
  }
  if (here.kind === 'map' && element !== null) {
    if (!isRaw(raw)) return undefined;
    return Object.fromEntries(Object.entries(raw).map(([key, value]) => [key, decide(element, value)]));
  }
  return here.schema.safeParse(raw).data;
};

/** Decides whatever can be decided and leaves out the rest, so that cross-checks run beside other faults. */
export const toDraft = (shape: Shape, raw: unknown): Draft => decide(shape, raw) as Draft;
