import { GatewayError } from '../kernel/index.ts';

/** Least seconds that a caller is asked to wait, and how many more by chance, so that not all come back at once. */
const LEAST_WAIT = 3;
const SPREAD = 4;
/** How much longer than the rest of the outage a caller may be asked to wait, as a share of it. */
const LATER = 0.15;

/** Why there is no server: none answers, or one that does may not get any more passwords before it tells its name. */
export const AWAY = 'No server of this queue can be reached: it is away or fails over. Nothing was executed.';
export const UNNAMED =
  'A server of this queue answers, but has not told its queue name and does not know several accounts: it is left alone for ' +
  'a while. Nothing was executed.';

/** The answer to whoever calls while no server of the queue can be used. Nothing was sent (RFC 9209, 2.3.3). */
export class Outage extends GatewayError {
  constructor(detail: string, retryAfter: number, internal?: string) {
    super('GW_UPSTREAM_DOWN', detail, {
      retryAfter,
      headers: { 'Proxy-Status': 'vovgw; error=destination_unavailable' },
      ...(internal === undefined ? {} : { internal }),
    });
    this.name = 'Outage';
  }
}

/** An outage: since when by `Clock.elapsed`, and how long one is expected to last; milliseconds. */
export interface OutageSpan {
  readonly since: number;
  readonly expected: number;
}

/** Whole seconds of Retry-After: what is left of the outage at `now`, spread by `random` (0 to 1); a few when it is overdue. */
export function secondsLeft({ since, expected }: OutageSpan, now: number, random: number): number {
  const left = Math.min(expected, since + expected - now) / 1000;
  return Math.ceil(Math.max(left, LEAST_WAIT) + random * Math.max(SPREAD, left * LATER));
}
