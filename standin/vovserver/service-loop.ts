import type { Clock } from '../../src/kernel/index.ts';
import type { Faults } from './faults.ts';
import type { Reply } from './reply.ts';
import type { Work } from './under-way.ts';

/** Makes an answer cost time, as vovserver's one inner loop and its few forked readers do. */
export interface ServiceLoop {
  /** Resolves when the work for this answer would be done; null when it costs nothing. */
  serve(reply: Reply, faults: Faults, work?: Work): Promise<void> | null;
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
    /** Who holds and who waits. */
    size: (): number => held + waiting.length,
  };
}

/** A loop that has other phases too: each http phase serves those who were there when it began. */
function createPhases(waits: Clock, chance: (faults: Faults) => number) {
  let pending: { readonly ms: number; readonly faults: Faults; readonly done: () => void }[] = [];
  let turning = false;
  const turn = async (first: number): Promise<void> => {
    turning = true;
    for (let rest = first; pending.length > 0; ) {
      let due = waits.now() + rest;
      await waits.sleep(rest);
      const phase = pending;
      pending = [];
      for (const { ms, done } of phase) {
        due += ms;
        // Timers are late by up to a millisecond; the sum is not.
        if (due - waits.now() >= 1) await waits.sleep(due - waits.now());
        done();
      }
      const { faults } = phase.at(-1) ?? {};
      rest = faults === undefined ? 0 : faults.loopMs * chance(faults);
    }
    turning = false;
  };
  return (ms: number, faults: Faults, random: () => number): Promise<void> =>
    new Promise((resolve) => {
      pending.push({ ms, faults, done: resolve });
      // Nobody knows how far an idle loop was.
      if (!turning) void turn(faults.loopMs * chance(faults) * (faults.spread > 0 ? 1 : random()));
    });
}

/**
 * Makes a loop: one light request at a time, or with `loopMs` those of one http phase, and beside it `heavyReads` heavy
 * ones, which hinder each other with `contention`.
 */
export function createServiceLoop(waits: Clock, random: () => number = Math.random): ServiceLoop {
  const main = createGate();
  const forks = createGate();
  const chance = ({ spread }: Faults): number => 1 - spread + spread * -Math.log(1 - random());
  const phases = createPhases(waits, chance);
  const hold = async (gate: typeof main, places: number, time: () => number): Promise<void> => {
    await gate.enter(places);
    try {
      await waits.sleep(time());
    } finally {
      gate.leave();
    }
  };
  return {
    serve(reply, faults, work = 'read') {
      const { serviceMs, submitMs, rowMs, heavyReads, contention, loopMs } = faults;
      const ms = serviceMs + (work === 'submit' ? submitMs : 0) + (reply.rows ?? 0) * rowMs;
      if (ms === 0) return null;
      const heavy = reply.rows !== undefined && reply.rows > 1 && heavyReads > 0;
      if (!heavy && loopMs > 0) return phases(ms * chance(faults), faults, random);
      if (!heavy) return hold(main, 1, () => ms * chance(faults));
      const crowd = (): number => 1 + contention * Math.max(0, forks.size() - heavyReads);
      return hold(forks, heavyReads, () => ms * crowd() * chance(faults));
    },
  };
}
