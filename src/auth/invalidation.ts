import type { Clock } from '../kernel/index.ts';
import type { KeyValue } from '../platform/index.ts';

const RETRY = 1000;

/** Tells all replicas which token (or session, on a channel of its own) has ended. */
export interface Invalidation extends AsyncDisposable {
  /** Never throws: without the message the others find out when they next ask the store. */
  announce(id: string): Promise<void>;
}

/** Listens on `channel` at once, and again each second while the store does not let it. */
export function createInvalidation(
  { kv, clock, channel = 'tokens' }: { readonly kv: KeyValue; readonly clock: Clock; readonly channel?: string },
  onEnded: (id: string) => void,
  onGap: () => void,
): Invalidation {
  let closed = false;
  let retry: Disposable | null = null;
  const listen = async (): Promise<AsyncDisposable | null> => {
    try {
      const subscription = await kv.subscribe(channel, onEnded, onGap);
      onGap();
      return subscription;
    } catch {
      if (!closed) retry = clock.after(RETRY, again);
      return null;
    }
  };
  let subscription = listen();
  const again = (): void => {
    subscription = listen();
  };
  return {
    async announce(id) {
      await kv.publish(channel, id).catch(() => undefined);
    },
    async [Symbol.asyncDispose]() {
      closed = true;
      retry?.[Symbol.dispose]();
      await (await subscription)?.[Symbol.asyncDispose]();
    },
  };
}
