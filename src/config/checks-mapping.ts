import { groupCount, LONGEST_VALUE, type PatternFault, patternFault } from './bounded-pattern.ts';
import type { Check, CheckFinding } from './checks.ts';
import type { Draft } from './draft.ts';
import { nearest } from './nearest.ts';

type SignInDraft = NonNullable<Draft['signIn']>;
export type ProviderDraft = NonNullable<NonNullable<SignInDraft['providers']>[number]>;
export type BearerDraft = NonNullable<NonNullable<SignInDraft['bearers']>[number]>;

/** Each way of signing in with its path: the providers of people, then the bearer tokens of programs. */
export function* waysOf({ signIn }: Draft): Generator<readonly [path: string, way: ProviderDraft | BearerDraft]> {
  for (const [index, provider] of (signIn?.providers ?? []).entries()) {
    if (provider !== undefined) yield [`signIn.providers[${index}]`, provider];
  }
  for (const [index, bearer] of (signIn?.bearers ?? []).entries()) {
    if (bearer !== undefined) yield [`signIn.bearers[${index}]`, bearer];
  }
}

/** True when groups come from elsewhere than the configuration, so that it cannot know them all. */
export const mapsGroups = (draft: Draft): boolean =>
  [...waysOf(draft)].some(([, { groups }]) => groups?.attribute !== undefined);

/** A name that is not among the known ones, with a guess. */
export function unknown(path: string, what: string, name: string, known: Iterable<string>): CheckFinding {
  const names = [...known];
  const near = nearest(name, names);
  const all = names.length === 0 ? 'There is none yet.' : `Known: ${names.join(', ')}.`;
  const mend = near === null ? all : `Did you mean ${near}?`;
  return { path, reason: `names the ${what} ${name}, which does not exist`, mend };
}

const PATTERN: Readonly<Record<PatternFault, readonly [reason: string, mend: string]>> = {
  syntax: ['is no regular expression', 'Correct brackets and escapes; single quotes keep YAML from reading \\ itself.'],
  nested: ['repeats a group that itself repeats, so that a value could stall the gateway', 'Write it without nesting.'],
  alternatives: [
    'repeats a group of alternatives, so that a value could stall the gateway',
    'Use a character class such as [ab].',
  ],
  backreference: [
    'refers back to a group, so that a value could stall the gateway',
    'Write it without \\1 and \\k<…>.',
  ],
  many: [
    'repeats too often in a row, so that a value could stall the gateway',
    'Use at most three of *, + and {n,m} for a user name, two where an attribute may have many values.',
  ],
};

/** Steps for one of many values: two open repetitions in a row. */
const FEW_STEPS = (LONGEST_VALUE + 1) ** 2;

/** A pattern that values of an identity provider are matched with; `many`: an attribute of many values. */
export function* valuePattern(path: string, pattern: string | undefined, many: boolean): Generator<CheckFinding> {
  const fault = pattern === undefined ? null : patternFault(pattern, LONGEST_VALUE, many ? FEW_STEPS : undefined);
  if (fault === null) return;
  const [reason, mend] = PATTERN[fault];
  yield { path, reason, mend };
}

type Part = { readonly pattern?: string | undefined; readonly template?: string | undefined } | undefined;

function* groupless(path: string, part: Part): Generator<CheckFinding> {
  const { pattern, template } = part ?? {};
  if (pattern === undefined || template === undefined || patternFault(pattern) === 'syntax') return;
  const groups = groupCount(pattern);
  for (const digit of new Set([...template.matchAll(/\$([0-9])/g)].map((found) => Number(found[1])))) {
    if (digit <= groups) continue;
    const mend = groups === 0 ? 'Put round brackets around what it should be.' : `Use $1 to $${groups}.`;
    yield { path: `${path}.template`, reason: `uses $${digit}, but pattern has ${groups} groups`, mend };
  }
}

/** Rules of how an assertion becomes an identity. */
export const MAPPING_CHECKS: readonly Check[] = [
  {
    name: 'mapping patterns compile and cannot stall',
    *run(draft) {
      for (const [path, { user, groups }] of waysOf(draft)) {
        yield* valuePattern(`${path}.user.pattern`, user?.pattern, false);
        yield* valuePattern(`${path}.groups.pattern`, groups?.pattern, true);
      }
    },
  },
  {
    name: 'mapping templates have their groups',
    *run(draft) {
      for (const [path, { user, groups }] of waysOf(draft)) {
        yield* groupless(`${path}.user`, user);
        yield* groupless(`${path}.groups`, groups);
      }
    },
  },
  {
    name: 'no provider speaks for the administrator',
    *run(draft) {
      for (const [path, { realm, name }] of waysOf(draft)) {
        if ((realm ?? name) !== 'local') continue;
        yield {
          path: realm === undefined ? `${path}.name` : `${path}.realm`,
          reason: 'is local, the realm of users that the administrator vouches for',
          mend: 'Choose another word, for example corp.',
        };
      }
    },
  },
  {
    name: 'whoever is let in can exist',
    *run(draft) {
      const own = new Set(Object.keys(draft.identity?.groups ?? {}));
      for (const [path, { allowGroups, groups }] of waysOf(draft)) {
        if (groups === undefined || groups.attribute !== undefined) continue;
        for (const [index, group] of (allowGroups ?? []).entries()) {
          if (group === undefined || own.has(group)) continue;
          yield {
            path: `${path}.allowGroups[${index}]`,
            reason: `names ${group}, which is not in identity.groups, and ${path}.groups.attribute is not set`,
            mend: 'Say in groups.attribute where the groups are, or add it to identity.groups.',
            level: 'warning',
          };
        }
      }
    },
  },
];
