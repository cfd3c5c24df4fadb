import { type Identity, SCOPES, type TokenScope } from '../../kernel/index.ts';

/** Who approved. The identity itself is looked up anew whenever the token is used. */
export type Approver = Pick<Identity, 'subject' | 'user' | 'provider'>;

/** A device authorization as the store keeps it, sealed. */
export interface DeviceRecord {
  readonly userCode: string;
  readonly scopes: readonly TokenScope[];
  readonly host: string;
  readonly address: string;
  /** Milliseconds since the epoch. */
  readonly askedAt: number;
  readonly expiresAt: number;
  /** Milliseconds that the program must wait between two polls. */
  readonly interval: number;
  readonly polledAt: number | null;
  /** `used`: the token was handed out. */
  readonly state: 'pending' | 'approved' | 'denied' | 'used';
  readonly approver: Approver | null;
}

/** What a poll is answered (RFC 8628, section 3.5), and what the record becomes; `next` null leaves it as it is. */
export interface PollStep {
  readonly answer:
    | 'granted'
    | 'authorization_pending'
    | 'slow_down'
    | 'access_denied'
    | 'expired_token'
    | 'invalid_grant';
  readonly next: DeviceRecord | null;
}

/** RFC 8628, section 3.5: what every `slow_down` adds to the interval, milliseconds. */
const SLOWER_BY = 5000;
/** Part of the interval after which a poll is on time: the network hurries some polls and delays others. */
const ON_TIME = 0.9;

/** Decides on a poll at `now`, milliseconds since the epoch. Pure. */
export function decidePoll(record: DeviceRecord | null, now: number): PollStep {
  if (record === null || record.state === 'used') return { answer: 'invalid_grant', next: null };
  if (record.expiresAt <= now) return { answer: 'expired_token', next: null };
  if (record.state === 'denied') return { answer: 'access_denied', next: null };
  if (record.state === 'approved') return { answer: 'granted', next: { ...record, state: 'used' } };
  const { polledAt, interval } = record;
  // A clock that went backwards accuses nobody.
  const early = polledAt !== null && now >= polledAt && now - polledAt < interval * ON_TIME;
  if (early) return { answer: 'slow_down', next: { ...record, polledAt: now, interval: interval + SLOWER_BY } };
  return { answer: 'authorization_pending', next: { ...record, polledAt: now } };
}

/** The record after a decision; null when there is nothing left to decide. */
export function decided(record: DeviceRecord, approver: Approver | null, now: number): DeviceRecord | null {
  if (record.state !== 'pending' || record.expiresAt <= now) return null;
  return { ...record, state: approver === null ? 'denied' : 'approved', approver };
}

/** The record of an opened text. Only this program seals such texts, so its shape is known once it opens. */
export function decodeDevice(text: string): DeviceRecord {
  const record = JSON.parse(text) as DeviceRecord;
  return { ...record, scopes: SCOPES.filter((scope) => record.scopes.includes(scope)) };
}
