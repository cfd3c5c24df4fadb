import { createLocalJWKSet, errors, type JWTVerifyGetKey } from 'jose';
import type { Clock } from '../../kernel/index.ts';
import { isObject, type ProviderCalls } from './provider-calls.ts';
import { createRemoteValue } from './remote-value.ts';
import { ProviderUnreachable } from './unreachable.ts';

const MAX_KEYS = 100;

/**
 * Keys of an issuer, read at first use and again behind the first use after 10 minutes; kept for 4 hours. A
 * token of an unknown key has them read anew, at most once in 30 s, so that a rotated key is met at once and a flood of
 * made-up key ids costs the issuer nothing. The key finder throws jose's errors and {@link ProviderUnreachable}.
 */
export function createKeySet(options: {
  /** Where the keys are; may have to be looked up. */
  readonly url: () => Promise<string>;
  readonly calls: ProviderCalls;
  readonly clock: Clock;
}): JWTVerifyGetKey {
  const { url, calls, clock } = options;
  const keys = createRemoteValue<JWTVerifyGetKey>({
    load: async () => localSet(await calls.json(await url())),
    clock,
    freshMs: 600_000,
    keepMs: 4 * 3_600_000,
    coolDownMs: 30_000,
  });
  return async (header, token) => {
    const before = keys.generation;
    const set = await keys.get();
    const used = keys.generation;
    try {
      return await set(header, token);
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey)) throw error;
      // Just read, so that there can be no newer one; or one came while this one was looked at.
      const isNew = before !== used;
      if (isNew || !(used !== keys.generation || (await keys.renew()))) throw error;
      return (await keys.get())(header, token);
    }
  };
}

/** Public keys only: a symmetric key in a published set would be known to everybody. */
function localSet(document: Readonly<Record<string, unknown>>): JWTVerifyGetKey {
  const listed = document.keys;
  if (!Array.isArray(listed)) throw new ProviderUnreachable('the key set has no list of keys');
  const usable = listed.filter((key) => isObject(key) && typeof key.kty === 'string' && key.kty !== 'oct');
  return createLocalJWKSet({ keys: usable.slice(0, MAX_KEYS) });
}
