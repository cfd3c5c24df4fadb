import type { Account, Clock } from '../kernel/index.ts';
import type { Report } from '../observe/index.ts';
import type { KeyValue } from '../platform/index.ts';
import { refusedKey, tagOf } from './account-keys.ts';
import { orMissed } from './jwt-store.ts';

/** A password that vovserver rejected, by its version; not tried again until `until` (milliseconds since the epoch). */
export interface Refusal {
  readonly version: string;
  readonly until: number;
}

/** What all replicas know about rejected passwords. Never throws: without the store each replica knows its own. */
export interface RefusedPasswords {
  read(account: Account): Promise<Refusal | null>;
  write(account: Account, refusal: Refusal): Promise<void>;
  clear(account: Account): Promise<void>;
}

function decode(text: string): Refusal | null {
  const match = /^(\d{1,16})\|(.+)$/.exec(text);
  return match?.[2] === undefined ? null : { until: Number(match[1]), version: match[2] };
}

/** Creates the memory of rejected passwords on a key-value store; it holds versions, never passwords. */
export function createRefusedPasswords(options: { kv: KeyValue; clock: Clock; report: Report }): RefusedPasswords {
  const { kv, clock, report } = options;
  return {
    read(account) {
      return orMissed(report, account, null, async () => {
        const text = await kv.get(refusedKey(tagOf(account)));
        const refusal = text === null ? null : decode(text);
        return refusal !== null && refusal.until > clock.now() ? refusal : null;
      });
    },
    async write(account, { version, until }) {
      const end = Math.ceil(until);
      await orMissed(report, account, undefined, () =>
        kv.set(refusedKey(tagOf(account)), `${end}|${version}`, Math.max(1, end - clock.now())),
      );
    },
    async clear(account) {
      await orMissed(report, account, false, () => kv.delete(refusedKey(tagOf(account))));
    },
  };
}
