import { GatewayError } from '../kernel/index.ts';
import { type AccountJwt, type HeldJwt, type Obtained, usableJwt } from './account-jwt.ts';
import { type BrokerParts, queueOf } from './broker-parts.ts';
import { checkRefusal, findPassword } from './find-password.ts';
import type { Holding } from './holding.ts';
import { type LoginTurn, type TakeTurn, tooLong } from './login-turn.ts';

/** Shortest time between two logins of an account: what holds a storm of 401 for good JWTs down. */
const BETWEEN_LOGINS_MS = 1000;
/** Longest time between two looks whether the login of another replica has ended. */
const LOOK_EVERY_MS = 250;
/** Logins in a row whose JWT was out of date at once because vovserver moved meanwhile. */
const MOVES = 3;

/** Gets a usable JWT that is not the one in memory now; joins the attempt under way. Throws GatewayError. */
export type Fly = (state: AccountJwt, reason: LoginTurn['reason']) => Promise<Obtained>;

/** Waits for a message about the account, at most `ms`. Rejects with the signal's reason. */
async function awaitMessage(
  state: AccountJwt,
  { clock }: Pick<BrokerParts, 'clock'>,
  ms: number,
  signal: AbortSignal,
): Promise<void> {
  const woken = new AbortController();
  const wake = (): void => woken.abort();
  state.waiting.add(wake);
  try {
    await clock.sleep(ms, AbortSignal.any([signal, woken.signal]));
  } catch {
    signal.throwIfAborted();
  } finally {
    state.waiting.delete(wake);
  }
}

/** Throws the last failure again while its pause lasts; a server that moved gets a fresh start. */
function checkBackOff({ failure }: AccountJwt, epoch: string, now: number): void {
  if (failure === null || failure.epoch !== epoch || failure.until <= now) return;
  const { code, detail, internal, headers } = failure.error;
  const retryAfter = Math.ceil((failure.until - now) / 1000);
  throw new GatewayError(code, detail, { retryAfter, headers, ...(internal === undefined ? {} : { internal }) });
}

/** Milliseconds until the account may be logged in again, counted from its last login on any replica. */
function guardLeft(state: AccountJwt, flightStart: number, now: number): number {
  const last = Math.max(state.lastLoginAt, ...state.dead.map(({ issuedAt }) => issuedAt));
  // Counted from the start of the flight at most: the clock of another replica may be ahead.
  return Math.min(last, flightStart) + BETWEEN_LOGINS_MS - now;
}

/** What stays the same over the rounds of one flight. */
interface Flight extends Pick<LoginTurn, 'reason' | 'arrived' | 'signal'> {
  readonly startedAt: number;
}

function createObtain(parts: BrokerParts, holding: Holding, takeTurn: TakeTurn) {
  const { config, upstream, clock, random } = parts;

  /** One round: store, password, turn. Null when it has to be repeated. */
  const round = async (state: AccountJwt, flight: Flight): Promise<Obtained | null> => {
    const { reason, arrived, signal, startedAt } = flight;
    const epoch = upstream.epoch(state.account.queue);
    const stored = await holding.fromStore(state, epoch);
    const held = stored === 'away' ? arrived() : (stored ?? arrived());
    if (held !== null) return { held, found: 'store' };
    // One of another server is worth a try; once only, since whoever asks after a rejection wants a newer one.
    const suspect = reason === 'rejected_jwt' ? null : await holding.suspect(state, epoch);
    if (suspect !== null) return { held: suspect, found: 'store' };
    checkBackOff(state, epoch, clock.now());
    const password = await findPassword(parts, state, reason);
    checkRefusal(state, state.refusal, password, clock);
    const guard = guardLeft(state, startedAt, clock.now());
    if (guard > 0) {
      await awaitMessage(state, parts, guard, signal);
      return null;
    }
    const turn = await takeTurn({ state, epoch, password, reason, arrived, signal, alone: stored === 'away' });
    if (turn === 'news') return null;
    if (turn !== 'busy') return turn;
    const look = Math.min(LOOK_EVERY_MS, config().broker.lease / 4) * (0.5 + random() / 2);
    await awaitMessage(state, parts, look, signal);
    return null;
  };

  return async (state: AccountJwt, reason: LoginTurn['reason'], signal: AbortSignal): Promise<Obtained> => {
    const { queue } = state.account;
    const replaced = state.held;
    const startedAt = clock.now();
    const arrived = (): HeldJwt | null => {
      const held = usableJwt(state, upstream.epoch(queue), clock.now());
      return held === replaced ? null : held;
    };
    for (let moves = 0; moves < MOVES; ) {
      signal.throwIfAborted();
      const got = await round(state, { reason, arrived, signal, startedAt });
      if (got?.held.epoch === upstream.epoch(queue)) return got;
      if (got !== null) moves += 1;
    }
    throw new GatewayError('GW_UPSTREAM_DOWN', `vovserver of queue ${queue} is failing over.`, { retryAfter: 5 });
  };
}

/** Creates the single flight of each account: one attempt at a time, shared by all who need its JWT. */
export function createFly(parts: BrokerParts, holding: Holding, takeTurn: TakeTurn): Fly {
  const { config, clock, store, closing } = parts;
  const obtain = createObtain(parts, holding, takeTurn);

  const withPatience = async (state: AccountJwt, reason: LoginTurn['reason']): Promise<Obtained> => {
    const { timeouts } = queueOf(config(), state.account);
    const patience = new AbortController();
    using _limit = clock.after(timeouts.login + 2 * config().broker.lease, () =>
      patience.abort(tooLong(state.account)),
    );
    try {
      return await obtain(state, reason, AbortSignal.any([closing, patience.signal]));
    } catch (error) {
      // Nobody else shall read a JWT from the store that vovserver refused and that could not be replaced.
      const [dead] = state.dead;
      if (reason === 'rejected_jwt' && dead !== undefined) {
        await store.dropIf(state.account, parts.upstream.epoch(state.account.queue), dead);
      }
      throw error;
    }
  };

  return (state, reason) => {
    state.flight ??= withPatience(state, reason).finally(() => {
      state.flight = null;
    });
    return state.flight;
  };
}
