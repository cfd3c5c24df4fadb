import type { Config } from '../config/index.ts';
import { type Identity, messageOf } from '../kernel/index.ts';

export type RuleConfig = Config['identity']['rules'][number];

/** One rule, compiled. */
export interface Rule {
  readonly config: RuleConfig;
  /** The groups of userPattern when the rule fits ([whole name] without a pattern), else null. */
  match(identity: Identity, queue: string): readonly string[] | null;
}

/** Compiles one rule; throws an Error that names the rule when its userPattern is no regular expression. */
export function createRule(config: RuleConfig, index: number): Rule {
  const { user, userPattern, group, queue: onlyQueue } = config.match;
  const pattern = userPattern === undefined ? null : wholeName(userPattern, index);
  return {
    config,
    match(identity, queue) {
      if (onlyQueue !== undefined && onlyQueue !== queue) return null;
      if (user !== undefined && user !== identity.user) return null;
      if (group !== undefined && !identity.groups.includes(group)) return null;
      if (pattern === null) return [identity.user];
      const found = pattern.exec(identity.user);
      return found === null ? null : [...found].map((part) => part ?? '');
    },
  };
}

/** The account name of a rule: `$0` to `$9` are replaced once by the groups, a group that is not there by nothing. */
export function accountName(template: string, groups: readonly string[]): string {
  return template.replace(/\$([0-9])/g, (_, digit: string) => groups[Number(digit)] ?? '');
}

function wholeName(source: string, index: number): RegExp {
  try {
    // Compiled alone first: otherwise `a)|(b` would close the anchored group and escape from it.
    new RegExp(source);
    return new RegExp(`^(?:${source})$`);
  } catch (error) {
    throw new Error(`identity.rules[${index}].match.userPattern is no regular expression: ${messageOf(error)}`, {
      cause: error,
    });
  }
}
