import { messageOf } from '../kernel/index.ts';
import { type KeyValue, StoreUnavailable } from '../platform/index.ts';
import { type AccountJwt, forget } from './account-jwt.ts';
import { CHANGED_CHANNEL } from './account-keys.ts';
import type { Accounts } from './accounts.ts';
import type { BrokerParts } from './broker-parts.ts';
import type { Holding } from './holding.ts';
import { goodUntil } from './jwt-life.ts';

const TICK_MS = 5000;

/** Removes accounts that hold nothing and have not been asked for. */
function sweep(accounts: Accounts, now: number, activeFor: number): void {
  for (const state of accounts.all()) {
    const { held, flight, failure, refusal, lastUsed } = state;
    const useful =
      flight !== null ||
      (held !== null && now < goodUntil(held.token)) ||
      now < Math.max(failure?.until ?? 0, refusal?.until ?? 0);
    if (!useful && now - lastUsed > activeFor) accounts.remove(state);
  }
}

/** Reports for each queue how many JWTs are in memory and when the first of an active account ends. */
function reportExpiry({ config, report }: BrokerParts, accounts: Accounts, now: number): void {
  const { queues, broker } = config();
  for (const { name } of queues) {
    const held = accounts.all().flatMap((state) => (state.account.queue === name && state.held ? [state] : []));
    const active = held.filter(({ lastUsed }) => now - lastUsed <= broker.activeFor);
    const ends = active.map((state) => ((state.held?.token.expiresAt ?? now) - now) / 1000);
    report.jwtExpiry(name, ends.length === 0 ? null : ends.reduce((a, b) => Math.min(a, b)), held.length);
  }
}

/** Keeps memory in step with what other replicas write, and reports; from its creation until it is disposed. */
export function createJwtWatch(
  kv: KeyValue,
  parts: BrokerParts,
  accounts: Accounts,
  holding: Holding,
): AsyncDisposable {
  const { config, clock, report, closing } = parts;
  const working = new Set<Promise<unknown>>();
  let subscription: AsyncDisposable | null = null;
  let subscribing = false;
  let verifying = false;

  const work = (step: Promise<unknown>): void => {
    working.add(step);
    void step.finally(() => working.delete(step));
  };
  const verifyAll = async (): Promise<void> => {
    if (verifying) return;
    verifying = true;
    // One after the other: after a gap thousands may be due.
    for (const state of accounts.all()) {
      if (state.unverified && !closing.aborted) await holding.verify(state);
    }
    verifying = false;
  };
  const onMessage = (tag: string): void => {
    const state = accounts.byTag(tag);
    if (state === undefined || closing.aborted) return;
    state.generation += 1;
    for (const wake of state.waiting) wake();
    if (clock.now() - state.lastUsed > config().broker.activeFor) forget(state);
    else if (state.held !== null) work(holding.verify(state));
  };
  const onGap = (): void => {
    const touch = (state: AccountJwt): void => {
      state.generation += 1;
      state.unverified = state.held !== null;
    };
    accounts.all().forEach(touch);
    work(verifyAll());
  };
  const subscribe = async (): Promise<void> => {
    if (subscription !== null || subscribing) return;
    subscribing = true;
    try {
      subscription = await kv.subscribe(CHANGED_CHANNEL, onMessage, onGap);
      if (accounts.all().length > 0) onGap();
    } catch (error) {
      if (!(error instanceof StoreUnavailable)) {
        report.log.warn({ event: 'jwt_watch_failed', reason: messageOf(error) }, 'cannot listen to other replicas');
      }
    } finally {
      subscribing = false;
    }
  };
  const ticking = clock.every(TICK_MS, () => {
    const now = clock.now();
    reportExpiry(parts, accounts, now);
    sweep(accounts, now, config().broker.activeFor);
    work(subscribe());
    work(verifyAll());
  });
  work(subscribe());

  return {
    async [Symbol.asyncDispose]() {
      ticking[Symbol.dispose]();
      await Promise.allSettled(working);
      await subscription?.[Symbol.asyncDispose]();
    },
  };
}
