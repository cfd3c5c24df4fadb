import type { Secret } from '../../kernel/index.ts';
import type { KeyValue } from '../../platform/index.ts';
import type { UsedOnce } from '../sign-in.ts';
import { askStore } from './ask-store.ts';
import { createKeyedHash } from './keyed-hash.ts';

const AWAY = 'It cannot be checked right now whether this sign-in or logout was used before.';

/** Creates the memory of what was used; see {@link UsedOnce}. The store sees keyed hashes only. */
export function createUsedOnce({ kv, hashKey }: { readonly kv: KeyValue; readonly hashKey: Secret }): UsedOnce {
  const hash = createKeyedHash(hashKey);
  const keyOf = (kind: string, id: string): string => `once:{${hash('once', JSON.stringify([kind, id]))}}`;
  const lifeOf = (ms: number): number => Math.max(1, Math.ceil(ms));
  const usedOnce: UsedOnce = {
    first: (kind, id, lifeMs) => askStore(kv.set(keyOf(kind, id), '1', lifeOf(lifeMs), { onlyIfAbsent: true }), AWAY),
    async complete(kind, id, lifeMs, work) {
      if ((await usedOnce.noted(kind, id)) !== null) return false;
      await work();
      // Last, so that nothing has to be undone when the store, or this process, goes away in between.
      await usedOnce.note(kind, id, '1', lifeMs);
      return true;
    },
    async note(kind, id, text, lifeMs) {
      await askStore(kv.set(keyOf(kind, id), text, lifeOf(lifeMs)), AWAY);
    },
    noted: (kind, id) => askStore(kv.get(keyOf(kind, id)), AWAY),
  };
  return usedOnce;
}
