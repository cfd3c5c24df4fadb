import { createHmac } from 'node:crypto';
import { type Account, type Clock, GatewayError, Secret } from '../kernel/index.ts';
import type { Report } from '../observe/index.ts';
import { type KeyValue, type Sealer, StoreUnavailable } from '../platform/index.ts';
import type { Password } from './ports.ts';
import { toPassword } from './sources/password-version.ts';

/** A password is sealed anew after this, so that it follows the sealing key: only one previous key is kept. */
const RESEAL_AFTER_MS = 86_400_000;

/** The passwords that people gave, sealed in the store. Every call reads the store; throws GW_STORE_UNAVAILABLE. */
export interface EnrolledPasswords {
  find(account: Account): Promise<Password | null>;
  /** `subject`: who gives it; null when that is not known. */
  put(account: Account, password: Secret, subject: string | null): Promise<void>;
  /** Removes what anybody but this subject gave, and what cannot be opened; false when there is nothing of the kind. */
  removeOthers(account: Account, subject: string): Promise<boolean>;
  /** False when there was none. */
  remove(account: Account): Promise<boolean>;
  /** Milliseconds since the epoch. */
  enrolledAt(account: Account): Promise<number | null>;
}

export interface EnrolledPasswordsOptions {
  readonly kv: KeyValue;
  readonly sealer: Sealer;
  readonly clock: Clock;
  readonly report: Pick<Report, 'log'>;
  /** Key of the password versions and of the store's keys: equal on all replicas and over restarts. */
  readonly versionKey: Secret;
}

interface Enrolled {
  readonly secret: Secret;
  readonly givenAt: number;
  readonly sealedAt: number;
  /** Who gave it; null in what was sealed before this was kept. */
  readonly subject: string | null;
}

/** What a sealed password is bound to: opening it for another account or queue fails. */
export const passwordAad = ({ queue, name }: Pick<Account, 'queue' | 'name'>): string =>
  JSON.stringify(['vovserver password', queue, name]);

/** Key of an account's password: a keyed hash, so that nobody can tell from the store who enrolled. */
export function passwordKey({ queue, name }: Pick<Account, 'queue' | 'name'>, versionKey: Secret): string {
  const hash = createHmac('sha256', versionKey.reveal())
    .update(JSON.stringify(['vovserver password key', queue, name]))
    .digest('base64url');
  return `enrolled:{${hash}}`;
}

const encode = ({ secret, givenAt, sealedAt, subject }: Enrolled): string =>
  JSON.stringify([2, secret.reveal(), givenAt, sealedAt, subject]);

function decode(text: string): Enrolled | null {
  try {
    const [version, password, givenAt, sealedAt, subject = null]: unknown[] = JSON.parse(text);
    if ((version !== 1 && version !== 2) || typeof password !== 'string' || password === '') return null;
    if (typeof givenAt !== 'number' || typeof sealedAt !== 'number') return null;
    if (subject !== null && typeof subject !== 'string') return null;
    return { secret: new Secret(password), givenAt, sealedAt, subject };
  } catch {
    return null;
  }
}

/** What a caller is told when enrolled passwords cannot be reached. */
export function passwordsAway(cause: unknown): GatewayError {
  const detail = 'The vovserver passwords that people enrolled cannot be reached: the shared store is away.';
  return new GatewayError('GW_STORE_UNAVAILABLE', detail, { retryAfter: 5, cause });
}

/** Runs a step on the store; its absence becomes GW_STORE_UNAVAILABLE. */
export async function atPasswords<T>(step: () => Promise<T>): Promise<T> {
  try {
    return await step();
  } catch (error) {
    throw error instanceof StoreUnavailable ? passwordsAway(error) : error;
  }
}

/** Creates the {@link EnrolledPasswords} on a key-value store. */
export function createEnrolledPasswords(options: EnrolledPasswordsOptions): EnrolledPasswords {
  const { kv, sealer, clock, report, versionKey } = options;
  const seal = (account: Account, enrolled: Enrolled): string => sealer.seal(encode(enrolled), passwordAad(account));

  const read = async (account: Account): Promise<(Enrolled & { readonly raw: string }) | null> => {
    const raw = await atPasswords(() => kv.get(passwordKey(account, versionKey)));
    if (raw === null) return null;
    const plain = sealer.open(raw, passwordAad(account));
    const enrolled = plain === null ? null : decode(plain);
    if (enrolled !== null) return { ...enrolled, raw };
    const fields = { event: 'password_unsealable', queue: account.queue, account: account.name };
    report.log.warn(fields, 'an enrolled password cannot be opened: another sealing key, or it was tampered with');
    return null;
  };
  const reseal = async (account: Account, { raw, ...enrolled }: Enrolled & { readonly raw: string }): Promise<void> => {
    const now = clock.now();
    if (sealer.isCurrent(raw) && now - enrolled.sealedAt < RESEAL_AFTER_MS) return;
    const next = seal(account, { ...enrolled, sealedAt: now });
    // Left for the next time when it fails: the old one still opens.
    await kv.compareAndSet(passwordKey(account, versionKey), raw, next, null).catch(() => false);
  };

  const current = async (account: Account): Promise<Password | null> => {
    const enrolled = await read(account);
    return enrolled === null ? null : toPassword(enrolled.secret.reveal(), account, versionKey);
  };

  return {
    async find(account) {
      // A rule that gives a user a shared account leads to nobody's own password.
      const enrolled = account.shared ? null : await read(account);
      if (enrolled === null) return null;
      await reseal(account, enrolled);
      const password = toPassword(enrolled.secret.reveal(), account, versionKey);
      return { ...password, isCurrent: async () => (await current(account))?.version === password.version };
    },
    async put(account, secret, subject) {
      const now = clock.now();
      const sealed = seal(account, { secret, givenAt: now, sealedAt: now, subject });
      await atPasswords(() => kv.set(passwordKey(account, versionKey), sealed, null));
    },
    remove: (account) => atPasswords(() => kv.delete(passwordKey(account, versionKey))),
    async removeOthers(account, subject) {
      if ((await read(account))?.subject === subject) return false;
      return await atPasswords(() => kv.delete(passwordKey(account, versionKey)));
    },
    enrolledAt: async (account) => (await read(account))?.givenAt ?? null,
  };
}
