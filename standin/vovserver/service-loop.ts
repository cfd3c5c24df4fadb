import type { Clock } from '../../src/kernel/index.ts';
import type { Faults } from './faults.ts';
import type { Reply } from './reply.ts';

/** Makes an answer cost time, as vovserver's one inner loop and its few forked readers do. */
export interface ServiceLoop {
  /** Resolves when the work for this answer would be done; null when it costs nothing. */
  serve(reply: Reply, faults: Faults): Promise<void> | null;
}

/** At most `places()` holders at once; the others wait in order. */
function createGate() {
  let held = 0;
  const waiting: (() => void)[] = [];
  return {
    async enter(places: number): Promise<void> {
      if (held < places) held += 1;
      else await new Promise<void>((resolve) => waiting.push(resolve));
    },
    leave(): void {
      const next = waiting.shift();
      if (next === undefined) held -= 1;
      else next();
    },
  };
}

/** Makes a loop: one light request at a time, and beside it `heavyReads` heavy ones. */
export function createServiceLoop(waits: Clock): ServiceLoop {
  const main = createGate();
  const forks = createGate();
  const hold = async (gate: typeof main, places: number, ms: number): Promise<void> => {
    await gate.enter(places);
    try {
      await waits.sleep(ms);
    } finally {
      gate.leave();
    }
  };
  return {
    serve(reply, { serviceMs, rowMs, heavyReads }) {
      const ms = serviceMs + (reply.rows ?? 0) * rowMs;
      if (ms === 0) return null;
      const heavy = reply.rows !== undefined && reply.rows > 1 && heavyReads > 0;
      return heavy ? hold(forks, heavyReads, ms) : hold(main, 1, ms);
    },
  };
}
