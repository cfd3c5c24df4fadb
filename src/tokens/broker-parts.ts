import type { Config, QueueConfig } from '../config/index.ts';
import { type Account, type Clock, GatewayError } from '../kernel/index.ts';
import type { Report } from '../observe/index.ts';
import type { KeyValue, Leases, Sealer } from '../platform/index.ts';
import { epochOf, type Upstream } from '../upstream/index.ts';
import type { JwtStore } from './jwt-store.ts';
import type { Slots } from './login-slots.ts';
import type { CredentialSource } from './ports.ts';
import type { RefusedPasswords } from './refused-passwords.ts';

/** The part of the configuration that the broker reads, at each use. */
export type BrokerConfig = Pick<Config, 'queues' | 'broker'> & Partial<Pick<Config, 'credentials'>>;

export interface BrokerOptions {
  readonly config: () => BrokerConfig;
  readonly kv: KeyValue;
  readonly leases: Leases;
  readonly sealer: Sealer;
  readonly upstream: Pick<Upstream, 'login' | 'epoch'>;
  /** Asked in order; the first that knows the account wins. */
  readonly sources: () => readonly CredentialSource[];
  readonly report: Report;
  readonly clock: Clock;
  /** 0 ≤ x < 1, as Math.random. */
  readonly random: () => number;
}

/** What the pieces of the broker share. */
export interface BrokerParts extends Omit<BrokerOptions, 'kv' | 'sealer'> {
  readonly store: JwtStore;
  readonly refused: RefusedPasswords;
  readonly slotsOf: (queue: string) => Slots;
  /** Aborts, with a GatewayError, when the broker is disposed. */
  readonly closing: AbortSignal;
}

/** Names of all servers that a queue may be reached at: another replica may use another of them. */
export const epochsOf = ({ urls }: Pick<QueueConfig, 'urls'>): string[] =>
  urls.map((url) => epochOf(new URL(url).origin));

/** The queue of an account. Throws GatewayError when a reload of the configuration took it away. */
export function queueOf(config: BrokerConfig, { queue }: Account): QueueConfig {
  const found = config.queues.find(({ name }) => name === queue);
  if (found !== undefined) return found;
  throw new GatewayError('GW_CREDENTIAL_UNAVAILABLE', `The queue ${queue} is no longer configured.`);
}

/** Whether people of this queue may enrol their own vovserver password. */
export function isEnrolled({ credentials = [] }: BrokerConfig, queue: string): boolean {
  return credentials.some(({ type, queues }) => type === 'enrolled' && (queues?.includes(queue) ?? true));
}

/** Whether callers of this queue may buy a JWT with their own vovserver password. */
export function isPassthrough({ credentials = [] }: BrokerConfig, queue: string): boolean {
  return credentials.some(({ type, queues }) => type === 'passthrough' && (queues?.includes(queue) ?? true));
}
