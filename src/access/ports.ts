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
