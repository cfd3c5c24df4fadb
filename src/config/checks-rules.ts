import { LONGEST_VALUE, patternFault, patternSteps } from './bounded-pattern.ts';
import type { Check, CheckFinding } from './checks.ts';
import { mapsGroups, unknown, valuePattern, waysOf } from './checks-mapping.ts';
import type { Draft } from './draft.ts';

export type RuleDraft = NonNullable<NonNullable<NonNullable<Draft['identity']>['rules']>[number]>;

/** A rule about each of identity.rules. */
export const ruleRule = (
  name: string,
  rule: (rule: RuleDraft, path: string, draft: Draft) => Iterable<CheckFinding>,
): Check => ({
  name,
  *run(draft) {
    for (const [index, entry] of (draft.identity?.rules ?? []).entries()) {
      if (entry !== undefined) yield* rule(entry, `identity.rules[${index}]`, draft);
    }
  },
});

const USER_NAME = /^[A-Za-z0-9._@-]{1,64}$/;
/** What vovserver knows: the name of a Unix account (useradd(8)). */
const ACCOUNT_NAME = /^[A-Za-z_][A-Za-z0-9_.-]{0,31}\$?$/;

const names = (ways: ReturnType<typeof waysOf>): (string | undefined)[] => [...ways].map(([, { name }]) => name);

/** Null while a realm is not known because its provider is at fault. */
const realms = (draft: Draft): string[] | null => {
  const known = [...waysOf(draft)].map(([, { realm, name }]) => realm ?? name);
  return known.includes(undefined) ? null : ['local', ...known.flatMap((realm) => realm ?? [])];
};

function* usersIn({ identity }: Draft): Generator<readonly [path: string, user: string | undefined]> {
  for (const [role, holders] of Object.entries(identity?.roles ?? {})) {
    for (const [index, user] of (holders?.users ?? []).entries()) {
      yield [`identity.roles.${role}.users[${index}]`, user];
    }
  }
  for (const [index, rule] of (identity?.rules ?? []).entries()) {
    for (const user of Object.keys(rule?.table ?? {})) yield [`identity.rules[${index}].table.${user}`, user];
  }
}

type HoldersDraft = NonNullable<NonNullable<NonNullable<Draft['identity']>['roles']>['admin']>;

function* rolesIn({ identity }: Draft): Generator<readonly [path: string, holders: HoldersDraft]> {
  for (const [role, holders] of Object.entries(identity?.roles ?? {})) {
    if (holders !== undefined) yield [`identity.roles.${role}`, holders];
  }
}

function* strangeSubject(path: string, subject: string | undefined, known: string[] | null): Generator<CheckFinding> {
  if (subject === undefined || known === null) return;
  const realm = subject.split(':')[0] ?? '';
  if (subject.includes(':') && known.includes(realm)) return;
  yield {
    path,
    reason: `is the subject of nobody: it begins with none of ${known.map((one) => `${one}:`).join(', ')}`,
    mend: 'Write realm and subject, for example local:alice; `vovgw binding list` shows those of people.',
  };
}

/** Steps that the attribute patterns of all rules may take together with one value; a person may have 256. */
const STEPS_OF_ALL = 2 * (LONGEST_VALUE + 1) ** 2;

