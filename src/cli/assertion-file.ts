import { readFileSync, statSync } from 'node:fs';
import type { Assertion } from '../identity/index.ts';
import { messageOf } from '../kernel/index.ts';

/** Whether an argument means a file rather than a user: it ends in .json, or there is such a file. */
export function isAssertionFile(argument: string): boolean {
  return argument.endsWith('.json') || (statSync(argument, { throwIfNoEntry: false })?.isFile() ?? false);
}

/**
 * The assertion in a file, or what is wrong with it: `{"provider", "issuer", "attributes"}`, values as a text or a list of
 * texts. `provider` comes before the one in the file, `otherwise` after it.
 */
export function readAssertion(path: string, provider: string | null, otherwise: string | null): Assertion | string {
  let content: unknown;
  try {
    content = JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    return `${path} cannot be read: ${messageOf(error)}`;
  }
  if (!isObject(content)) return `${path} is no JSON object with provider and attributes`;
  const { provider: named, issuer = '', attributes } = content;
  const from = provider ?? named ?? otherwise;
  if (typeof from !== 'string') return `${path} names no provider; add "provider", or say --provider NAME`;
  if (typeof issuer !== 'string') return `issuer in ${path} is no text`;
  if (!isObject(attributes)) return `${path} has no attributes: {"attributes": {"NameID": ["x"]}}`;
  const values: [string, readonly string[]][] = [];
  for (const [name, value] of Object.entries(attributes)) {
    const list: unknown[] = Array.isArray(value) ? value : [value];
    if (!list.every((one) => typeof one === 'string'))
      return `attribute ${name} in ${path} is no text or list of texts`;
    values.push([name, list]);
  }
  return { provider: from, issuer, attributes: Object.fromEntries(values) };
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
