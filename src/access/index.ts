// Answers whether this identity may make this call and see this row; holds the route table and every exemption. Pure.
export type { RouteDecision } from './ports.ts';
