import type { Clock } from '../kernel/index.ts';
import { type GatewayAnswer, type GatewayClient, GatewayFault } from './gateway-client.ts';
import { plain } from './verb.ts';

/** A device authorization that was begun (RFC 8628, section 3.2). */
export interface DeviceLogin {
  readonly deviceCode: string;
  readonly userCode: string;
  readonly page: string;
  /** The page with the code filled in; null when the gateway gave none. */
  readonly wholePage: string | null;
  /** Seconds between two polls. */
  readonly interval: number;
  /** Milliseconds since the epoch. */
  readonly expiresAt: number;
}

/** How the wait for the approval ended. */
export type LoginEnd =
  | { readonly kind: 'token'; readonly token: string; readonly expiresAt: number }
  | { readonly kind: 'denied' | 'expired' | 'interrupted' }
  | { readonly kind: 'failed'; readonly reason: string };

const GRANT = 'urn:ietf:params:oauth:grant-type:device_code';
const CLIENT_ID = 'vovgw';
/** RFC 8628, section 3.5: what slow_down adds, and what is waited without an interval. Seconds. */
const SLOWER_BY = 5;
/** The longest pause while the gateway does not answer, seconds. */
const LONGEST = 60;

/** What a refusal says, for people. */
export function refusalText({ status, body }: GatewayAnswer): string {
  const text = plain(body.error_description) || plain(body.detail) || plain(body.error);
  return text === '' ? `it answered ${status}; is a vov-gateway at this URL?` : `${text} (${status})`;
}

const webPage = (value: unknown): string | null =>
  typeof value === 'string' && /^https?:\/\/[\x21-\x7e]+$/.test(value) ? value : null;

/** Begins a login; throws Error with what the gateway said, or GatewayFault. */
export async function beginLogin(
  client: GatewayClient,
  ask: { readonly scope: string | null; readonly host: string },
  clock: Clock,
): Promise<DeviceLogin> {
  const form = { client_id: CLIENT_ID, host: ask.host, ...(ask.scope === null ? {} : { scope: ask.scope }) };
  const answer = await client.post('/oauth/device_authorization', form);
  const { device_code: deviceCode, user_code: userCode, verification_uri, expires_in: life, interval } = answer.body;
  const page = webPage(verification_uri);
  if (answer.status !== 200 || typeof deviceCode !== 'string' || page === null || typeof life !== 'number') {
    throw new Error(refusalText(answer));
  }
  return {
    deviceCode,
    userCode: plain(userCode),
    page,
    wholePage: webPage(answer.body.verification_uri_complete),
    interval: typeof interval === 'number' && interval > 0 ? interval : SLOWER_BY,
    expiresAt: clock.now() + life * 1000,
  };
}

/** What one poll came to: the end, or the seconds to wait before the next. */
function readPoll(answer: GatewayAnswer, interval: number, now: number): LoginEnd | number {
  const { access_token: token, expires_in: life, error } = answer.body;
  if (answer.status === 200 && typeof token === 'string' && typeof life === 'number') {
    return { kind: 'token', token, expiresAt: now + life * 1000 };
  }
  if (error === 'authorization_pending') return interval;
  if (error === 'slow_down' || answer.status === 429) return Math.max(interval + SLOWER_BY, answer.retryAfter);
  if (error === 'access_denied') return { kind: 'denied' };
  if (error === 'expired_token') return { kind: 'expired' };
  if (answer.status >= 500) return Math.max(Math.min(interval * 2, LONGEST), answer.retryAfter);
  return { kind: 'failed', reason: refusalText(answer) };
}

/**
 * Polls until somebody decided (RFC 8628, section 3.5). While the gateway does not answer, it asks ever more seldom. A poll
 * that is under way when `signal` aborts is waited for, so that no token gets lost on its way.
 */
export async function waitForToken(
  client: GatewayClient,
  login: DeviceLogin,
  clock: Clock,
  signal: AbortSignal,
): Promise<LoginEnd> {
  let { interval } = login;
  const form = { grant_type: GRANT, client_id: CLIENT_ID, device_code: login.deviceCode };
  for (;;) {
    await clock.sleep(interval * 1000, signal).catch(() => undefined);
    if (signal.aborted) return { kind: 'interrupted' };
    if (clock.now() >= login.expiresAt) return { kind: 'expired' };
    try {
      const next = readPoll(await client.post('/oauth/token', form), interval, clock.now());
      if (typeof next !== 'number') return next;
      interval = next;
    } catch (error) {
      if (!(error instanceof GatewayFault)) throw error;
      if (error.kind === 'certificate') return { kind: 'failed', reason: error.message };
      interval = Math.min(interval * 2, LONGEST);
    }
  }
}
