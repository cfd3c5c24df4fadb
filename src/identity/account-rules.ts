import type { Config } from '../config/index.ts';
import type { Identity } from '../kernel/index.ts';
import { createMembership } from './membership.ts';
import { isAccountName, printable, userNameFault } from './names.ts';
import { filled } from './patterns.ts';
import type { AccountDecision } from './ports.ts';
import { createRule, type Rule } from './rule.ts';

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
  const { groupsOf, rolesOf } = createMembership(config);
  const sharedNames = new Set(config.rules.flatMap(({ shared }) => shared ?? []));
  const decided = new WeakMap<Identity, Map<string, AccountDecision>>();
  return {
    accountFor(identity, queue) {
      const known = decided.get(identity)?.get(queue);
      if (known !== undefined) return known;
      const decision = asBound(decide(rules, sharedNames, identity, queue), identity);
      const ofIdentity = decided.get(identity) ?? new Map<string, AccountDecision>();
      decided.set(identity, ofIdentity.set(queue, decision));
      return decision;
    },
    identityOf(user) {
      const groups = groupsOf(user);
      const who = { subject: `local:${user}`, user, provider: null };
      return { ...who, groups, roles: rolesOf(who, groups), attributes: {}, bound: null };
    },
  };
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
    if (groups !== null) return apply(rule, index, nameOf(rule, identity, groups), sharedNames, queue);
  }
  return { kind: 'none', reason: 'no rule fits', rule: null };
}

/** The account name that a rule which fits gives; null when it denies one. */
function nameOf({ config }: Rule, { user }: Identity, groups: readonly string[]): string | null {
  if (config.shared !== undefined) return config.shared;
  if (config.table !== undefined) return config.table[user] ?? null;
  return config.account === undefined ? null : filled(config.account, groups);
}

function apply(
  rule: Rule,
  index: number,
  name: string | null,
  sharedNames: ReadonlySet<string>,
  queue: string,
): AccountDecision {
  const { shared } = rule.config;
  if (name === null) return { kind: 'none', reason: 'the rule denies an account', rule: index };
  // A user who happens to be called like a service account must not become it.
  if (shared === undefined && sharedNames.has(name)) {
    return { kind: 'none', reason: `the rule gives “${name}”, which is a shared account`, rule: index };
  }
  if (isAccountName(name)) {
    return { kind: 'account', account: { queue, name, shared: shared !== undefined }, rule: index };
  }
  return { kind: 'none', reason: `the rule gives “${printable(name)}”, which is no account name`, rule: index };
}

/** A personal account is used only when it was bound to this identity: another identity may have it by now. */
function asBound(decision: AccountDecision, { bound }: Identity): AccountDecision {
  if (bound === null || decision.kind === 'none' || decision.account.shared) return decision;
  const { queue, name } = decision.account;
  if (Object.hasOwn(bound, queue) && bound[queue] === name) return decision;
  const reason = `the rule gives “${name}”, which was not theirs at the last sign-in; they must sign in again`;
  return { kind: 'none', reason, rule: decision.rule };
}
