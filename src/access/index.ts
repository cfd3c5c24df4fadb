// Answers whether this identity may make this call and see this row; holds the route table and every exemption. Pure.
export { checkHeaders } from './check-headers.ts';
export { decideRoute } from './decide-route.ts';
export { createSubmissionPolicy, policyRefusal, type SubmissionPolicy } from './policy.ts';
export type { Purpose } from './policy-rule.ts';
export type { PolicyDecision, PolicyViolation, RouteDecision } from './ports.ts';
export { createRouteTable, type DescribedRoute, describeRoutes, isApiPath, type RouteTable } from './route-table.ts';
export { checkScope, requiredScope } from './scopes.ts';
export { type CheckedTarget, checkTarget } from './target.ts';
export { createVisibility, type ReadPlan, type Visibility } from './visibility.ts';
export { planQuery, type Reader, type RowsPlan } from './visibility-query.ts';
export { createRowFilter, type RowFilter, VISIBLE_BYTES, type VisibleAnswer, withheld } from './visibility-rows.ts';
