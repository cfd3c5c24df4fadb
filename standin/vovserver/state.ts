import type { Clock } from '../../src/kernel/index.ts';
import type { Job } from './job.ts';
import type { JobStore } from './job-store.ts';
import type { Signer } from './jwt.ts';
import type { LedgerWriter } from './ledger.ts';
import type { ObjectClass } from './object-class.ts';
import type { Profile } from './profile.ts';
import type { Level, Users } from './users.ts';

/** The readable objects beside jobs, each with all its items. */
export type Catalog = readonly { readonly class: ObjectClass<unknown>; readonly items: readonly unknown[] }[];

/** Everything that one running vovserver knows. */
export interface ServerState {
  readonly queueName: string;
  readonly clock: Clock;
  readonly users: Users;
  readonly jobs: JobStore;
  readonly jobClass: ObjectClass<Job>;
  /** Null when the ledger is off. */
  readonly ledger: LedgerWriter | null;
  profile: Profile;
  signer: Signer;
  catalog(): Catalog;
  random(): number;
}

/** Who calls, by their JWT. */
export interface Caller {
  readonly user: string;
  readonly level: Level;
  readonly jti: string;
}

/** One request, read completely. */
export interface Call {
  readonly method: string;
  /** As received. */
  readonly target: string;
  readonly path: string;
  readonly query: string;
  readonly contentType: string;
  readonly body: Buffer;
  readonly address: string;
  readonly connection: number;
  readonly auth: 'ok' | 'missing' | 'garbled' | 'expired' | 'refused';
  /** Null without a JWT of this process; may be served only when `auth` is ok. */
  readonly caller: Caller | null;
}
