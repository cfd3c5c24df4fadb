import { type FaultRule, type Faults, NO_FAULTS } from './faults.ts';

/** What a rule looks at. */
export interface Target {
  readonly method: string;
  readonly target: string;
  readonly account: string | null;
}

/** Holds the faults of a server and chooses for each call. */
export interface FaultPicker {
  readonly faults: Faults;
  set(faults: Faults): void;
  /** The delays that hit, summed, and the first other rule that hits, each counted. */
  pick(target: Target): Picked;
}

export interface Picked {
  readonly delayMs: number;
  readonly rule: FaultRule | null;
}

const NOTHING: Picked = { delayMs: 0, rule: null };

interface Armed {
  readonly rule: FaultRule;
  readonly path: RegExp | null;
  seen: number;
  hits: number;
}

function matches({ rule, path }: Armed, { method, target, account }: Target): boolean {
  if (rule.method !== undefined && rule.method !== method) return false;
  if (rule.account !== undefined && rule.account !== account) return false;
  return path === null || path.test(target);
}

function hits(armed: Armed, random: () => number): boolean {
  const { times, skip = 0, probability = 1 } = armed.rule;
  if (times !== undefined && armed.hits >= times) return false;
  armed.seen += 1;
  if (armed.seen <= skip || (probability < 1 && random() >= probability)) return false;
  armed.hits += 1;
  return true;
}

/** Makes a picker without faults; `random` gives 0 to below 1. */
export function createFaultPicker(random: () => number): FaultPicker {
  let faults = NO_FAULTS;
  let armed: Armed[] = [];
  const arm = (rule: FaultRule): Armed => ({
    rule,
    path: rule.path === undefined ? null : new RegExp(rule.path),
    seen: 0,
    hits: 0,
  });
  return {
    get faults() {
      return faults;
    },
    set(next) {
      // A rule that stays keeps its counts, so that adding another one does not start it anew.
      const old = new Map(armed.map((one) => [one.rule, one]));
      faults = next;
      armed = next.rules.map((rule) => old.get(rule) ?? arm(rule));
    },
    pick(target) {
      if (armed.length === 0) return NOTHING;
      let delayMs = 0;
      for (const one of armed) {
        if (!matches(one, target) || !hits(one, random)) continue;
        if (one.rule.kind !== 'delay') return { delayMs, rule: one.rule };
        delayMs += one.rule.ms ?? 1000;
      }
      return { delayMs, rule: null };
    },
  };
}
