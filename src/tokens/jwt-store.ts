import { type Account, type Clock, messageOf, Secret } from '../kernel/index.ts';
import type { Report } from '../observe/index.ts';
import { type KeyValue, type Sealer, StoreUnavailable } from '../platform/index.ts';
import type { UpstreamToken } from '../upstream/index.ts';
import { CHANGED_CHANNEL, jwtAad, jwtKey, tagOf } from './account-keys.ts';
import { sameJwt } from './jwt-life.ts';
import { putUnderFence, splitFence } from './put-under-fence.ts';

/** What the shared store says about the JWT of an account. */
export type StoredJwt =
  | { readonly kind: 'jwt'; readonly token: UpstreamToken; readonly fence: number; readonly raw: string }
  /** Somebody had it forgotten. */
  | { readonly kind: 'dropped' }
  | { readonly kind: 'absent' }
  /** The store did not answer: a miss. */
  | { readonly kind: 'away' };

/** The JWTs that all replicas share, sealed. Only `drop` throws. */
export interface JwtStore {
  read(account: Account, epoch: string): Promise<StoredJwt>;
  /** Writes under the fence of a lease, or under the next fence. Gives the fence; null when a newer one was there. */
  write(account: Account, epoch: string, token: UpstreamToken, fence: number | 'next'): Promise<number | null | 'away'>;
  /** Puts back what the store lost; leaves anything else alone. */
  restore(account: Account, epoch: string, token: UpstreamToken, fence: number): Promise<boolean | 'away'>;
  /** Forgets the JWT if it still is this one. */
  dropIf(account: Account, epoch: string, rejected: UpstreamToken): Promise<void>;
  /** Forgets the JWTs of these epochs for `ttlMs` and tells the other replicas. Throws StoreUnavailable. */
  drop(account: Account, epochs: Iterable<string>, ttlMs: number): Promise<void>;
}

export interface JwtStoreOptions {
  readonly kv: KeyValue;
  readonly sealer: Sealer;
  readonly clock: Clock;
  readonly report: Pick<Report, 'log'>;
}

const encode = (token: UpstreamToken): string =>
  JSON.stringify([1, token.tokenType, token.accessToken.reveal(), token.issuedAt, token.expiresAt]);

/** Null for anything that this version did not write. */
export function decodeToken(text: string): UpstreamToken | null {
  try {
    const [version, tokenType, jwt, issuedAt, expiresAt]: unknown[] = JSON.parse(text);
    if (version !== 1 || typeof tokenType !== 'string' || typeof jwt !== 'string') return null;
    if (typeof issuedAt !== 'number' || typeof expiresAt !== 'number') return null;
    return { tokenType, accessToken: new Secret(jwt), issuedAt, expiresAt };
  } catch {
    return null;
  }
}

/** Runs a step on the store; a failure is the `missed` value. Faults other than an absent store go into the log. */
export async function orMissed<T, M>(
  report: Pick<Report, 'log'>,
  account: Account,
  missed: M,
  step: () => Promise<T>,
): Promise<T | M> {
  try {
    return await step();
  } catch (error) {
    if (!(error instanceof StoreUnavailable)) {
      const fields = { event: 'jwt_store_failed', queue: account.queue, account: account.name };
      report.log.warn({ ...fields, reason: messageOf(error) }, 'the shared store refused a step of the broker');
    }
    return missed;
  }
}

/** Creates the shared JWT store on a key-value store. */
export function createJwtStore({ kv, sealer, clock, report }: JwtStoreOptions): JwtStore {
  const ttlOf = (token: UpstreamToken): number => Math.max(1, Math.ceil(token.expiresAt - clock.now()));
  const sealed = (account: Account, epoch: string, token: UpstreamToken): string =>
    sealer.seal(encode(token), jwtAad(account, epoch));

  const parse = (account: Account, epoch: string, raw: string | null): StoredJwt => {
    const parts = raw === null ? null : splitFence(raw);
    if (raw === null || parts === null) return { kind: 'absent' };
    if (parts.body === '') return { kind: 'dropped' };
    const plain = sealer.open(parts.body, jwtAad(account, epoch));
    const token = plain === null ? null : decodeToken(plain);
    if (token !== null) return { kind: 'jwt', token, fence: parts.fence, raw };
    const fields = { event: 'jwt_unsealable', queue: account.queue, account: account.name };
    report.log.warn(fields, 'a JWT in the store cannot be opened: another sealing key, or it was tampered with');
    return { kind: 'absent' };
  };
  const read = (account: Account, epoch: string): Promise<StoredJwt> =>
    orMissed(report, account, { kind: 'away' }, async () =>
      parse(account, epoch, await kv.get(jwtKey(tagOf(account), epoch))),
    );

  return {
    read,
    async write(account, epoch, token, fence) {
      const args = fence === 'next' ? ([Math.floor(clock.now()), 'next'] as const) : ([fence, 'fenced'] as const);
      return orMissed(report, account, 'away' as const, async () => {
        const tag = tagOf(account);
        const body = sealed(account, epoch, token);
        const [put] = await kv.run(putUnderFence, [jwtKey(tag, epoch)], [args[0], body, ttlOf(token), args[1]]);
        if (typeof put !== 'number' || put < 0) return null;
        await orMissed(report, account, undefined, () => kv.publish(CHANGED_CHANNEL, tag));
        return put;
      });
    },
    restore(account, epoch, token, fence) {
      return orMissed(report, account, 'away' as const, () => {
        const value = `${fence}|${sealed(account, epoch, token)}`;
        return kv.set(jwtKey(tagOf(account), epoch), value, ttlOf(token), { onlyIfAbsent: true });
      });
    },
    async dropIf(account, epoch, rejected) {
      const stored = await read(account, epoch);
      if (stored.kind !== 'jwt' || !sameJwt(stored.token, rejected)) return;
      const key = jwtKey(tagOf(account), epoch);
      await orMissed(report, account, undefined, () =>
        kv.compareAndSet(key, stored.raw, `${stored.fence}|`, ttlOf(stored.token)),
      );
    },
    async drop(account, epochs, ttlMs) {
      const tag = tagOf(account);
      for (const epoch of epochs) {
        await kv.run(putUnderFence, [jwtKey(tag, epoch)], [0, '', Math.ceil(ttlMs), 'next']);
      }
      await kv.publish(CHANGED_CHANNEL, tag);
    },
  };
}
