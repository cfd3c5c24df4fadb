import type { Account } from '../kernel/index.ts';
import type { HeldLease } from '../platform/index.ts';
import { type AccountJwt, isDead } from './account-jwt.ts';
import { loginLease, tagOf } from './account-keys.ts';
import type { Accounts } from './accounts.ts';
import { type Attempts, nameLease } from './attempts.ts';
import { type BrokerParts, queueOf } from './broker-parts.ts';
import { atPasswords } from './enrolled-passwords.ts';
import type { Holding } from './holding.ts';
import { tokenFromLogin } from './jwt-life.ts';
import { keepJwt, reportLogin, tooLong } from './login-turn.ts';
import type { Enrolments, Password } from './ports.ts';
import type { Refusal } from './refused-passwords.ts';

/**
 * Wrong passwords of an account within one cool-down, the broker's own attempt included, before people have to wait:
 * pam_faillock locks an account at the third one.
 */
const REJECTED_BEFORE_WAIT = 2;
/** Longest time between two looks whether another login of the account has ended. */
const LOOK_EVERY_MS = 100;

/** What became of a password that somebody gave. */
export type Tried = Awaited<ReturnType<Enrolments['enrol']>>;

/**
 * Tries a password at vovserver once, while no other login of the account runs on any replica; when it was accepted
 * calls `keep` and then takes the JWT into the cache. Throws GatewayError.
 */
export type TryPassword = (account: Account, password: Password, keep: () => Promise<void>) => Promise<Tried>;

/**
 * Runs a step while it holds a login slot and the account's login lease, and before them a lease by `name`; waits for all.
 * Throws GatewayError.
 */
export type UnderLease = <T>(
  state: Pick<AccountJwt, 'account' | 'tag'>,
  step: (lease: HeldLease) => Promise<T>,
  name?: string,
) => Promise<T>;

type LeaseParts = Pick<BrokerParts, 'config' | 'leases' | 'slotsOf' | 'clock' | 'random' | 'closing'>;

/** Creates {@link UnderLease}; nobody waits longer than a login and two leases take. */
export function createUnderLease(parts: LeaseParts): UnderLease {
  const { config, leases, slotsOf, clock, random, closing } = parts;
  const acquire = (name: string): Promise<HeldLease | null> =>
    atPasswords(() => leases.tryAcquire(name, config().broker.lease));
  type State = Pick<AccountJwt, 'account' | 'tag'>;
  /** Null: another login of the account is under way. */
  const turn = async <T>(state: State, signal: AbortSignal, step: (lease: HeldLease) => Promise<T>) => {
    using _slot = await slotsOf(state.account.queue).take(signal);
    const acquired = await acquire(loginLease(state.tag));
    if (acquired === null) return null;
    await using lease = acquired;
    return { done: await step(lease) };
  };
  /** As `turn`, under one more lease; nobody waits for a slot before it. */
  const namedTurn = async <T>(
    name: string,
    state: State,
    signal: AbortSignal,
    step: (lease: HeldLease) => Promise<T>,
  ) => {
    const acquired = await acquire(name);
    if (acquired === null) return null;
    await using _lease = acquired;
    return await turn(state, signal, step);
  };
  return async (state, step, name) => {
    const { lease: leaseMs } = config().broker;
    const patience = new AbortController();
    using _limit = clock.after(queueOf(config(), state.account).timeouts.login + 2 * leaseMs, () =>
      patience.abort(tooLong(state.account)),
    );
    const signal = AbortSignal.any([closing, patience.signal]);
    for (;;) {
      signal.throwIfAborted();
      const ended = await (name === undefined ? turn(state, signal, step) : namedTurn(name, state, signal, step));
      if (ended !== null) return ended.done;
      await clock.sleep(Math.min(LOOK_EVERY_MS, leaseMs / 4) * (0.5 + random() / 2), signal);
    }
  };
}

/** The end of the wait before this password may be tried; null: now. Milliseconds since the epoch. */
export function waitUntil(password: Password, refusals: readonly Refusal[], now: number): number | null {
  const live = new Map(refusals.filter(({ until }) => until > now).map(({ version, until }) => [version, until]));
  const same = live.get(password.version);
  if (same !== undefined) return same;
  return live.size < REJECTED_BEFORE_WAIT ? null : Math.min(...live.values());
}

/** Creates {@link TryPassword}. */
export function createTryPassword(
  parts: BrokerParts,
  accounts: Accounts,
  holding: Holding,
  attempts: Attempts,
  underLease: UnderLease,
): TryPassword {
  const { config, upstream, clock, refused, closing } = parts;

  /** What is known of the account's name on every queue: they may lead to one Unix account. */
  const refusalsOf = async (account: Account): Promise<readonly Refusal[]> => {
    const everywhere = config().queues.map(({ name: queue }): Account => ({ ...account, queue }));
    const known = await Promise.all(
      everywhere.map(async (each) => [accounts.byTag(tagOf(each))?.refusal ?? null, await refused.read(each)]),
    );
    const tried = await atPasswords(() => attempts.read(account));
    return [...known.flat(), ...tried].filter((refusal) => refusal !== null);
  };
  const waitFor = async ({ account }: AccountJwt, password: Password): Promise<number | null> => {
    const now = clock.now();
    const mayAcceptAt = await atPasswords(() => attempts.mayAcceptAt(account));
    return mayAcceptAt > now ? mayAcceptAt : waitUntil(password, await refusalsOf(account), now);
  };
  const remember = async (state: AccountJwt, { version }: Password): Promise<void> => {
    const refusal = { version, until: clock.now() + config().broker.coolDown };
    await attempts.add(state.account, refusal);
    // The broker remembers one: that of the password it would use itself is not to be forgotten for this one.
    const other = state.refusal ?? (await refused.read(state.account));
    if (other !== null && other.until > clock.now() && other.version !== version) return;
    state.refusal = refusal;
    await refused.write(state.account, refusal);
  };

  const logIn = async (
    state: AccountJwt,
    password: Password,
    keep: () => Promise<void>,
    lease: HeldLease,
  ): Promise<Tried> => {
    const { account } = state;
    const until = await waitFor(state, password);
    if (until !== null) return { kind: 'wait', seconds: Math.max(1, Math.ceil((until - clock.now()) / 1000)) };
    const epoch = upstream.epoch(account.queue);
    const startedAt = clock.now();
    const answer = await upstream.login(account.queue, account.name, password.secret, closing);
    reportLogin(parts, account, 'first', answer, startedAt);
    if (answer.kind === 'failed') throw answer.error;
    if (answer.kind === 'rejected') {
      await remember(state, password);
      return { kind: 'rejected' };
    }
    const token = tokenFromLogin(answer, { startedAt, jwtLife: queueOf(config(), account).jwtLife });
    await keep();
    Object.assign(state, { lastLoginAt: clock.now(), refusal: null, reportedMissingAt: Number.NEGATIVE_INFINITY });
    await attempts.clear(account);
    await attempts.accepted(account);
    await refused.clear(account);
    if (!isDead(state, token)) await keepJwt(parts, holding, { state, epoch: answer.epoch ?? epoch }, token, lease);
    return { kind: 'accepted' };
  };

  return async (account, password, keep) => {
    const { state } = accounts.of(account);
    return await underLease(state, (lease) => logIn(state, password, keep, lease), nameLease(account));
  };
}
