import type { Config } from '../config/index.ts';
import { foldField, type Identity, isShortForm } from '../kernel/index.ts';
import { createValueCheck, type ValueCheck } from './policy-values.ts';
import type { PolicyViolation } from './ports.ts';

type RuleConfig = Config['jobs']['policy'][number];
export type Fields = ReadonlyMap<string, unknown>;
export type Fault = Pick<PolicyViolation, 'field' | 'reason'>;

/** A new job, a change of one that is there, or an order to one (stop, run again), which may name fields beside the order. */
export type Purpose = 'submission' | 'change' | 'control';

/** One rule of `jobs.policy`, compiled. */
export interface CompiledRule {
  readonly name: string;
  readonly mode: RuleConfig['mode'];
  readonly defaults: readonly (readonly [name: string, value: string | number])[];
  concerns(identity: Identity, queue: string): boolean;
  /** Whether the rule says anything of a field that vovserver might take this name for. */
  speaksOf(name: string): boolean;
  /** Every way in which these fields break the rule. */
  faults(fields: Fields, purpose: Purpose): Fault[];
}

interface Known {
  readonly name: string;
  readonly required: boolean;
  readonly check: ValueCheck | null;
}

function concerns({ groups, exceptGroups, queues }: RuleConfig, identity: Identity, queue: string): boolean {
  const isMember = (group: string): boolean => identity.groups.includes(group);
  if (queues.length > 0 && !queues.includes(queue)) return false;
  return (groups.length === 0 || groups.some(isMember)) && !exceptGroups.some(isMember);
}

/** The fields that the rule speaks of, by what vovserver might take their names for. */
function knownFields(rule: RuleConfig): ReadonlyMap<string, Known> {
  const ruled = Object.entries(rule.fields).map(([name, field]): [string, Known] => [
    foldField(name),
    { name, required: field.required, check: createValueCheck(field) },
  ]);
  const others = [...Object.keys(rule.defaults), ...(rule.allowKeys ?? [])].map((name): [string, Known] => [
    foldField(name),
    { name, required: false, check: null },
  ]);
  return new Map([...others, ...ruled]);
}

/** Compiles one rule. Throws SyntaxError for a pattern that is none. */
export function compileRule(rule: RuleConfig): CompiledRule {
  const denied = new Set(rule.denyKeys.map(foldField));
  const allowed = rule.allowKeys === undefined ? null : new Set(rule.allowKeys.map(foldField));
  const known = knownFields(rule);
  const faultOf = (name: string, value: unknown, purpose: Purpose): string | null => {
    const fold = foldField(name);
    // What an order is made of is not publicly known: it names no field of a job.
    const mustBeListed = allowed !== null && purpose !== 'control';
    if (denied.has(fold) || (mustBeListed && !allowed.has(fold))) return 'is not allowed';
    const field = known.get(fold);
    if (field === undefined) return null;
    // vovserver may take another spelling for the field or for nothing at all: neither may pass the rule by.
    const shortened = purpose !== 'submission' && isShortForm(name);
    if (name !== field.name && !shortened) return `must be spelled ${field.name}`;
    return field.check?.(value) ?? null;
  };
  const absent = (fields: Fields): Fault[] =>
    [...known.values()].flatMap(({ name, required }) =>
      required && !fields.has(name) ? [{ field: name, reason: 'is missing' }] : [],
    );
  return {
    name: rule.name,
    mode: rule.mode,
    defaults: Object.entries(rule.defaults),
    concerns: (identity, queue) => concerns(rule, identity, queue),
    speaksOf: (name) => denied.has(foldField(name)) || known.has(foldField(name)),
    faults: (fields, purpose) => [
      ...(purpose === 'submission' ? absent(fields) : []),
      ...[...fields].flatMap(([field, value]) => {
        const reason = faultOf(field, value, purpose);
        return reason === null ? [] : [{ field, reason }];
      }),
    ],
  };
}
