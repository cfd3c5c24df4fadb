import type { Check, CheckFinding } from './checks.ts';
import type { Draft } from './draft.ts';

export type RuleDraft = NonNullable<NonNullable<NonNullable<Draft['jobs']>['policy']>[number]>;
export type QuotaDraft = NonNullable<NonNullable<NonNullable<Draft['jobs']>['quotas']>[number]>;
export type FieldDraft = NonNullable<NonNullable<RuleDraft['fields']>[string]>;

/** A rule about each of jobs.policy. */
export const policyRule = (
  name: string,
  rule: (rule: RuleDraft, path: string, draft: Draft) => Iterable<CheckFinding>,
): Check => ({
  name,
  *run(draft) {
    for (const [index, entry] of (draft.jobs?.policy ?? []).entries()) {
      if (entry !== undefined) yield* rule(entry, `jobs.policy[${index}]`, draft);
    }
  },
});

/** A rule about each field of each of jobs.policy. */
export const fieldRule = (name: string, rule: (field: FieldDraft, path: string) => Iterable<CheckFinding>): Check =>
  policyRule(name, function* ({ fields }, path) {
    for (const [key, field] of Object.entries(fields ?? {})) {
      if (field !== undefined) yield* rule(field, `${path}.fields.${key}`);
    }
  });

/** A rule about each of jobs.quotas. */
export const quotaRule = (
  name: string,
  rule: (quota: QuotaDraft, path: string, draft: Draft) => Iterable<CheckFinding>,
): Check => ({
  name,
  *run(draft) {
    for (const [index, entry] of (draft.jobs?.quotas ?? []).entries()) {
      if (entry !== undefined) yield* rule(entry, `jobs.quotas[${index}]`, draft);
    }
  },
});

/** The values that are there and valid. */
export const defined = <T>(values: readonly (T | undefined)[] | undefined): T[] =>
  (values ?? []).filter((value) => value !== undefined);

/** The fields that a rule of jobs.policy names, with where it names them. */
export function* namesIn(rule: RuleDraft, path: string): Generator<readonly [path: string, name: string]> {
  for (const key of ['fields', 'defaults'] as const) {
    for (const name of Object.keys(rule[key] ?? {})) yield [`${path}.${key}.${name}`, name];
  }
  for (const key of ['allowKeys', 'denyKeys'] as const) {
    for (const [at, name] of (rule[key] ?? []).entries()) if (name !== undefined) yield [`${path}.${key}[${at}]`, name];
  }
}
