import type { Check } from './checks.ts';
import type { Files } from './files.ts';
import { fileMend, unreadable } from './files.ts';
import { configShape, leavesOf, pathText, type Segment, type Shape } from './shape.ts';

const DAY_MS = 86_400_000;

/** Node's timers hold 31 bits of milliseconds; a longer one would end at once. */
const LONGEST_TIMER_MS = 24 * DAY_MS;
const LONGEST_LIFE_MS = 3650 * DAY_MS;
const SHORTEST_WINDOW_MS = 1000;

/** Durations that may be zero: then the thing does not happen. */
const MAY_BE_ZERO: ReadonlySet<string> = new Set([
  'server.drain.wait',
  'server.drain.timeout',
  'broker.activeFor',
  'broker.coolDown',
  'credentials[].cache',
  'signIn.providers[].clockSkew',
  'signIn.bearers[].clockSkew',
  'signIn.bearers[].cache',
  'jobs.implicitKeyLife',
  'jobs.settle.readAge',
]);

/** Durations that are compared with the time of day and never handed to a timer. */
const isLife = (path: string): boolean =>
  path.startsWith('accessTokens.') ||
  path.startsWith('signIn.session.') ||
  (path.startsWith('jobs.') && !path.startsWith('jobs.watch.')) ||
  path === 'signIn.device.tokenLife' ||
  path === 'queues[].jwtLife' ||
  (path.startsWith('limits.') && path.endsWith('.window'));

const pattern = (at: readonly Segment[]): string => pathText(at).replace(/\[\d+\]/g, '[]');

const durationFault = (path: string, value: number): readonly [reason: string, mend: string] | null => {
  const longest = isLife(path) ? LONGEST_LIFE_MS : LONGEST_TIMER_MS;
  if (value <= 0 && !MAY_BE_ZERO.has(path)) return ['must be longer than 0', 'Write for example 500ms or 10s.'];
  if (value > longest) return [`is longer than ${longest / DAY_MS}d`, 'Write a shorter time.'];
  if (path.endsWith('.window') && value < SHORTEST_WINDOW_MS) return ['is shorter than 1s', 'Write at least 1s.'];
  return null;
};

const isUnit = (shape: Shape, value: unknown): value is number => shape.unit !== null && typeof value === 'number';

function* filesOf(draft: unknown, files: Files): Generator<readonly [path: string, code: string, file: string]> {
  for (const { shape, value, at } of leavesOf(configShape, draft)) {
    const code = shape.path && typeof value === 'string' ? unreadable(files, value) : null;
    if (code !== null) yield [pathText(at), code, String(value)];
  }
}

/** Rules of single values that their own form cannot tell. */
export const VALUE_CHECKS: readonly Check[] = [
  {
    name: 'durations are possible',
    *run(draft) {
      for (const { shape, value, at } of leavesOf(configShape, draft)) {
        const fault = shape.unit === 'duration' && isUnit(shape, value) ? durationFault(pattern(at), value) : null;
        if (fault !== null) yield { path: pathText(at), reason: fault[0], mend: fault[1] };
      }
    },
  },
  {
    name: 'sizes are possible',
    *run(draft) {
      for (const { shape, value, at } of leavesOf(configShape, draft)) {
        if (shape.unit !== 'size' || !isUnit(shape, value) || value > 0) continue;
        yield { path: pathText(at), reason: 'must be larger than 0', mend: 'Write for example 64KiB.' };
      }
    },
  },
  {
    name: 'files can be read',
    *run(draft, { files }) {
      for (const [path, code, file] of filesOf(draft, files)) {
        yield { path, reason: `${file} cannot be read: ${code}`, mend: fileMend(code) };
      }
    },
  },
];
