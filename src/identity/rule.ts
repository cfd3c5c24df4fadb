import type { Config } from '../config/index.ts';
import type { Identity } from '../kernel/index.ts';
import { groupsOfMatch, wholeValue } from './patterns.ts';

export type RuleConfig = Config['identity']['rules'][number];

/** One rule, compiled. */
export interface Rule {
  readonly config: RuleConfig;
  /** The groups of userPattern when the rule fits ([whole name] without a pattern), else null. */
  match(identity: Identity, queue: string): readonly string[] | null;
}

type Fits = (identity: Identity) => boolean;

/** Compiles one rule; throws an Error that names the rule when one of its patterns is no regular expression. */
export function createRule(config: RuleConfig, index: number): Rule {
  const at = `identity.rules[${index}].match`;
  const { user, userPattern, group, subject, provider, attribute, queue: onlyQueue } = config.match;
  const pattern = userPattern === undefined ? null : wholeValue(userPattern, `${at}.userPattern`);
  const hasAttribute = attribute === undefined ? null : attributeFits(attribute, `${at}.attribute`);
  const whatever = (identity: Identity): readonly string[] | null => {
    if (user !== undefined && user !== identity.user) return null;
    if (group !== undefined && !identity.groups.includes(group)) return null;
    if (subject !== undefined && subject !== identity.subject) return null;
    if (provider !== undefined && provider !== identity.provider) return null;
    if (hasAttribute !== null && !hasAttribute(identity)) return null;
    if (config.table !== undefined && !Object.hasOwn(config.table, identity.user)) return null;
    return pattern === null ? [identity.user] : groupsOfMatch(pattern, identity.user);
  };
  // Patterns are matched once for an identity, not once for each queue.
  const known = new WeakMap<Identity, readonly string[] | null>();
  return {
    config,
    match(identity, queue) {
      if (onlyQueue !== undefined && onlyQueue !== queue) return null;
      const before = known.get(identity);
      if (before !== undefined) return before;
      const groups = whatever(identity);
      known.set(identity, groups);
      return groups;
    },
  };
}

/** One of the values must fit. With neither value nor pattern none does: an unfinished rule lets nobody through. */
function attributeFits(wanted: NonNullable<RuleConfig['match']['attribute']>, at: string): Fits {
  const { name, value } = wanted;
  const pattern = wanted.pattern === undefined ? null : wholeValue(wanted.pattern, `${at}.pattern`);
  if (value === undefined && pattern === null) return () => false;
  return ({ attributes }) => {
    const values = Object.hasOwn(attributes, name) ? (attributes[name] ?? []) : [];
    return values.some((one) => (value === undefined || one === value) && (pattern === null || pattern.test(one)));
  };
}
