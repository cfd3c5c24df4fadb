import { messageOf } from '../kernel/index.ts';

/** Compiles a regular expression for whole values; throws an Error that names the key `where` when it is none. */
export function wholeValue(source: string, where: string): RegExp {
  try {
    // Compiled alone first: otherwise `a)|(b` would close the anchored group and escape from it.
    new RegExp(source);
    return new RegExp(`^(?:${source})$`);
  } catch (error) {
    throw new Error(`${where} is no regular expression: ${messageOf(error)}`, { cause: error });
  }
}

/** The value and the groups of a pattern that fits the whole value, a group that took no part as nothing; else null. */
export function groupsOfMatch(pattern: RegExp, value: string): readonly string[] | null {
  const found = pattern.exec(value);
  return found === null ? null : [...found].map((part) => part ?? '');
}

/** A template in which `$0` to `$9` are replaced once by the groups, a group that is not there by nothing. */
export function filled(template: string, groups: readonly string[]): string {
  return template.replace(/\$([0-9])/g, (_, digit: string) => groups[Number(digit)] ?? '');
}
