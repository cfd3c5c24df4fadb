import { GatewayError } from '../../kernel/index.ts';
import { StoreUnavailable } from '../../platform/index.ts';

/** Seconds; about what a Redis failover takes. */
const RETRY_AFTER = 5;

/** The answer of a store call; StoreUnavailable becomes GW_STORE_UNAVAILABLE with `detail` as its public text. */
export async function askStore<T>(call: Promise<T>, detail: string): Promise<T> {
  try {
    return await call;
  } catch (error) {
    if (!(error instanceof StoreUnavailable)) throw error;
    throw new GatewayError('GW_STORE_UNAVAILABLE', detail, {
      retryAfter: RETRY_AFTER,
      internal: error.message,
      cause: error,
    });
  }
}
