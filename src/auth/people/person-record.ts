import type { RememberedPerson } from '../../identity/index.ts';

/** A user name that a person had before the identity provider renamed them, with personal accounts by queue. */
export interface FormerName {
  readonly user: string;
  readonly bound: Readonly<Record<string, string>>;
}

/** What the store keeps of a person, sealed. `bound`: personal vovserver accounts by queue. */
export interface PersonRecord extends Omit<RememberedPerson, 'bound'> {
  readonly bound: Readonly<Record<string, string>>;
  /** Names and accounts that stay theirs until the administrator frees them, oldest first. */
  readonly former: readonly FormerName[];
  /** True: the rules refused their last sign-in, and they are nobody until one is let in. */
  readonly denied: boolean;
  /** Since when the user name is theirs; milliseconds since the epoch. */
  readonly since: number;
  /** 0: they never signed in, and the administrator keeps the name for them. */
  readonly lastSignInAt: number;
}

/** A text of the store: a person, or the mark that one was removed. `version` grows with each text under one key. */
export interface PersonText {
  readonly version: number;
  /** Null: removed. */
  readonly record: PersonRecord | null;
}

/** A record or the mark of a removal as text. */
export const encodePerson = ({ version, record }: PersonText): string =>
  JSON.stringify(record === null ? { version, removed: true } : { version, ...record });

/** What an opened text says, or null when it is none of ours. */
export function decodePerson(text: string): PersonText | null {
  const value = parsed(text);
  if (!isObject(value)) return null;
  // Texts of before there were versions are older than any.
  const { version = 0, removed } = value;
  if (typeof version !== 'number') return null;
  if (removed === true) return { version, record: null };
  const record = toRecord(value);
  return record === null ? null : { version, record };
}

function toRecord(value: Record<string, unknown>): PersonRecord | null {
  const { subject, user, provider, providerGroups, attributes, bound, since, lastSignInAt } = value;
  const { former = [], denied = false } = value;
  if (typeof subject !== 'string' || typeof user !== 'string' || typeof provider !== 'string') return null;
  if (typeof since !== 'number' || typeof lastSignInAt !== 'number' || typeof denied !== 'boolean') return null;
  if (!isTexts(providerGroups) || !isMapOf(attributes, isTexts) || !isMapOf(bound, isText)) return null;
  if (!Array.isArray(former) || !former.every(isFormer)) return null;
  return { subject, user, provider, providerGroups, attributes, bound, former, denied, since, lastSignInAt };
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

const isFormer = (value: unknown): value is FormerName =>
  isObject(value) && isText(value.user) && isMapOf(value.bound, isText);
