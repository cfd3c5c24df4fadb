import type { Component, Readiness } from './ports.ts';

/**
 * Decides readiness from the life of the process and its components: only a process that is not serving, or a
 * component that `failed`, takes the replica out of its balancer. A queue or a store that is away is `degraded`:
 * it is away for every replica, and all of them leaving at once would turn clean answers into refused connections.
 */
export function toReadiness(life: Readiness['life'], components: readonly Component[]): Readiness {
  return {
    life,
    ready: life === 'serving' && components.every((component) => component.state !== 'failed'),
    degraded: components.some((component) => component.state !== 'ok'),
    components,
  };
}
