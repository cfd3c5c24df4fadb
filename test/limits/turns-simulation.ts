import { firstState, type LawState, nextState } from '../../src/limits/turns/adaptive-law.ts';
import { Latencies } from '../../src/limits/turns/latencies.ts';

/** A server that works on `helpers` calls at once, first come first served, and what is asked of it. */
export interface Scene {
  readonly helpers: number;
  /** Seconds of one call at a time of the scene (seconds), without chance. */
  readonly service: (now: number) => number;
  /** Each call beyond the helpers makes all slower by this share. */
  readonly thrash: number;
  /** Calls that want to be out at once. */
  readonly callers: (now: number) => number;
  readonly until: number;
  readonly seed: number;
  /** Spread of the service times: 0 all equal, 1 exponential. */
  readonly spread: number;
}

function randomFrom(seed: number): () => number {
  let a = seed >>> 0;
  return () => {
    a = (a + 0x6d2b79f5) >>> 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

interface Call {
  readonly began: number;
  readonly era: number;
  endsAt: number;
}

/** Runs a scene; `limitAfter` gives the limit for the next second, from what the last window showed. */
function run(scene: Scene, start: LawState, step: (state: LawState, window: WindowOf) => LawState | null) {
  const random = randomFrom(scene.seed);
  const working: Call[] = [];
  const waiting: Call[] = [];
  const seen = new Latencies();
  const limits: number[] = [];
  let state = start;
  let [now, answered, era, peak, tick] = [0, 0, 0, 0, 1];
  const admit = (): void => {
    while (working.length + waiting.length < Math.min(state.limit, scene.callers(now))) {
      waiting.push({ began: now, era, endsAt: 0 });
    }
    const out = working.length + waiting.length;
    peak = Math.max(peak, out);
    while (waiting.length > 0 && working.length < scene.helpers) {
      const call = waiting.shift();
      if (call === undefined) break;
      const chance = 1 - scene.spread + scene.spread * -Math.log(1 - random());
      call.endsAt = now + scene.service(now) * (1 + scene.thrash * Math.max(0, out - scene.helpers)) * chance;
      working.push(call);
    }
  };
  const endWindow = (): void => {
    limits.push(state.limit);
    const next = step(state, { seen, peak });
    tick += 1;
    if (next === null) return;
    if (next.limit < state.limit || next.limit > state.limit + 1) era += 1;
    state = next;
    seen.clear();
    peak = working.length + waiting.length;
  };
  while (now < scene.until) {
    admit();
    const first = working.reduce<Call | null>((a, b) => (a === null || b.endsAt < a.endsAt ? b : a), null);
    now = Math.min(tick, first?.endsAt ?? tick);
    if (first !== null && first.endsAt <= now) {
      working.splice(working.indexOf(first), 1);
      answered += 1;
      if (first.era === era) seen.add(now - first.began);
    }
    if (now >= tick) endWindow();
  }
  return { answered, limits };
}

interface WindowOf {
  readonly seen: Latencies;
  readonly peak: number;
}

/** Answers in the scene under one limit all the time. */
export function runFixed(scene: Scene, limit: number): number {
  return run(scene, firstState(limit), () => null).answered;
}

/** Answers in the scene under the law, and its limit second by second. */
export function runAdaptive(
  scene: Scene,
  start: number,
  most: number,
  enough = (limit: number) => Math.max(30, 4 * limit),
) {
  return run(scene, firstState(start), (state, { seen, peak }) => {
    if (seen.count < enough(state.limit)) return null;
    const window = { count: seen.count, bad: 0, slow: seen.quantile(0.9), typical: seen.typical(), peak };
    return nextState(state, window, most, start);
  });
}

/** The most answers that any fixed limit gives. */
export function bestFixed(scene: Scene, most: number): { limit: number; answered: number } {
  return Array.from({ length: most }, (_, i) => ({ limit: i + 1, answered: runFixed(scene, i + 1) })).reduce((a, b) =>
    b.answered > a.answered ? b : a,
  );
}
