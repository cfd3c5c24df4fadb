import { GatewayError } from '../../kernel/index.ts';
import type { Lane } from '../ports.ts';

const TEXT = {
  full: 'So many calls wait for this queue already that no more are taken.',
  late: 'No turn came free in time.',
  gone: 'The caller went away before its turn came.',
  closing: 'This replica is shutting down.',
} as const;

/**
 * The answer to an ask without a turn: 503 with a Retry-After of 1 to 5 s, longer the fuller the line is and never the
 * same for all, so that those who were refused together do not come back together. `fullness` is 0 to 1.
 */
export function saturated(why: keyof typeof TEXT, lane: Lane, fullness: number, random: () => number): GatewayError {
  const retryAfter = 1 + Math.floor(random() * (2 + 3 * Math.min(1, fullness)) * 0.999);
  return new GatewayError('GW_SATURATED', TEXT[why], { retryAfter, internal: `lane ${lane}: ${why}` });
}
