import type { Config } from '../config/index.ts';
import type { Identity } from '../kernel/index.ts';
import { isAccountName, printable, userNameFault } from './names.ts';
import type { AccountDecision } from './ports.ts';
import { accountName, createRule, type Rule } from './rule.ts';

/** Maps local users to identities, and identities to vovserver accounts. */
export interface AccountRules {
  /** The account of an identity on a queue. Pure; the same identity object and queue give the same decision object. */
  accountFor(identity: Identity, queue: string): AccountDecision;
  /** The identity of a user that the gateway itself vouches for (access tokens), with its groups from the configuration. */
  identityOf(user: string): Identity;
}

/** Compiles `identity` of the configuration; the first rule that fits decides. Throws an Error naming a bad rule. */
export function createAccountRules(config: Config['identity']): AccountRules {
  const rules = config.rules.map(createRule);
  const groupsOf = groupsByUser(config.groups);
  const sharedNames = new Set(config.rules.flatMap(({ shared }) => shared ?? []));
  const decided = new WeakMap<Identity, Map<string, AccountDecision>>();
  return {
    accountFor(identity, queue) {
      const known = decided.get(identity)?.get(queue);
      if (known !== undefined) return known;
      const decision = decide(rules, sharedNames, identity, queue);
      const ofIdentity = decided.get(identity) ?? new Map<string, AccountDecision>();
      decided.set(identity, ofIdentity.set(queue, decision));
      return decision;
    },
    identityOf: (user) => ({
      subject: `local:${user}`,
      user,
      groups: groupsOf.get(user) ?? [],
      roles: ['user'],
      provider: null,
      attributes: {},
      bound: null,
    }),
  };
}

function groupsByUser(groups: Config['identity']['groups']): ReadonlyMap<string, readonly string[]> {
  const byUser = new Map<string, string[]>();
  for (const [group, users] of Object.entries(groups)) {
    for (const user of new Set(users)) byUser.set(user, [...(byUser.get(user) ?? []), group]);
  }
  return byUser;
}

function decide(
  rules: readonly Rule[],
  sharedNames: ReadonlySet<string>,
  identity: Identity,
  queue: string,
): AccountDecision {
  const fault = userNameFault(identity.user);
  if (fault !== null) return { kind: 'none', reason: fault, rule: null };
  for (const [index, rule] of rules.entries()) {
    const groups = rule.match(identity, queue);
    if (groups !== null) return apply(rule, index, groups, sharedNames, queue);
  }
  return { kind: 'none', reason: 'no rule fits', rule: null };
}

function apply(
  rule: Rule,
  index: number,
  groups: readonly string[],
  sharedNames: ReadonlySet<string>,
  queue: string,
): AccountDecision {
  const { account, shared } = rule.config;
  const template = shared ?? account;
  if (template === undefined) return { kind: 'none', reason: 'the rule denies an account', rule: index };
  const name = shared ?? accountName(template, groups);
  // A user who happens to be called like a service account must not become it.
  if (shared === undefined && sharedNames.has(name)) {
    return { kind: 'none', reason: `the rule gives “${name}”, which is a shared account`, rule: index };
  }
  if (isAccountName(name)) {
    return { kind: 'account', account: { queue, name, shared: shared !== undefined }, rule: index };
  }
  return { kind: 'none', reason: `the rule gives “${printable(name)}”, which is no account name`, rule: index };
}
