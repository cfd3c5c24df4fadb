import type { Secret } from '../../kernel/index.ts';
import type { KeyValue } from '../../platform/index.ts';
import type { UsedOnce } from '../sign-in.ts';
import { askStore } from './ask-store.ts';
import { createKeyedHash } from './keyed-hash.ts';

/** Creates the memory of what was used; see {@link UsedOnce}. The store sees keyed hashes only. */
export function createUsedOnce({ kv, hashKey }: { readonly kv: KeyValue; readonly hashKey: Secret }): UsedOnce {
  const hash = createKeyedHash(hashKey);
  return {
    first(kind, id, lifeMs) {
      const key = `once:{${hash('once', JSON.stringify([kind, id]))}}`;
      const life = Math.max(1, Math.ceil(lifeMs));
      const set = kv.set(key, '1', life, { onlyIfAbsent: true });
      return askStore(set, 'It cannot be checked right now whether this sign-in was used before.');
    },
  };
}
