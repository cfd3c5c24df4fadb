import { GatewayError } from '../../kernel/index.ts';
import { StoreUnavailable } from '../../platform/index.ts';

/** Seconds; about what a Redis failover takes. */
const RETRY_AFTER = 5;

/** GW_STORE_UNAVAILABLE with `detail` as its public text. */
export function storeAway(detail: string, cause?: StoreUnavailable): GatewayError {
  const internal = cause === undefined ? 'the shared store is known to be away' : cause.message;
  return new GatewayError('GW_STORE_UNAVAILABLE', detail, {
    retryAfter: RETRY_AFTER,
    internal,
    ...(cause === undefined ? {} : { cause }),
  });
}

/** The answer of a store call; StoreUnavailable becomes GW_STORE_UNAVAILABLE with `detail` as its public text. */
export async function askStore<T>(call: Promise<T>, detail: string): Promise<T> {
  try {
    return await call;
  } catch (error) {
    if (!(error instanceof StoreUnavailable)) throw error;
    throw storeAway(detail, error);
  }
}
