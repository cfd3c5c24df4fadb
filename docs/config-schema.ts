import { z } from 'zod';
import { configSchema, configShape, type Shape, written } from '../src/config/index.ts';

type Json = Record<string, unknown>;

/** Notes of our own in the schema's metadata; they mean nothing outside. */
const OWN_NOTES = ['secret', 'path', 'unit', 'hint'];

const isJson = (value: unknown): value is Json => typeof value === 'object' && value !== null && !Array.isArray(value);

const listOf = (value: unknown): unknown[] => (Array.isArray(value) ? value : []);

const withoutNotes = (json: Json): Json =>
  Object.fromEntries(
    Object.entries(json).filter(([key]) => !OWN_NOTES.includes(key) && !(key === 'format' && 'pattern' in json)),
  );

const twinSchema = (key: string): Json => ({
  description: `File that holds ${key}; one line end at its end is cut.`,
  type: 'string',
  minLength: 1,
});

/** Exactly one of a secret and its file twin where the secret is required, else at most one. */
const twinRule = (key: string, required: boolean): Json => {
  const both = [{ required: [key] }, { required: [`${key}File`] }];
  return required ? { oneOf: both } : { not: { required: [key, `${key}File`] } };
};

const withTwins = (json: Json, shape: Shape): Json => {
  const secrets = [...shape.keys].filter(([, child]) => child.secret);
  if (secrets.length === 0) return json;
  const names = new Set(secrets.map(([key]) => key));
  const twins = Object.fromEntries(secrets.map(([key]) => [`${key}File`, twinSchema(key)]));
  const required = listOf(json.required).filter((key) => !names.has(String(key)));
  const { required: _, ...rest } = json;
  return {
    ...rest,
    properties: { ...(isJson(json.properties) ? json.properties : {}), ...twins },
    ...(required.length > 0 ? { required } : {}),
    allOf: secrets.map(([key, child]) => twinRule(key, child.required)),
  };
};

const withDefault = (json: Json, shape: Shape): Json => {
  const fallback = written(shape, shape.fallback);
  return fallback === undefined || shape.filled ? json : { ...json, default: fallback };
};

/** A section that is filled with defaults may stand in the file with all its keys commented out. */
const withEmpty = (json: Json, shape: Shape): Json =>
  shape.filled && json.type === 'object' ? { ...json, type: ['object', 'null'] } : json;

const convert = (input: unknown, shape: Shape | null | undefined): unknown => {
  if (!isJson(input) || !shape) return input;
  const properties = isJson(input.properties) ? Object.entries(input.properties) : [];
  const json: Json = { ...withoutNotes(input) };
  if (properties.length > 0) {
    json.properties = Object.fromEntries(properties.map(([key, child]) => [key, convert(child, shape.keys.get(key))]));
  }
  if ('items' in input) json.items = convert(input.items, shape.element);
  if (isJson(input.additionalProperties))
    json.additionalProperties = convert(input.additionalProperties, shape.element);
  if (shape.kind === 'tagged') {
    const choices = [...shape.choices.values()];
    json.oneOf = listOf(input.oneOf).map((option, at) => convert(option, choices[at]));
  }
  return withEmpty(withDefault(withTwins(json, shape), shape), shape);
};

/** In development missing secrets are made at start, so only production asks for all of them. */
const secretsByMode = (root: Json): Json => {
  const properties = isJson(root.properties) ? root.properties : {};
  const { allOf, ...secrets } = isJson(properties.secrets) ? properties.secrets : {};
  const development = { properties: { mode: { const: 'development' } }, required: ['mode'] };
  const atMostOne = [...(configShape.keys.get('secrets')?.keys.keys() ?? [])].map((key) => twinRule(key, false));
  return {
    ...root,
    properties: { ...properties, secrets: { ...secrets, allOf: atMostOne } },
    if: development,
    else: { properties: { secrets: { allOf } } },
  };
};

const urlPattern = (schema: unknown): string | null => {
  const protocol: unknown = schema instanceof z.ZodURL ? schema._zod.def.protocol : undefined;
  return protocol instanceof RegExp ? `^(?:${protocol.source.replace(/[\^$]/g, '')})://` : null;
};

/** `config/gateway.schema.json`: the form of the file for editors, with the file twins of all secrets. */
export function configJsonSchema(): string {
  const json = z.toJSONSchema(configSchema, {
    io: 'input',
    override({ zodSchema, jsonSchema }) {
      const pattern = urlPattern(zodSchema);
      if (pattern !== null) Object.assign(jsonSchema, { pattern });
    },
  });
  const { $schema, ...root } = convert(json, configShape) as Json;
  const titled = { $schema, title: 'vov-gateway configuration', ...secretsByMode(root) };
  return `${JSON.stringify(titled, null, 2)}\n`;
}
