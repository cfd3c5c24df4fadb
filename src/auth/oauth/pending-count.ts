import { GatewayError } from '../../kernel/index.ts';
import type { KeyValue } from '../../platform/index.ts';
import { atStore } from '../refusals.ts';
import type { TokenHash } from '../token-record.ts';
import { addressRange } from './address-range.ts';
import type { DeviceRecord } from './device-record.ts';
import { COUNT_PENDING } from './pending-script.ts';

/** Codes that may wait for a decision: from one address, and in all. Whoever logs in rightly soon has none. */
const OF_ADDRESS = 200;
const OF_ALL = 20_000;
/** Codes that expire within the same so many milliseconds are counted as one. */
const SLOT = 10_000;

type Counted = Pick<DeviceRecord, 'address' | 'expiresAt'>;

/** How many codes wait for a decision: an endless supply would fill the store, and make guessing one of them easy. */
export interface PendingCount {
  /** Throws GW_RATE_LIMITED when too many wait already, GW_STORE_UNAVAILABLE. */
  add(code: Counted): Promise<void>;
  /** For a code that was decided; one that expires leaves by itself. Failures leave it to that. */
  remove(code: Counted): Promise<void>;
}

/** Creates the count over a store that all replicas share; `now` in milliseconds since the epoch. */
export function createPendingCount(kv: KeyValue, hash: TokenHash, now: () => number): PendingCount {
  const keyOf = (address: string): string => `device-pending:{${hash.of('device-pending', addressRange(address))}}`;
  const count = async (key: string, { expiresAt }: Counted, by: number, cap: number): Promise<number | null> => {
    const end = Math.ceil(expiresAt / SLOT) * SLOT;
    const [done, wait] = await atStore(kv.run(COUNT_PENDING, [key], [end, by, Math.floor(now()), cap]));
    return done === 1 ? null : Number(wait);
  };
  const ALL = 'device-pending:{all}';
  const remove = (key: string, code: Counted): Promise<unknown> => count(key, code, -1, 0).catch(() => null);
  return {
    async add(code) {
      const own = keyOf(code.address);
      const ofAddress = await count(own, code, 1, OF_ADDRESS);
      if (ofAddress !== null) throw tooMany('from this address', ofAddress);
      const ofAll = await count(ALL, code, 1, OF_ALL);
      if (ofAll === null) return;
      await remove(own, code);
      throw tooMany('at this gateway', ofAll);
    },
    async remove(code) {
      await Promise.all([remove(keyOf(code.address), code), remove(ALL, code)]);
    },
  };
}

function tooMany(where: string, waitMs: number): GatewayError {
  const detail = `Too many logins ${where} wait for their approval. Approve or deny those you began, or wait until they expire.`;
  return new GatewayError('GW_RATE_LIMITED', detail, { retryAfter: Math.max(1, Math.ceil(waitMs / 1000)) });
}
