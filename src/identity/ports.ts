import type { Account } from '../kernel/index.ts';

/** The account of an identity on a queue, or why there is none, with the rule that decided (0-based, null: no rule fits). */
export type AccountDecision =
  | { readonly kind: 'account'; readonly account: Account; readonly rule: number }
  | { readonly kind: 'none'; readonly reason: string; readonly rule: number | null };
