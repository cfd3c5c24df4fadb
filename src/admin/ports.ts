/** How one part of a replica is. `degraded`: it does not work, and the gateway keeps its promises without it. */
export type ComponentState = 'ok' | 'degraded' | 'failed';

/** One part of a replica as `/readyz?verbose` lists it. No secrets, no user names. */
export interface Component {
  /** For example `store`, `queue:main`, `config`. */
  readonly name: string;
  readonly state: ComponentState;
  /** One line for people, for example `level 2: certificate not verified`. */
  readonly detail: string;
}

/** How a replica is. `ready` decides between 200 and 503 and says whether a balancer should send requests here. */
export interface Readiness {
  readonly life: 'starting' | 'serving' | 'draining';
  readonly ready: boolean;
  /** True when a component is not `ok`. */
  readonly degraded: boolean;
  readonly components: readonly Component[];
}

/** Asked for each probe; must answer from memory and not throw. */
export type ReadinessSource = () => Readiness;
