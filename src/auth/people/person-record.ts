import type { RememberedPerson } from '../../identity/index.ts';

/** What the store keeps of a person, sealed. `bound`: personal vovserver accounts by queue. */
export interface PersonRecord extends Omit<RememberedPerson, 'bound'> {
  readonly bound: Readonly<Record<string, string>>;
  /** Since when the user name is theirs; milliseconds since the epoch. */
  readonly since: number;
  readonly lastSignInAt: number;
}

/** A record as text. */
export const encodePerson = (record: PersonRecord): string => JSON.stringify(record);

/** The record of an opened text, or null when it is not one. */
export function decodePerson(text: string): PersonRecord | null {
  const value = parsed(text);
  if (!isObject(value)) return null;
  const { subject, user, provider, providerGroups, attributes, bound, since, lastSignInAt } = value;
  if (typeof subject !== 'string' || typeof user !== 'string' || typeof provider !== 'string') return null;
  if (typeof since !== 'number' || typeof lastSignInAt !== 'number') return null;
  if (!isTexts(providerGroups) || !isMapOf(attributes, isTexts) || !isMapOf(bound, isText)) return null;
  return { subject, user, provider, providerGroups, attributes, bound, since, lastSignInAt };
}

const parsed = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
};

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const isText = (value: unknown): value is string => typeof value === 'string';

const isTexts = (value: unknown): value is string[] => Array.isArray(value) && value.every(isText);

const isMapOf = <T>(value: unknown, isOne: (one: unknown) => one is T): value is Record<string, T> =>
  isObject(value) && Object.values(value).every(isOne);
