/** Security levels of vovserver, lowest first. */
export const LEVELS = ['READONLY', 'USER', 'LEADER', 'ADMIN'] as const;
export type Level = (typeof LEVELS)[number];

export interface User {
  readonly password: string;
  /** Counts while there are no rules; default USER. */
  readonly level?: Level;
  readonly osgroup?: string;
}

/** One line of security.tcl: `vtk_security <user|+> <LEVEL> <host|+>`; the host is an address here. */
export interface SecurityRule {
  readonly user: string;
  readonly level: Level;
  readonly host: string;
}

/** The accounts that vovserver knows, and what they may. */
export interface Users {
  check(user: string, password: string, lockAfter: number): boolean;
  /** Null when no rule lets this user in from this address. */
  level(user: string, address: string): Level | null;
  osgroup(user: string): string;
  names(): string[];
  set(users: UserTable, rules?: readonly SecurityRule[]): void;
}

/** User name to password, or to all that is known of the user; or a list of named users. */
export type UserTable = Readonly<Record<string, string | User>> | readonly (User & { readonly name: string })[];

const plainAddress = (address: string): string => address.replace(/^::ffff:/, '');

function readTable(table: UserTable): Map<string, User> {
  const users = new Map<string, User>();
  const entries = Array.isArray(table) ? table.map((user) => [user?.name, user] as const) : Object.entries(table);
  for (const [name, value] of entries) {
    const user = typeof value === 'string' ? { password: value } : value;
    if (typeof name !== 'string' || typeof user?.password !== 'string')
      throw new RangeError(`users.${name}: needs a password (text)`);
    if (user.level !== undefined && !LEVELS.includes(user.level)) {
      throw new RangeError(`users.${name}.level: must be ${LEVELS.join(', ')}`);
    }
    users.set(name, user);
  }
  return users;
}

function readRules(rules: readonly SecurityRule[]): readonly SecurityRule[] {
  const bad = rules.find((rule) => !LEVELS.includes(rule.level) || !rule.user || !rule.host);
  if (bad !== undefined) throw new RangeError('rules: each needs user, level and host; + stands for all');
  return rules;
}

/** Makes the table of accounts. With rules, the highest level of all matching ones counts. */
export function createUsers(table: UserTable, initialRules: readonly SecurityRule[] = []): Users {
  let users = readTable(table);
  let rules = readRules(initialRules);
  const failures = new Map<string, number>();
  const fits = (rule: SecurityRule, user: string, address: string): boolean =>
    (rule.user === '+' || rule.user === user) && (rule.host === '+' || rule.host === plainAddress(address));
  return {
    check(name, password, lockAfter) {
      const failed = failures.get(name) ?? 0;
      const good = users.get(name)?.password === password && (lockAfter === 0 || failed < lockAfter);
      failures.set(name, good ? 0 : failed + 1);
      return good;
    },
    level(name, address) {
      const user = users.get(name);
      if (user === undefined) return null;
      if (rules.length === 0) return user.level ?? 'USER';
      const levels = rules.filter((rule) => fits(rule, name, address)).map((rule) => LEVELS.indexOf(rule.level));
      return LEVELS[Math.max(-1, ...levels)] ?? null;
    },
    osgroup: (name) => users.get(name)?.osgroup ?? 'users',
    names: () => [...users.keys()],
    set(next, nextRules) {
      users = readTable(next);
      if (nextRules !== undefined) rules = readRules(nextRules);
      failures.clear();
    },
  };
}
