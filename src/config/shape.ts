import { z } from 'zod';
import { configSchema } from './schema.ts';

/** How a key is written: a section, a list, a map, a section whose form a tag decides, or a single value. */
export type ShapeKind = 'section' | 'list' | 'map' | 'tagged' | 'text' | 'number' | 'boolean';

/** One node of the configuration, read off the zod schema, so that names, twins and documents cannot drift from it. */
export interface Shape {
  readonly kind: ShapeKind;
  /** The zod schema of the node itself, without optional and default. */
  readonly schema: z.ZodType;
  readonly description: string;
  readonly required: boolean;
  /** The decided default; undefined when there is none. */
  readonly fallback: unknown;
  /** True when a missing section is filled with the defaults of its keys. */
  readonly filled: boolean;
  readonly secret: boolean;
  readonly path: boolean;
  readonly unit: 'duration' | 'size' | null;
  /** What to do when the value is refused. */
  readonly hint: string | null;
  /** The permitted words of a text, when they are a closed set. */
  readonly words: readonly string[];
  readonly keys: ReadonlyMap<string, Shape>;
  /** Of a list or a map. */
  readonly element: Shape | null;
  readonly tag: string | null;
  readonly choices: ReadonlyMap<string, Shape>;
}

type Mutable = { -readonly [K in keyof Shape]: Shape[K] };

const blank = (schema: z.ZodType): Mutable => ({
  kind: 'text',
  schema,
  description: '',
  required: true,
  fallback: undefined,
  filled: false,
  secret: false,
  path: false,
  unit: null,
  hint: null,
  words: [],
  keys: new Map(),
  element: null,
  tag: null,
  choices: new Map(),
});

const asType = (schema: unknown): z.ZodType => {
  if (schema instanceof z.ZodType) return schema;
  throw new TypeError('the schema holds something that is no zod type');
};

const readMeta = (shape: Mutable, schema: z.ZodType): void => {
  const meta = schema.meta() ?? {};
  if (meta.description !== undefined && shape.description === '') shape.description = meta.description;
  if (meta.secret === true) shape.secret = true;
  if (meta.path === true) shape.path = true;
  if (typeof meta.hint === 'string') shape.hint = meta.hint;
  if (meta.unit === 'duration' || meta.unit === 'size') shape.unit = meta.unit;
};

const unwrapped = (shape: Mutable, schema: z.ZodType): z.ZodType | null => {
  if (schema instanceof z.ZodOptional) {
    shape.required = false;
    return asType(schema.unwrap());
  }
  if (schema instanceof z.ZodDefault) {
    shape.required = false;
    shape.fallback = schema.def.defaultValue;
    return asType(schema.unwrap());
  }
  if (schema instanceof z.ZodPrefault) {
    shape.required = false;
    shape.filled = true;
    return asType(schema.unwrap());
  }
  return null;
};

const readChoices = (shape: Mutable, schema: z.ZodDiscriminatedUnion): void => {
  shape.kind = 'tagged';
  shape.tag = schema.def.discriminator;
  const choices = schema.options.map((option): [string, Shape] => {
    const choice = shapeOf(asType(option));
    return [choice.keys.get(schema.def.discriminator)?.words[0] ?? '', choice];
  });
  shape.choices = new Map(choices);
};

/** An entry without a description of its own means what its list means. */
const entryOf = (schema: unknown, description: string): Shape => {
  const entry = shapeOf(asType(schema));
  return entry.description === '' ? { ...entry, description } : entry;
};

const readForm = (shape: Mutable, schema: z.ZodType): void => {
  if (schema instanceof z.ZodObject) {
    shape.kind = 'section';
    shape.keys = new Map(Object.entries(schema.shape).map(([key, child]) => [key, shapeOf(asType(child))]));
  } else if (schema instanceof z.ZodArray) {
    shape.kind = 'list';
    shape.element = entryOf(schema.element, shape.description);
  } else if (schema instanceof z.ZodRecord) {
    shape.kind = 'map';
    shape.element = entryOf(schema.valueType, shape.description);
  } else if (schema instanceof z.ZodDiscriminatedUnion) {
    readChoices(shape, schema);
  } else if (schema instanceof z.ZodNumber) {
    shape.kind = 'number';
  } else if (schema instanceof z.ZodBoolean || (schema instanceof z.ZodLiteral && schema.values.has(true))) {
    shape.kind = 'boolean';
  } else if (schema instanceof z.ZodEnum) {
    shape.words = schema.options.map(String);
  } else if (schema instanceof z.ZodLiteral) {
    shape.words = [...schema.values].map(String);
  }
};

