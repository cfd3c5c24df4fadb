// Serves operators on their own listener: live, ready, metrics, revoke, drain, who-did-it.
export { type AdminOptions, createAdminApp } from './admin-app.ts';
export type { Component, ComponentState, Readiness, ReadinessSource } from './ports.ts';
export { toReadiness } from './readiness.ts';
