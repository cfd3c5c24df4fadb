import { type Clock, messageOf } from '../kernel/index.ts';
import type { Report } from '../observe/index.ts';
import { type KeyValue, StoreUnavailable } from '../platform/index.ts';

/**
 * What one replica tells the others of a candidate: that it works, that it is another queue, or that it got passwords and has
 * not told its name. Each looks for itself.
 */
export interface Hint {
  readonly kind: 'works' | 'wrong' | 'unproven';
  readonly queue: string;
  readonly origin: string;
}

/** The way of hints between the replicas. */
export interface Hints extends AsyncDisposable {
  tell(hint: Hint): void;
}

const CHANNEL = 'vovserver-candidate';
/** Milliseconds between two attempts to listen. */
const RETRY_MS = 5000;

/** Null for anything that no replica says. */
export function hintIn(message: string): Hint | null {
  try {
    const [kind, queue, origin]: unknown[] = JSON.parse(message);
    if (kind !== 'works' && kind !== 'wrong' && kind !== 'unproven') return null;
    return typeof queue === 'string' && typeof origin === 'string' ? { kind, queue, origin } : null;
  } catch {
    return null;
  }
}

export interface HintsOptions {
  readonly kv: KeyValue;
  readonly clock: Clock;
  readonly report: Pick<Report, 'log'>;
  hear(hint: Hint): void;
}

/** Listens for hints and tells them. A store that is away costs hints and nothing else. */
export function createHints({ kv, clock, report, hear }: HintsOptions): Hints {
  let subscription: Promise<AsyncDisposable | null> | null = null;
  const missed = (error: unknown): null => {
    if (!(error instanceof StoreUnavailable)) {
      const fields = { event: 'candidate_hints_failed', reason: messageOf(error) };
      report.log.warn(fields, 'cannot exchange hints on candidates with other replicas');
    }
    return null;
  };
  const onMessage = (message: string): void => {
    const hint = hintIn(message);
    if (hint !== null) hear(hint);
  };
  const subscribe = (): void => {
    subscription ??= kv.subscribe(CHANNEL, onMessage).catch((error: unknown) => {
      subscription = null;
      return missed(error);
    });
  };
  subscribe();
  const retry = clock.every(RETRY_MS, subscribe);
  return {
    tell({ kind, queue, origin }) {
      kv.publish(CHANNEL, JSON.stringify([kind, queue, origin])).catch(missed);
    },
    async [Symbol.asyncDispose]() {
      retry[Symbol.dispose]();
      const listening = await subscription;
      await listening?.[Symbol.asyncDispose]();
    },
  };
}