/** Rules of whom identity.rules and identity.roles concern. */
export const RULE_CHECKS: readonly Check[] = [
  ruleRule('rules name known providers', function* ({ match }, path, draft) {
    const known = names(waysOf(draft));
    if (match?.provider === undefined || known.includes(undefined) || known.includes(match.provider)) return;
    yield unknown(
      `${path}.match.provider`,
      'provider',
      match.provider,
      known.flatMap((name) => name ?? []),
    );
  }),
  ruleRule('rules name subjects of a known realm', function* ({ match }, path, draft) {
    yield* strangeSubject(`${path}.match.subject`, match?.subject, realms(draft));
  }),
  ruleRule('an attribute is compared in one way', function* ({ match }, path) {
    const { attribute } = match ?? {};
    if (attribute === undefined || (attribute.value === undefined) !== (attribute.pattern === undefined)) return;
    const both = attribute.value !== undefined;
    yield {
      path: `${path}.match.attribute.${both ? 'pattern' : 'value'}`,
      reason: both ? 'stands beside value' : 'is missing, and so is pattern',
      mend: 'Give exactly one of value and pattern.',
    };
  }),
  ruleRule('attribute patterns compile and cannot stall', function* ({ match }, path) {
    yield* valuePattern(`${path}.match.attribute.pattern`, match?.attribute?.pattern, true);
  }),
  {
    name: 'attribute patterns together cannot stall',
    *run({ identity }) {
      let steps = 0;
      for (const [index, rule] of (identity?.rules ?? []).entries()) {
        const pattern = rule?.match?.attribute?.pattern;
        if (pattern === undefined || patternFault(pattern, LONGEST_VALUE, STEPS_OF_ALL) !== null) continue;
        steps += patternSteps(pattern, LONGEST_VALUE) ?? 0;
        if (steps <= STEPS_OF_ALL) continue;
        yield {
          path: `identity.rules[${index}].match.attribute.pattern`,
          reason: 'makes the attribute patterns of all rules together so long that values could stall the gateway',
          mend: 'Use fewer of *, + and {n,m} in them, value in place of pattern, or groups.',
        };
        return;
      }
    },
  },
  ruleRule('tables give names of accounts', function* ({ table }, path, { identity }) {
    const shared = new Set((identity?.rules ?? []).flatMap((rule) => rule?.shared ?? []));
    for (const [user, account] of Object.entries(table ?? {})) {
      if (account === undefined || (ACCOUNT_NAME.test(account) && !shared.has(account))) continue;
      const reason = shared.has(account) ? `gives ${account}, which is a shared account` : 'gives no account name';
      const mend = 'Write the name of a Unix account that is theirs alone.';
      yield { path: `${path}.table.${user}`, reason, mend };
    }
  }),
  ruleRule('tables give each account once', function* ({ table }, path) {
    const seen = new Map<string, string>();
    for (const [user, account] of Object.entries(table ?? {})) {
      const first = account === undefined ? undefined : seen.get(account);
      if (account !== undefined && first === undefined) seen.set(account, user);
      if (first === undefined) continue;
      const mend = 'Give each a name of their own; an account for several is a rule with shared.';
      const reason = `gives the account of ${first}: whoever of the two signs in first keeps the other out`;
      yield { path: `${path}.table.${user}`, reason, mend, level: 'warning' };
    }
  }),
  {
    name: 'names of users can exist',
    *run(draft) {
      for (const [path, user] of usersIn(draft)) {
        if (user === undefined || USER_NAME.test(user)) continue;
        const reason = 'is a name that no user can have';
        yield { path, reason, mend: 'Use 1 to 64 of A-Z a-z 0-9 . _ @ -.', level: 'warning' };
      }
    },
  },
  {
    name: 'roles name known providers and subjects',
    *run(draft) {
      const known = names(waysOf(draft));
      for (const [path, { providers, subjects }] of rolesIn(draft)) {
        for (const [index, subject] of (subjects ?? []).entries()) {
          yield* strangeSubject(`${path}.subjects[${index}]`, subject, realms(draft));
        }
        for (const [index, provider] of (providers ?? []).entries()) {
          if (provider === undefined || known.includes(undefined) || known.includes(provider)) continue;
          const all = known.flatMap((name) => name ?? []);
          yield unknown(`${path}.providers[${index}]`, 'provider', provider, all);
        }
      }
    },
  },
  {
    name: 'roles by name belong to one realm',
    *run(draft) {
      const of = new Set([...waysOf(draft)].map(([, { realm, name }]) => realm ?? name));
      if (of.size < 2) return;
      for (const [path, { users, groups, providers }] of rolesIn(draft)) {
        if (providers !== undefined || (users ?? []).length + (groups ?? []).length === 0) continue;
        yield {
          path,
          reason: 'goes by user or group names, which each provider can give to whom it likes',
          mend: 'Add providers: [ … ], those whose word counts here, or name subjects.',
          level: 'warning',
        };
      }
    },
  },
  {
    name: 'roles name known groups',
    *run(draft) {
      const own = new Set(Object.keys(draft.identity?.groups ?? {}));
      if (mapsGroups(draft)) return;
      for (const [role, holders] of Object.entries(draft.identity?.roles ?? {})) {
        for (const [index, group] of (holders?.groups ?? []).entries()) {
          if (group === undefined || own.has(group)) continue;
          const path = `identity.roles.${role}.groups[${index}]`;
          const mend = 'Add it to identity.groups, or let a provider map groups.';
          yield { path, reason: `names ${group}, which is not in identity.groups`, mend, level: 'warning' };
        }
      }
    },
  },
];
