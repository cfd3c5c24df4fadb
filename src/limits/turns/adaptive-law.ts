/** Above this multiple of the uncontended time, the slower calls of a window wait in vovserver rather than here. */
const TOLERANCE = 1.5;
/** Up to this multiple there is room for one more; in between the limit stays, since more would only wait there. */
const ROOM = 1.25;
/** Seconds below which calls are never slow: our own event loop is in the time, and so short a line hinders nobody. */
const NEVER_SLOW = 0.005;
/** What a decrease leaves. */
const DECREASE = 0.75;
/** More bad answers than this share are congestion by themselves. */
const BAD_SHARE = 0.1;
/** A limit counts as used when the peak came to this share of it. */
const USED_SHARE = 0.9;
/** Calls that take at least this share of what they took before did not become faster. */
const UNCHANGED = 0.95;
/** How far the uncontended time follows one window. */
const BASE_FOLLOWS = 0.1;

/** What one window of a pool showed; times in seconds, of calls that began under the present limit. */
export interface WindowSummary {
  readonly count: number;
  readonly bad: number;
  readonly slow: number;
  readonly typical: number;
  /** Most calls that were out at once. */
  readonly peak: number;
}

/** What is known of a pool. */
export interface LawState {
  readonly limit: number;
  /** The 90th percentile of the time that calls take while they do not hinder each other; 0: not known yet. */
  readonly base: number;
  /** A decrease that still has to show that it was right. */
  readonly trial: Trial | null;
  /** The window before was slow already: one alone may have been the onset of a rush, no measure of anything. */
  readonly warned: boolean;
  /** False until calls have hindered each other since vovserver became faster: nothing tells how much it can do. */
  readonly met: boolean;
}

interface Trial {
  /** The limit before, and how many were really out under it. */
  readonly limit: number;
  readonly out: number;
  readonly typical: number;
}

/** What a pool begins with. */
export function firstState(start: number): LawState {
  return { limit: start, base: 0, trial: null, warned: false, met: false };
}

const clamp = (limit: number, most: number): number => Math.max(1, Math.min(most, limit));

function decreased(out: number): number {
  return Math.max(1, Math.floor(out * DECREASE));
}

/** By half, as long as nothing tells how much the server can do (slow start). */
const firstSteps = (limit: number): number => Math.max(1, Math.floor(limit / 2));

/** With less under way a crowded server answers faster in proportion; one that became slow answers as slowly as before. */
function wasCrowded(trial: Trial, limit: number, typical: number): boolean {
  return typical <= (trial.typical * (1 + limit / trial.out)) / 2;
}

/**
 * How many calls the server works on at once, by Little's law: before the decrease it answered `out / trial.typical` calls
 * a second, and each takes `typical` now that the crowd is gone. A decrease that changed nothing is undone as a whole.
 */
function workedOn(trial: Trial, typical: number): number {
  return typical >= UNCHANGED * trial.typical ? trial.limit : Math.floor((trial.out * typical) / trial.typical);
}

/** How the uncontended time is known after a window; 0 when it is not, or not any more because vovserver became faster. */
function learnBase(base: number, limit: number, { slow, peak }: WindowSummary): number {
  if (limit === 1) return slow;
  const crowd = peak > limit / 2;
  if (base === 0) return crowd ? 0 : slow;
  if (slow * TOLERANCE < base) return crowd ? 0 : slow;
  return slow < base || !crowd ? base + BASE_FOLLOWS * (slow - base) : base;
}

/**
 * The limit after a window: one more (at first: half as many more) while it is used and the 90th percentile stays near its
 * uncontended value, less by a quarter when it is far from it (AIMD, Chiu and Jain 1989). There is no probing by the clock: every decrease is its own
 * probe. When it did not make calls faster, vovserver had become slower rather than crowded, and then it is undone and
 * the new time is what counts as uncontended. A limit that nobody needs as a whole is not why calls are slow: it only falls
 * back towards `start`, never below what is out. Calls of a few milliseconds are never slow. Gives the same limit or another; it lies in 1..most.
 */
export function nextState(state: LawState, window: WindowSummary, most: number, start: number): LawState {
  const limit = clamp(state.limit, most);
  const out = Math.max(1, Math.min(limit, window.peak));
  const used = window.peak >= USED_SHARE * limit;
  if (window.bad > 0 && window.bad > BAD_SHARE * (window.count + window.bad)) {
    return { ...state, limit: decreased(used ? out : limit), trial: null, warned: false, met: true };
  }
  const trial = used ? state.trial : null;
  const innocent = trial !== null && !wasCrowded(trial, limit, window.typical);
  const base = innocent ? window.slow : learnBase(state.base, limit, window);
  const hasRoom = window.slow <= Math.max(ROOM * base, NEVER_SLOW);
  const faster = state.base > 0 && window.slow * TOLERANCE < state.base;
  const met = !faster && (state.met || (used && state.base > 0 && !innocent && !hasRoom));
  const next = { limit, base, trial: null, warned: false, met };
  if (window.slow <= Math.max(TOLERANCE * base, NEVER_SLOW)) {
    if (trial !== null) return { ...next, limit: clamp(Math.max(limit, workedOn(trial, window.typical)), most) };
    return used && hasRoom ? { ...next, limit: clamp(limit + (met || state.met ? 1 : firstSteps(limit)), most) } : next;
  }
  if (!used) return { ...next, limit: Math.max(Math.min(limit, start), out, Math.floor(limit * DECREASE)) };
  const sure = state.warned || trial !== null;
  if (!sure || decreased(out) >= out) return { ...next, warned: true };
  return { ...next, limit: decreased(out), trial: { limit, out, typical: window.typical }, warned: true };
}
