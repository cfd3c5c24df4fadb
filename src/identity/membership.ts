import type { Config } from '../config/index.ts';
import type { Role } from '../kernel/index.ts';

/** What the configuration itself says of a user. */
export interface Membership {
  /** Groups of `identity.groups` that list this user name. */
  groupsOf(user: string): readonly string[];
  /** `user`, and what `identity.roles` gives; an admin is an operator too. */
  rolesOf(user: string, groups: readonly string[]): readonly Role[];
}

/** Reads `identity.groups` and `identity.roles`; names are compared exactly. */
export function createMembership(config: Pick<Config['identity'], 'groups' | 'roles'>): Membership {
  const groups = groupsByUser(config.groups);
  const operators = holders(config.roles.operator);
  const admins = holders(config.roles.admin);
  return {
    groupsOf: (user) => groups.get(user) ?? [],
    rolesOf(user, inGroups) {
      if (admins(user, inGroups)) return ['user', 'operator', 'admin'];
      return operators(user, inGroups) ? ['user', 'operator'] : ['user'];
    },
  };
}

function holders(config: Config['identity']['roles']['admin']): (user: string, groups: readonly string[]) => boolean {
  const users = new Set(config.users);
  const groups = new Set(config.groups);
  return (user, inGroups) => users.has(user) || inGroups.some((group) => groups.has(group));
}

function groupsByUser(groups: Config['identity']['groups']): ReadonlyMap<string, readonly string[]> {
  const byUser = new Map<string, string[]>();
  for (const [group, users] of Object.entries(groups)) {
    for (const user of new Set(users)) byUser.set(user, [...(byUser.get(user) ?? []), group]);
  }
  return byUser;
}
