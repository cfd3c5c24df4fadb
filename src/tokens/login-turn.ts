import { type Account, GatewayError } from '../kernel/index.ts';
import type { HeldLease } from '../platform/index.ts';
import { type LoginAnswer, Outage } from '../upstream/index.ts';
import { type AccountJwt, type HeldJwt, isDead, type Obtained } from './account-jwt.ts';
import { loginLease } from './account-keys.ts';
import { backOff } from './back-off.ts';
import { type BrokerParts, queueOf } from './broker-parts.ts';
import { checkRefusal, refusedError } from './find-password.ts';
import type { Holding } from './holding.ts';
import { tokenFromLogin } from './jwt-life.ts';
import { orMissed } from './jwt-store.ts';
import type { Slots } from './login-slots.ts';
import type { Password } from './ports.ts';

/** One attempt to log an account in. */
export interface LoginTurn {
  readonly state: AccountJwt;
  readonly epoch: string;
  readonly password: Password;
  readonly reason: 'first' | 'renewal' | 'rejected_jwt';
  /** True when the store is away: no lease, no writing. */
  readonly alone: boolean;
  /** What is in memory already and newer than when the attempt began. */
  readonly arrived: () => HeldJwt | null;
  /** Ends the waiting for a slot. */
  readonly signal: AbortSignal;
}

/**
 * Takes the turn; `busy` when another replica logs the account in right now, `news` when something was heard of the account
 * before its turn came. Throws GatewayError.
 */
export type TakeTurn = (turn: LoginTurn) => Promise<Obtained | 'busy' | 'news'>;

/** Keeps a JWT that was just bought: in the store under the fence, then in memory. */
export async function keepJwt(
  { store }: BrokerParts,
  holding: Holding,
  { state, epoch }: Pick<LoginTurn, 'state' | 'epoch'>,
  token: HeldJwt['token'],
  lease: HeldLease | null,
): Promise<HeldJwt> {
  const written = lease === null ? 'away' : await store.write(state.account, epoch, token, lease.fence);
  if (written === null) {
    const newer = await holding.fromStore(state, epoch);
    if (newer !== null && newer !== 'away') return newer;
  }
  const held = holding.hold(state, { token, epoch, fence: typeof written === 'number' ? written : 0 });
  state.unverified = written === 'away';
  return held;
}

/** Remembers why a login gave no JWT and gives the error for the callers. */
async function remember(
  { config, refused, clock, random }: BrokerParts,
  { state, epoch, password, alone }: LoginTurn,
  answer: Exclude<LoginAnswer, { kind: 'ok' }>,
): Promise<GatewayError> {
  if (answer.kind === 'failed') {
    // Nothing was tried, and the account shall not wait once a server is found.
    if (answer.error instanceof Outage) return answer.error;
    state.failure = { ...backOff(state.failure, answer.error, clock.now(), random()), epoch };
    return answer.error;
  }
  const refusal = { version: password.version, until: clock.now() + config().broker.coolDown };
  state.refusal = refusal;
  if (!alone) await refused.write(state.account, refusal);
  return refusedError(state.account, refusal, password, clock);
}

function whyNot(answer: LoginAnswer): { detail?: string } {
  if (answer.kind === 'ok') return {};
  if (answer.kind === 'rejected') return { detail: `vovserver rejected the password with status ${answer.status}` };
  return { detail: answer.error.internal ?? answer.error.detail };
}

/** Reports a login that was begun at `startedAt` (milliseconds since the epoch). */
export function reportLogin(
  { report, clock }: BrokerParts,
  { queue, name }: Account,
  reason: LoginTurn['reason'],
  answer: LoginAnswer,
  startedAt: number,
): void {
  const seconds = (clock.now() - startedAt) / 1000;
  report.login({ queue, account: name, reason, result: answer.kind, seconds, ...whyNot(answer) });
}

