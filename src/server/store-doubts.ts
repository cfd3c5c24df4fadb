import { type Clock, messageOf } from '../kernel/index.ts';
import type { Report } from '../observe/index.ts';
import { type KeyValue, StoreUnavailable } from '../platform/index.ts';

/** Settings may be changed while Redis runs, and a failover leads to another one. */
const EVERY_MS = 600_000;

const NOT_ASKED = 'it may not be asked; the ACL user needs +config|get';

/** Why the shared store may lose what it acknowledged, as last seen. */
export interface StoreDoubts extends Disposable {
  list(): readonly string[];
  /** Asks now. Never throws. */
  look(): Promise<void>;
}

/** Asks the store at once and now and then, and tells the log when there is something new to know. */
export function createStoreDoubts(kv: KeyValue, report: Pick<Report, 'log'>, clock: Clock): StoreDoubts {
  let doubts: readonly string[] = [];
  let refused = false;
  const tell = (found: readonly string[]): void => {
    if (found.join() === doubts.join()) return;
    doubts = found;
    const fields = { event: 'store_may_lose', reason: found.join('; ') };
    const text =
      'Redis may lose what it acknowledged: a submission could then be made twice, a revoked token come back';
    if (found.length > 0) report.log.warn(fields, text);
    else report.log.info({ event: 'store_safe' }, 'Redis now keeps what it acknowledges');
  };
  const look = async (): Promise<void> => {
    try {
      tell((await kv.doubts?.()) ?? []);
      refused = false;
    } catch (error) {
      if (error instanceof StoreUnavailable || refused) return;
      refused = true;
      const fields = { event: 'store_not_asked', reason: messageOf(error) };
      report.log.warn(fields, `whether Redis keeps what it acknowledges is not known: ${NOT_ASKED}`);
    }
  };
  const again = clock.every(EVERY_MS, () => void look());
  return {
    list: () => (refused ? [...doubts, NOT_ASKED] : doubts),
    look,
    [Symbol.dispose]: () => again[Symbol.dispose](),
  };
}
