import type { Config } from '../config/index.ts';
import type { Identity, Role } from '../kernel/index.ts';

/** What the configuration itself says of a user. */
export interface Membership {
  /** Groups of `identity.groups` that list this user name. */
  groupsOf(user: string): readonly string[];
  /** `user`, and what `identity.roles` gives; an admin is an operator too. */
  rolesOf(who: Who, groups: readonly string[]): readonly Role[];
}

/** Who may hold a role. */
export type Who = Pick<Identity, 'user' | 'subject' | 'provider'>;

/** Reads `identity.groups` and `identity.roles`; names are compared exactly. */
export function createMembership(config: Pick<Config['identity'], 'groups' | 'roles'>): Membership {
  const groups = groupsByUser(config.groups);
  const operators = holders(config.roles.operator);
  const admins = holders(config.roles.admin);
  return {
    groupsOf: (user) => groups.get(user) ?? [],
    rolesOf(who, inGroups) {
      if (admins(who, inGroups)) return ['user', 'operator', 'admin'];
      return operators(who, inGroups) ? ['user', 'operator'] : ['user'];
    },
  };
}

function holders(config: Config['identity']['roles']['admin']): (who: Who, groups: readonly string[]) => boolean {
  const users = new Set(config.users);
  const groups = new Set(config.groups);
  const subjects = new Set(config.subjects);
  const { providers } = config;
  const fits = ({ user, subject }: Who, inGroups: readonly string[]): boolean =>
    users.has(user) || subjects.has(subject) || inGroups.some((group) => groups.has(group));
  const isFromOne = ({ provider }: Who): boolean => provider !== null && providers?.includes(provider) === true;
  return (who, inGroups) => fits(who, inGroups) && (providers === undefined || isFromOne(who));
}

function groupsByUser(groups: Config['identity']['groups']): ReadonlyMap<string, readonly string[]> {
  const byUser = new Map<string, string[]>();
  for (const [group, users] of Object.entries(groups)) {
    for (const user of new Set(users)) byUser.set(user, [...(byUser.get(user) ?? []), group]);
  }
  return byUser;
}