/** For a vovserver that gives the same JWT again which it refuses. */
function deadAgain({ queue, name }: Account): GatewayError {
  return new GatewayError(
    'GW_CREDENTIAL_UNAVAILABLE',
    `vovserver of queue ${queue} refuses the JWT that it gives to account ${name}: the administrator looks at its ` +
      'security rules and clock.',
    { retryAfter: 5 },
  );
}

async function logIn(
  parts: BrokerParts,
  holding: Holding,
  turn: LoginTurn,
  lease: HeldLease | null,
): Promise<Obtained> {
  const { config, upstream, clock, random, closing } = parts;
  const { state, password, reason } = turn;
  const { queue, name } = state.account;
  const { jwtLife } = queueOf(config(), state.account);
  const startedAt = clock.now();
  const answer = await upstream.login(queue, name, password.secret, closing);
  reportLogin(parts, state.account, reason, answer, startedAt);
  if (answer.kind !== 'ok') throw await remember(parts, turn, answer);
  Object.assign(state, { lastLoginAt: clock.now(), refusal: null, reportedMissingAt: Number.NEGATIVE_INFINITY });
  const token = tokenFromLogin(answer, { startedAt, jwtLife });
  if (isDead(state, token)) {
    const error = deadAgain(state.account);
    state.failure = { ...backOff(state.failure, error, clock.now(), random()), epoch: turn.epoch };
    throw error;
  }
  // The server may have changed while the account waited for its turn.
  const from = { state, epoch: answer.epoch ?? turn.epoch };
  return { held: await keepJwt(parts, holding, from, token, lease), found: 'login' };
}

/** A slot; null when there was a message about the account before: then another replica may have logged it in. */
async function slotUnlessNews({ waiting }: AccountJwt, slots: Slots, signal: AbortSignal): Promise<Disposable | null> {
  const news = new AbortController();
  const wake = (): void => news.abort();
  waiting.add(wake);
  try {
    return await slots.take(AbortSignal.any([signal, news.signal]));
  } catch (error) {
    signal.throwIfAborted();
    if (news.signal.aborted) return null;
    throw error;
  } finally {
    waiting.delete(wake);
  }
}

/** Creates the step that logs an account in: slot, then lease, then a look whether another was faster, then the login. */
export function createTakeTurn(parts: BrokerParts, holding: Holding): TakeTurn {
  const { config, leases, refused, slotsOf, clock, report } = parts;
  return async (turn) => {
    const { state, epoch, password, alone } = turn;
    const { account } = state;
    // The slot comes first: a lease is never held while waiting for one, and no slot while waiting for a lease.
    const slot = await slotUnlessNews(state, slotsOf(account.queue), turn.signal);
    if (slot === null) return 'news';
    using _slot = slot;
    const arrived = turn.arrived();
    if (arrived !== null) return { held: arrived, found: 'store' };
    if (alone) return await logIn(parts, holding, turn, null);
    const name = loginLease(state.tag);
    const lease = await orMissed(report, account, 'away' as const, () =>
      leases.tryAcquire(name, config().broker.lease),
    );
    if (lease === null) return 'busy';
    if (lease === 'away') return await logIn(parts, holding, { ...turn, alone: true }, null);
    try {
      const newer = (await holding.fromStore(state, epoch)) ?? turn.arrived();
      if (newer !== null && newer !== 'away') return { held: newer, found: 'store' };
      checkRefusal(state, await refused.read(account), password, clock);
      // Taken back or replaced while this waited: the next round finds what holds now.
      if ((await password.isCurrent?.()) === false) return 'busy';
      return await logIn(parts, holding, turn, lease);
    } finally {
      await orMissed(report, account, undefined, async () => lease[Symbol.asyncDispose]());
    }
  };
}

/** What a caller is told when the login of its account did not come about in time. */
export function tooLong({ queue, name }: Account): GatewayError {
  return new GatewayError(
    'GW_UPSTREAM_DOWN',
    `The login of account ${name} on queue ${queue} did not come about in time. Nothing was executed.`,
    { retryAfter: 5, internal: 'waited for a login slot or for the login of another replica' },
  );
}
