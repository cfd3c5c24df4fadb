import { groupCount, type PatternFault, patternFault } from './bounded-pattern.ts';
import type { Check, CheckFinding } from './checks.ts';
import { mapsGroups } from './checks-mapping.ts';
import { RULE_CHECKS, ruleRule } from './checks-rules.ts';
import type { Draft } from './draft.ts';
import { nearest } from './nearest.ts';

const PATTERN: Readonly<Record<PatternFault, readonly [reason: string, mend: string]>> = {
  syntax: ['is no regular expression', 'Correct brackets and escapes; single quotes keep YAML from reading \\ itself.'],
  nested: [
    'repeats a group that itself repeats, so that a name could stall the gateway',
    'Write it without nested repetition.',
  ],
  alternatives: [
    'repeats a group of alternatives, so that a name could stall the gateway',
    'Use a character class such as [ab].',
  ],
  backreference: ['refers back to a group, so that a name could stall the gateway', 'Write it without \\1 and \\k<…>.'],
  many: ['repeats too often in a row, so that a name could stall the gateway', 'Use at most four of *, + and {n,m}.'],
};

const queueNames = (draft: Draft): Set<string> | null => {
  const names = (draft.queues ?? []).map((queue) => queue?.name);
  return names.length === 0 || names.includes(undefined) ? null : new Set(names.filter((name) => name !== undefined));
};

/** Silent while a queue has no valid name: it may be the one that is meant. */
function* unknownQueue(draft: Draft, path: string, name: string | undefined): Generator<CheckFinding> {
  const known = queueNames(draft);
  if (known === null || name === undefined || known.has(name)) return;
  const near = nearest(name, known);
  const mend = near === null ? `Known queues: ${[...known].join(', ')}.` : `Did you mean ${near}?`;
  yield { path, reason: `names the queue ${name}, which does not exist`, mend };
}

const userGroups = (draft: Draft): Set<string> => new Set(Object.keys(draft.identity?.groups ?? {}));

const sharedAccounts = (draft: Draft): Set<string> | null => {
  const sources = draft.credentials;
  if (sources === undefined || sources.some((source) => source?.type === undefined)) return null;
  return new Set(sources.flatMap((source) => (source?.type === 'shared' && source.account ? [source.account] : [])));
};

const lifeRule = (key: 'defaultLife' | 'derivedLife'): Check => ({
  name: `accessTokens.${key} within the maximum`,
  *run({ accessTokens }) {
    const { maxLife, [key]: life } = accessTokens ?? {};
    if (maxLife === undefined || life === undefined || life <= maxLife) return;
    const mend = 'Make it shorter or accessTokens.maxLife longer.';
    yield { path: `accessTokens.${key}`, reason: 'is longer than accessTokens.maxLife', mend };
  },
});

/** Rules of identities, credentials, access tokens and limits. */
export const ACCESS_CHECKS: readonly Check[] = [
  ruleRule('patterns compile and cannot stall', function* ({ match }, path) {
    const fault = match?.userPattern === undefined ? null : patternFault(match.userPattern);
    if (fault === null) return;
    const [reason, mend] = PATTERN[fault];
    yield { path: `${path}.match.userPattern`, reason, mend };
  }),
  ruleRule('$n has its group', function* ({ match, account }, path) {
    const pattern = match?.userPattern;
    if (account === undefined || match === undefined || (pattern !== undefined && patternFault(pattern) === 'syntax'))
      return;
    const groups = pattern === undefined ? 0 : groupCount(pattern);
    for (const digit of new Set([...account.matchAll(/\$([0-9])/g)].map((found) => Number(found[1])))) {
      if (digit <= groups) continue;
      const mend = groups === 0 ? 'Add a userPattern with a group in round brackets.' : `Use $1 to $${groups}.`;
      yield { path: `${path}.account`, reason: `uses $${digit}, but userPattern has ${groups} groups`, mend };
    }
  }),
  ruleRule('rules name known queues', function* ({ match }, path, draft) {
    yield* unknownQueue(draft, `${path}.match.queue`, match?.queue);
  }),
  ruleRule('a shared account has a shared source', function* ({ shared }, path, draft) {
    const known = sharedAccounts(draft);
    if (shared === undefined || known === null || known.has(shared)) return;
    const mend = `Add to credentials: {type: shared, account: ${shared}, passwordFile: …}.`;
    yield { path: `${path}.shared`, reason: `names ${shared}, but no credential source of type shared has it`, mend };
  }),
  ruleRule('who shares an account is warned', function* ({ shared }, path, draft) {
    if (shared === undefined || draft.jobs?.visibility === 'own') return;
    yield {
      path: `${path}.shared`,
      reason: `lets everyone whom this rule gives ${shared} see the jobs of the others`,
      mend: 'Give them accounts of their own, or set jobs.visibility to own, when they may not.',
      level: 'warning',
    };
  }),
  ruleRule('rules name known groups', function* ({ match }, path, draft) {
    const group = match?.group;
    if (group === undefined || userGroups(draft).has(group) || mapsGroups(draft)) return;
    const mend = 'Add it to identity.groups, or let a provider map groups (signIn.providers[].groups.attribute).';
    yield {
      path: `${path}.match.group`,
      reason: `names ${group}, which is not in identity.groups`,
      mend,
      level: 'warning',
    };
  }),
  ...RULE_CHECKS,
  {
    name: 'sources name known queues',
    *run(draft) {
      for (const [index, source] of (draft.credentials ?? []).entries()) {
        for (const [at, name] of (source?.queues ?? []).entries()) {
          yield* unknownQueue(draft, `credentials[${index}].queues[${at}]`, name);
        }
      }
    },
  },
  {
    name: 'there are credentials',
    *run({ credentials }) {
      if (credentials === undefined || credentials.length > 0) return;
      const mend = 'Add a source, for example {type: file, dir: …}.';
      yield { path: 'credentials', reason: 'is empty: no call can reach vovserver', mend, level: 'warning' };
    },
  },
  {
    name: 'limits name known groups',
    *run(draft) {
      const known = userGroups(draft);
      for (const name of Object.keys(draft.limits?.groups ?? {})) {
        if (known.has(name) || mapsGroups(draft)) continue;
        const mend = 'Add it to identity.groups, or let a provider map groups (signIn.providers[].groups.attribute).';
        yield { path: `limits.groups.${name}`, reason: 'is not in identity.groups', mend, level: 'warning' };
      }
    },
  },
  lifeRule('defaultLife'),
  lifeRule('derivedLife'),
];
