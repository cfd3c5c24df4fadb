import type { Config } from '../config/index.ts';
import { foldField, GatewayError, type Identity } from '../kernel/index.ts';
import { readPolicyBody, withFields } from './policy-body.ts';
import { shownField } from './policy-names.ts';
import { type CompiledRule, compileRule, type Fields, type Purpose } from './policy-rule.ts';
import type { PolicyDecision, PolicyViolation } from './ports.ts';

/** Decides what a submission may hold (`jobs.policy`). */
export interface SubmissionPolicy {
  /** Number of rules. */
  readonly size: number;
  /** A submission; `contentType` is the value of the one Content-Type header, empty without one. Never throws. */
  check(identity: Identity, queue: string, body: Buffer, contentType: string): PolicyDecision;
  /** A change of a job (PATCH): nothing is required and nothing added, otherwise the same rules. Never throws. */
  checkChange(identity: Identity, queue: string, body: Buffer, contentType: string): PolicyDecision;
  /**
   * An order to a job (PUT, or another write that a site opened): as a change, but it may hold what no rule speaks of, and its
   * Content-Type does not matter, so that a kill goes however it is sent. Never throws.
   */
  checkControl(identity: Identity, queue: string, body: Buffer): PolicyDecision;
  /**
   * A query beside the body, which could say what the body may not. No rule lets a submission or a change have one; an order
   * may, so that a kill goes however it is sent, but its query names no field that a rule speaks of. Never throws.
   */
  checkQuery(identity: Identity, queue: string, query: string, purpose: Purpose): readonly PolicyViolation[];
}

type Added = readonly (readonly [name: string, value: string | number])[];

/** Violations that a refusal tells one by one. */
const MOST_TOLD = 50;

/** Defaults of these rules whose field is missing; the first rule that has one wins. */
function missing(rules: readonly CompiledRule[], fields: Fields): Added {
  const there = new Set([...fields.keys()].map(foldField));
  return rules.flatMap(({ defaults }) =>
    defaults.filter(([name]) => {
      if (there.has(foldField(name))) return false;
      there.add(foldField(name));
      return true;
    }),
  );
}

function judge(
  rules: readonly CompiledRule[],
  fields: Fields,
  purpose: Purpose,
  mode: CompiledRule['mode'],
): PolicyViolation[] {
  return rules
    .filter((rule) => rule.mode === mode)
    .flatMap((rule) => rule.faults(fields, purpose).map((fault) => ({ rule: rule.name, mode, ...fault })));
}

const decision = (body: Buffer, violations: readonly PolicyViolation[], added: Added): PolicyDecision => ({
  allowed: violations.every(({ mode }) => mode === 'observe'),
  body,
  violations,
  defaults: Object.fromEntries(added),
});

function decide(rules: readonly CompiledRule[], body: Buffer, contentType: string, purpose: Purpose): PolicyDecision {
  const [first] = rules;
  if (first === undefined) return decision(body, [], []);
  const read = readPolicyBody(body, contentType);
  const enforced = rules.filter(({ mode }) => mode === 'enforce');
  if ('fault' in read) {
    const { name, mode } = enforced[0] ?? first;
    return decision(body, [{ rule: name, field: read.field, reason: read.fault, mode }], []);
  }
  const added = purpose === 'submission' ? missing(enforced, read.fields) : [];
  const wished = purpose === 'submission' ? missing(rules, read.fields) : [];
  const violations = [
    ...judge(rules, new Map([...read.fields, ...added]), purpose, 'enforce'),
    ...judge(rules, new Map([...read.fields, ...wished]), purpose, 'observe'),
  ];
  return decision(added.length === 0 ? body : withFields(read.text, added), violations, added);
}

/** Names of a query as one program or another may read them: `;` parts like `&` for some (RFC 1866, 8.2.1). */
const queryNames = (query: string): string[] => [...new URLSearchParams(query.replaceAll(';', '&')).keys()];

const inQuery = ({ name, mode }: CompiledRule, field: string | null): PolicyViolation => ({
  ...{ rule: name, mode, field },
  reason: field === null ? 'must hold the fields of the job, none may stand in the query' : 'must not be in the query',
});

function queryFaults(rules: readonly CompiledRule[], query: string, purpose: Purpose): readonly PolicyViolation[] {
  if (query === '') return [];
  if (purpose !== 'control') return rules.map((rule) => inQuery(rule, null));
  const names = queryNames(query);
  return rules.flatMap((rule) => names.filter(rule.speaksOf).map((name) => inQuery(rule, name)));
}

/** Compiles the rules of `jobs.policy`. Throws SyntaxError for a pattern that is none. Pure. */
export function createSubmissionPolicy({ policy }: Pick<Config['jobs'], 'policy'>): SubmissionPolicy {
  const rules = policy.map(compileRule);
  const concerning = (identity: Identity, queue: string): CompiledRule[] =>
    rules.filter((rule) => rule.concerns(identity, queue));
  const check =
    (purpose: Purpose): SubmissionPolicy['check'] =>
    (identity, queue, body, contentType) =>
      decide(concerning(identity, queue), body, contentType, purpose);
  const control = check('control');
  return {
    size: rules.length,
    check: check('submission'),
    checkChange: check('change'),
    checkControl: (identity, queue, body) =>
      body.length === 0 ? decision(body, [], []) : control(identity, queue, body, 'application/json'),
    checkQuery: (identity, queue, query, purpose) => queryFaults(concerning(identity, queue), query, purpose),
  };
}

const told = ({ rule, field, reason }: PolicyViolation): string =>
  `${field === null ? 'The body' : shownField(field)} ${reason} (rule ${rule})`;

/** The refusal of a decision that does not allow: GW_POLICY with every violated rule. */
export function policyRefusal({ violations }: PolicyDecision): GatewayError {
  const enforced = violations.filter(({ mode }) => mode === 'enforce').map(told);
  const more = enforced.length > MOST_TOLD ? [`and ${enforced.length - MOST_TOLD} more`] : [];
  return new GatewayError('GW_POLICY', `${[...enforced.slice(0, MOST_TOLD), ...more].join('; ')}.`);
}
