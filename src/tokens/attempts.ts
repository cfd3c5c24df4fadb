import { createHash } from 'node:crypto';
import type { Account, Clock } from '../kernel/index.ts';
import type { Report } from '../observe/index.ts';
import type { KeyValue } from '../platform/index.ts';
import { tagOf } from './account-keys.ts';
import { orMissed } from './jwt-store.ts';
import type { Refusal } from './refused-passwords.ts';

/** Rejected passwords remembered for an account; more are not tried within one cool-down anyway. */
const REMEMBERED = 8;
/** Right passwords that an account may be given in this time: each costs vovserver a login. */
export const ENROLMENTS = { most: 10, within: 3_600_000 } as const;

/**
 * Passwords that people tried to enrol, by version, over all replicas. Rejected ones are counted by the name of the account
 * over all queues: behind two queues there is one Unix account as a rule, and one lock.
 */
export interface Attempts {
  /** Rejected ones whose cool-down lasts, latest first. Throws StoreUnavailable: without this memory nothing is tried. */
  read(account: Account): Promise<readonly Refusal[]>;
  /** Called under {@link nameLease}, so that two replicas never write at once. Never throws, as `clear`. */
  add(account: Account, refusal: Refusal): Promise<void>;
  clear(account: Account): Promise<void>;
  /** From when the next right password may be given, milliseconds since the epoch. Throws StoreUnavailable. */
  mayAcceptAt(account: Account): Promise<number>;
  /** Counts a right one; called under the lease too. Never throws. */
  accepted(account: Account): Promise<void>;
}

const nameHash = ({ name }: Pick<Account, 'name'>): string =>
  createHash('sha256').update(`account name:${name}`).digest('base64url').slice(0, 27);

/** Name of the lease under which one replica tries passwords for an account name. */
export const nameLease = (account: Pick<Account, 'name'>): string => `enrol:${nameHash(account)}`;

const rejectedKey = (account: Account): string => `enrol-rejected:{${nameHash(account)}}`;
const acceptedKey = (account: Account): string => `enrol-accepted:{${tagOf(account)}}`;

function decode(text: string): Refusal[] {
  return text.split(' ').flatMap((part) => {
    const [, until, version] = /^(\d{1,16})\|(\S+)$/.exec(part) ?? [];
    return until === undefined || version === undefined ? [] : [{ until: Number(until), version }];
  });
}

/** Creates the memory on a key-value store; it holds versions and times, never passwords. */
export function createAttempts(options: { kv: KeyValue; clock: Clock; report: Report }): Attempts {
  const { kv, clock, report } = options;
  const read: Attempts['read'] = async (account) => {
    const text = await kv.get(rejectedKey(account));
    return decode(text ?? '').filter(({ until }) => until > clock.now());
  };
  const acceptedTimes = async (account: Account): Promise<number[]> => {
    const text = (await kv.get(acceptedKey(account))) ?? '';
    const times = text.split(' ').filter((part) => /^\d{1,16}$/.test(part));
    return times.map(Number).filter((at) => at > clock.now() - ENROLMENTS.within);
  };
  return {
    read,
    async add(account, refusal) {
      await orMissed(report, account, undefined, async () => {
        const others = (await read(account)).filter(({ version }) => version !== refusal.version);
        const kept = [refusal, ...others].slice(0, REMEMBERED);
        const last = Math.ceil(Math.max(...kept.map(({ until }) => until)));
        const text = kept.map(({ until, version }) => `${Math.ceil(until)}|${version}`).join(' ');
        await kv.set(rejectedKey(account), text, Math.max(1, last - clock.now()));
      });
    },
    async clear(account) {
      await orMissed(report, account, false, () => kv.delete(rejectedKey(account)));
    },
    async mayAcceptAt(account) {
      const oldest = (await acceptedTimes(account)).at(-ENROLMENTS.most);
      return oldest === undefined ? 0 : oldest + ENROLMENTS.within;
    },
    async accepted(account) {
      await orMissed(report, account, undefined, async () => {
        const times = [...(await acceptedTimes(account)), Math.floor(clock.now())].slice(-ENROLMENTS.most);
        await kv.set(acceptedKey(account), times.join(' '), ENROLMENTS.within);
      });
    },
  };
}
