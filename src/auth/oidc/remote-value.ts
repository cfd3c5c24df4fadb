import type { Clock } from '../../kernel/index.ts';
import { messageOf } from '../../kernel/index.ts';
import { ProviderUnreachable } from './unreachable.ts';

/** Something of an identity provider that is kept for a while. */
export interface RemoteValue<T> {
  /**
   * The value. One that is kept but no longer fresh is given at once and read anew behind, so that a provider that hangs
   * holds nobody up. Throws {@link ProviderUnreachable}.
   */
  get(): Promise<T>;
  /**
   * Waits for a reading under way, or reads it anew now unless that was tried within the cool-down by this way; false when
   * it was not or failed.
   */
  renew(): Promise<boolean>;
  /** How many times it was read with success; tells whether there is a newer one. */
  readonly generation: number;
  /** Why the last reading failed; null when it did not. */
  readonly fault: string | null;
  readonly held: boolean;
}

export interface RemoteValueOptions<T> {
  readonly load: () => Promise<T>;
  readonly clock: Clock;
  /** Milliseconds that a value is used without a question. */
  readonly freshMs: number;
  /** Milliseconds that it is used while it is read anew, or the provider does not answer. */
  readonly keepMs: number;
  /** Milliseconds between two attempts after a failure, and between two calls of `renew`. */
  readonly coolDownMs: number;
  readonly onState?: (ready: boolean, fault: string | null) => void;
}

/** Milliseconds between two attempts while there is nothing at hand: both may be starting at the same time. */
const FIRST_RETRY_MS = 5_000;

/** Creates it; nothing is read before the first use. One reading at a time, whoever asks. */
export function createRemoteValue<T>(options: RemoteValueOptions<T>): RemoteValue<T> {
  const { load, clock, freshMs, keepMs, coolDownMs, onState = () => undefined } = options;
  let kept: { readonly value: T; readonly at: number } | null = null;
  let failure: { readonly error: unknown; readonly at: number } | null = null;
  let renewedAt = Number.NEGATIVE_INFINITY;
  let generation = 0;
  let flight: Promise<T> | null = null;

  // A clock that went backwards makes everything old.
  const within = (since: number, span: number): boolean => {
    const age = clock.now() - since;
    return age >= 0 && age < span;
  };
  const read = async (): Promise<T> => {
    try {
      const value = await load();
      kept = { value, at: clock.now() };
      failure = null;
      generation++;
      onState(true, null);
      return value;
    } catch (error) {
      failure = { error, at: clock.now() };
      onState(false, messageOf(error));
      throw error;
    } finally {
      flight = null;
    }
  };
  const fly = (): Promise<T> => {
    flight ??= read();
    return flight;
  };
  const coolingDown = (): ProviderUnreachable | null => {
    const wait = kept === null ? Math.min(FIRST_RETRY_MS, coolDownMs) : coolDownMs;
    if (failure === null || !within(failure.at, wait)) return null;
    const retryAfter = Math.max(1, Math.ceil((failure.at + wait - clock.now()) / 1000));
    return new ProviderUnreachable(messageOf(failure.error), { cause: failure.error, retryAfter });
  };
  const readFirst = async (): Promise<T> => {
    const refusal = coolingDown();
    if (refusal !== null) throw refusal;
    try {
      return await fly();
    } catch (error) {
      throw error instanceof ProviderUnreachable ? error : new ProviderUnreachable(messageOf(error), { cause: error });
    }
  };
  return {
    async get() {
      if (kept === null || !within(kept.at, Math.max(keepMs, freshMs))) return readFirst();
      if (!within(kept.at, freshMs) && coolingDown() === null) fly().catch(() => undefined);
      return kept.value;
    },
    async renew() {
      if (flight === null) {
        if (within(renewedAt, coolDownMs) || coolingDown() !== null) return false;
        renewedAt = clock.now();
      }
      return fly().then(
        () => true,
        () => false,
      );
    },
    get generation() {
      return generation;
    },
    get fault() {
      return failure === null ? null : messageOf(failure.error);
    },
    get held() {
      return kept !== null && within(kept.at, keepMs);
    },
  };
}
