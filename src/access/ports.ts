import type { RouteClass, TokenScope } from '../kernel/index.ts';

/** What the route table says about a call. */
export interface RouteDecision {
  /** Template such as `/api/v3/jobs/{id}`, or `other` for a read that is not in the table. A bounded metric label. */
  readonly template: string;
  readonly class: RouteClass;
  readonly scope: TokenScope;
  /** True when the gateway itself answers (the token endpoint). */
  readonly own: boolean;
}

/** One way in which a submission breaks a rule of `jobs.policy`. */
export interface PolicyViolation {
  /** Name of the rule. */
  readonly rule: string;
  /** Name of the field as the caller wrote it; null: the body as a whole. */
  readonly field: string | null;
  /** In words behind the field's name: `must be at most 8`. */
  readonly reason: string;
  readonly mode: 'enforce' | 'observe';
}

/** What the policy says of a submission. */
export interface PolicyDecision {
  /** False when a rule that is enforced is broken. */
  readonly allowed: boolean;
  /** The bytes to send: the caller's own, or with the defaults at their end. */
  readonly body: Buffer;
  /** Every broken rule at once; those of mode `observe` refuse nothing. */
  readonly violations: readonly PolicyViolation[];
  /** The fields that were put in. */
  readonly defaults: Readonly<Record<string, string | number>>;
}
