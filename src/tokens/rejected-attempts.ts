import type { Account, Clock } from '../kernel/index.ts';
import type { Report } from '../observe/index.ts';
import type { KeyValue } from '../platform/index.ts';
import { tagOf } from './account-keys.ts';
import { orMissed } from './jwt-store.ts';
import type { Refusal } from './refused-passwords.ts';

/** Rejected passwords remembered for an account; more are not tried within one cool-down anyway. */
const REMEMBERED = 8;

/** Passwords that people tried to enrol and vovserver rejected, by version, over all replicas. */
export interface RejectedAttempts {
  /** Those whose cool-down lasts, latest first. Throws StoreUnavailable: without this memory nothing is tried. */
  read(account: Account): Promise<readonly Refusal[]>;
  /** Called under the account's login lease, so that two replicas never write at once. Never throws, as `clear`. */
  add(account: Account, refusal: Refusal): Promise<void>;
  clear(account: Account): Promise<void>;
}

const keyOf = (account: Account): string => `enrol-rejected:{${tagOf(account)}}`;

function decode(text: string): Refusal[] {
  return text.split(' ').flatMap((part) => {
    const [, until, version] = /^(\d{1,16})\|(\S+)$/.exec(part) ?? [];
    return until === undefined || version === undefined ? [] : [{ until: Number(until), version }];
  });
}

/** Creates the memory on a key-value store; it holds versions, never passwords. */
export function createRejectedAttempts(options: { kv: KeyValue; clock: Clock; report: Report }): RejectedAttempts {
  const { kv, clock, report } = options;
  const read: RejectedAttempts['read'] = async (account) => {
    const text = await kv.get(keyOf(account));
    return decode(text ?? '').filter(({ until }) => until > clock.now());
  };
  return {
    read,
    async add(account, refusal) {
      await orMissed(report, account, undefined, async () => {
        const others = (await read(account)).filter(({ version }) => version !== refusal.version);
        const kept = [refusal, ...others].slice(0, REMEMBERED);
        const last = Math.ceil(Math.max(...kept.map(({ until }) => until)));
        const text = kept.map(({ until, version }) => `${Math.ceil(until)}|${version}`).join(' ');
        await kv.set(keyOf(account), text, Math.max(1, last - clock.now()));
      });
    },
    async clear(account) {
      await orMissed(report, account, false, () => kv.delete(keyOf(account)));
    },
  };
}
