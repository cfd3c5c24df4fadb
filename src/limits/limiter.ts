import type { LimitsConfig } from '../config/index.ts';
import type { Clock, RouteClass } from '../kernel/index.ts';
import type { Report } from '../observe/index.ts';
import type { KeyValue } from '../platform/index.ts';
import type { Allowance, Source } from './allowance.ts';
import { createAttempts } from './attempts.ts';
import { createLeases } from './leases.ts';
import { localRemaining, type Meter, policyState } from './meter.ts';
import { createPeek } from './peek.ts';
import { createPolicies } from './policies.ts';
import type { Admission, Limiter, PolicyState } from './ports.ts';
import { createReplicaCount } from './replica-count.ts';
import { createTaker } from './taker.ts';

/** Subjects of each kind that are remembered. */
const CAPACITY = 50_000;

const UNLIMITED: Admission = Object.freeze({ allowed: true, policies: Object.freeze([]), retryAfter: 0 });

/** What a limiter needs. `config` and `replicas` are read at each use, so that a reload takes effect. */
export interface LimiterOptions {
  readonly config: () => LimitsConfig;
  readonly kv: KeyValue;
  /** The configured number of replicas. */
  readonly replicas: () => number;
  readonly report: Report;
  readonly clock: Clock;
  /** Unique among the replicas. */
  readonly replicaId: string;
}

const byRemaining = (a: PolicyState, b: PolicyState): number => a.remaining - b.remaining;

/** Creates the rate limiter of this replica (token bucket as GCRA; a bucket's size is also its largest burst). */
export function createLimiter(options: LimiterOptions): Limiter {
  const { config, kv, report, clock, replicaId } = options;
  const configured = (): number => Math.max(1, options.replicas());
  const replicas = createReplicaCount({ kv, clock, replicaId, configured });
  const taker = createTaker({ kv, clock, report });
  const policies = createPolicies(CAPACITY);
  const attempts = createAttempts({ taker, clock, replicas: replicas.known });

  const stateOf = (allowance: Allowance, meter: Meter, allowed: boolean, source: Source, now: number): PolicyState => {
    if (!allowed && meter === allowance.denying) return policyState(meter, 0, now);
    if (source === 'local') return policyState(meter, localRemaining(meter, now, replicas.known()), now);
    return policyState(meter, meter.remaining + meter.held, now);
  };

  const conclude = (
    allowance: Allowance,
    cls: RouteClass | 'any',
    allowed: boolean,
    source: Source,
    now: number,
    enforced = config().mode === 'enforce',
  ): Admission => {
    const { main, extra, denying } = allowance;
    if (allowed) report.limit(main.name, cls, 'allowed', source);
    else report.limit(denying.name, cls, enforced ? 'denied' : 'would_deny', source);
    const states = [stateOf(allowance, main, allowed, source, now)];
    if (extra !== null) states.push(stateOf(allowance, extra, allowed, source, now));
    if (states.length > 1) states.sort(byRemaining);
    const goes = allowed || !enforced;
    const retryAfter = goes ? 0 : Math.max(1, Math.ceil((allowance.retryAt - now) / 1000));
    return { allowed: goes, policies: states, retryAfter };
  };

  const leases = createLeases({
    taker,
    clock,
    replicas: { known: replicas.known, sharing: () => Math.max(configured(), replicas.known()) },
    conclude,
  });

  const peek = createPeek({
    taker,
    clock,
    replicas: replicas.known,
    metersOf: (identity) => (config().mode === 'off' ? [] : policies.metersOf(config(), identity)),
  });

  return {
    peek,
    admitAddress(address) {
      const limits = config();
      return limits.mode === 'off' ? UNLIMITED : leases.admit(policies.ofAddress(limits, address), 'any');
    },
    admitIdentity(identity, cls) {
      const limits = config();
      const allowance = limits.mode === 'off' ? null : policies.ofIdentity(limits, identity, cls);
      return allowance === null ? UNLIMITED : leases.admit(allowance, cls);
    },
    async beginAttempt(address, tokenId) {
      const allowance = policies.ofAttempt(config(), address, tokenId);
      const { allowed, source, settle } = await attempts.begin(allowance);
      return { admission: conclude(allowance, 'login', allowed, source, clock.elapsed(), true), settle };
    },
    async [Symbol.asyncDispose]() {
      await leases[Symbol.asyncDispose]();
      await replicas[Symbol.asyncDispose]();
    },
  };
}