/** Reads the node of a zod schema. */
export function shapeOf(schema: z.ZodType): Shape {
  const shape = blank(schema);
  let inner = schema;
  for (let next: z.ZodType | null = schema; next !== null; next = unwrapped(shape, next)) {
    readMeta(shape, next);
    inner = next;
  }
  shape.schema = inner;
  readForm(shape, inner);
  return shape;
}

/** The root of the configuration. */
export const configShape: Shape = shapeOf(configSchema);

export type Segment = string | number;

/** Segments as text: `queues[0].tls.pins[1]`. */
export const pathText = (segments: readonly PropertyKey[]): string =>
  segments.reduce<string>(
    (text, segment) =>
      typeof segment === 'number'
        ? `${text}[${segment}]`
        : text === ''
          ? String(segment)
          : `${text}.${String(segment)}`,
    '',
  );

/** The text of {@link pathText} as segments; `queues.0.name` is read like `queues[0].name`. */
export const pathSegments = (text: string): Segment[] =>
  (text.match(/[^.[\]]+/g) ?? []).map((part) => (/^\d+$/.test(part) ? Number(part) : part));

export type Raw = Readonly<Record<string, unknown>>;

/** True for a plain mapping, as YAML and JSON give it. */
export const isRaw = (value: unknown): value is Raw =>
  typeof value === 'object' &&
  value !== null &&
  !Array.isArray(value) &&
  Object.getPrototypeOf(value) === Object.prototype;

/** The shape of a tagged section as far as `raw` says which it is; other shapes stay as they are. */
export function resolved(shape: Shape, raw: unknown): Shape | null {
  if (shape.kind !== 'tagged') return shape;
  const tag = isRaw(raw) && shape.tag !== null ? raw[shape.tag] : undefined;
  return shape.choices.get(String(tag)) ?? null;
}

/** The shape one step further down, or null when there is none. */
export function childOf(shape: Shape, segment: PropertyKey, raw: unknown): Shape | null {
  const here = resolved(shape, raw);
  if (here === null) return null;
  if (here.kind === 'section') return here.keys.get(String(segment)) ?? null;
  return here.element;
}

/** The value at a path of a raw object. */
export const rawAt = (raw: unknown, segments: readonly PropertyKey[]): unknown =>
  segments.reduce<unknown>(
    (value, segment) =>
      typeof value === 'object' && value !== null && Object.hasOwn(value, segment)
        ? (value as Record<PropertyKey, unknown>)[segment]
        : undefined,
    raw,
  );

/** The shape at a path; `raw` decides tagged sections on the way. */
export const shapeAt = (root: Shape, raw: unknown, segments: readonly PropertyKey[]): Shape | null =>
  segments.reduce<Shape | null>(
    (shape, segment, depth) => (shape === null ? null : childOf(shape, segment, rawAt(raw, segments.slice(0, depth)))),
    root,
  );

/** The single values of a raw tree with their shapes, as far as both agree. */
export function* leavesOf(
  shape: Shape,
  raw: unknown,
  at: readonly Segment[] = [],
): Generator<{ shape: Shape; value: unknown; at: readonly Segment[] }> {
  const here = resolved(shape, raw);
  if (here === null || raw === undefined) return;
  if (here.kind === 'section' && isRaw(raw)) {
    for (const [key, child] of here.keys) yield* leavesOf(child, rawAt(raw, [key]), [...at, key]);
  } else if (here.kind === 'map' && isRaw(raw) && here.element !== null) {
    for (const [key, value] of Object.entries(raw)) yield* leavesOf(here.element, value, [...at, key]);
  } else if (here.kind === 'list' && Array.isArray(raw) && here.element !== null) {
    for (const [index, value] of raw.entries()) yield* leavesOf(here.element, value, [...at, index]);
  } else {
    yield { shape: here, value: raw, at };
  }
}
