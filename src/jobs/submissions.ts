import { randomBytes } from 'node:crypto';
import type { Config } from '../config/index.ts';
import type { Clock, Secret } from '../kernel/index.ts';
import type { Report } from '../observe/index.ts';
import { createLeases, type KeyValue, type Leases, type Sealer } from '../platform/index.ts';
import { submitKeyed } from './keyed.ts';
import { createKeyedHash } from './keyed-hash.ts';
import { createLateWrites } from './late-writes.ts';
import type { Parts } from './parts.ts';
import type { Origins, Submissions } from './ports.ts';
import { NO_QUOTAS, type Quotas } from './quotas/ports.ts';
import { createRecordStore } from './record-store.ts';
import { submitUnkeyed } from './unkeyed.ts';

export interface SubmissionsOptions {
  readonly kv: KeyValue;
  readonly sealer: Sealer;
  /** Without it on `kv`. */
  readonly leases?: Leases;
  /** Key of the hashes that stand for keys, users and log files in the store. */
  readonly hashKey: Secret;
  readonly config: () => Pick<Config, 'jobs'>;
  readonly origins: Origins;
  /** How much may be submitted; without it as much as one likes. */
  readonly quotas?: Quotas;
  readonly clock: Clock;
  readonly random?: (bytes: number) => Buffer;
  readonly report: Pick<Report, 'log' | 'submission'>;
}

/** A finished job stays in the memory of vovserver for an hour or longer (autoforget); half of that is on the safe side. */
const FORGOTTEN_MS = 30 * 60_000;

/** Creates the maker of submissions over a store that all replicas share. */
export function createSubmissions(options: SubmissionsOptions): Submissions {
  const { kv, sealer, hashKey, config, origins, clock, report, random = randomBytes } = options;
  const leases = options.leases ?? createLeases(kv, { clock, ownerId: random(6).toString('hex') });
  const parts: Parts = {
    ...{ kv, leases, origins, config, clock, random, report },
    hash: createKeyedHash(hashKey),
    store: createRecordStore({ kv, sealer, report }),
    late: createLateWrites(clock, report),
    quotas: options.quotas ?? NO_QUOTAS,
    get settle() {
      const { lost: lostMs, dead: deadMs, readAge: readAgeMs } = config().jobs.settle;
      return { lostMs, deadMs, readAgeMs, forgottenMs: FORGOTTEN_MS };
    },
  };
  return {
    submit(submission, way) {
      const { key } = submission;
      return key === null ? submitUnkeyed(parts, submission, way) : submitKeyed(parts, submission, key, way);
    },
  };
}
