import { randomBytes } from 'node:crypto';
import type { Config } from '../../config/index.ts';
import { type Clock, GatewayError, type Identity, Secret, type TokenScope } from '../../kernel/index.ts';
import type { Report } from '../../observe/index.ts';
import type { KeyValue, Sealer } from '../../platform/index.ts';
import type { AccessTokenInfo, AccessTokens } from '../ports.ts';
import type { DeviceApprovals, DeviceRequest } from '../sign-in.ts';
import type { RandomBytes } from '../token-format.ts';
import { createTokenHash } from '../token-record.ts';
import { cleanHost, mintDeviceCode, mintUserCode, readUserCode } from './device-code.ts';
import { type Approver, type DeviceRecord, decided, decidePoll, type PollStep } from './device-record.ts';
import { createDeviceStore, type DeviceStore, type HeldDevice } from './device-store.ts';
import { createPendingCount } from './pending-count.ts';

/** What the device grant needs. */
export interface DeviceParts {
  readonly kv: KeyValue;
  readonly sealer: Sealer;
  readonly tokens: Pick<AccessTokens, 'create'>;
  /** Read at each use, but for the key of the hash. */
  readonly config: () => Pick<Config, 'accessTokens' | 'secrets' | 'signIn'>;
  readonly clock: Clock;
  readonly random?: RandomBytes;
  readonly report: Pick<Report, 'credential' | 'signIn'>;
}

/** What a program asks for. */
export interface DeviceAsk {
  readonly scopes: readonly TokenScope[];
  /** Host name as the program tells it. */
  readonly host: string;
  readonly address: string;
}

/** A device authorization that was begun. */
export interface DeviceStart {
  readonly deviceCode: Secret;
  readonly userCode: string;
  /** Whole seconds. */
  readonly expiresIn: number;
  readonly interval: number;
}

/** The answer to a poll: the token, once; or the error code of RFC 8628 or RFC 6749. */
export type PollAnswer =
  | { readonly kind: 'granted'; readonly token: Secret; readonly info: AccessTokenInfo }
  | { readonly kind: Exclude<PollStep['answer'], 'granted'> };

/** The device grant (RFC 8628): the side of the program, and that of the person who approves. */
export interface Devices extends DeviceApprovals {
  /** Throws GW_RATE_LIMITED when too many wait for a decision already, GW_STORE_UNAVAILABLE. */
  start(ask: DeviceAsk): Promise<DeviceStart>;
  /** Throws GW_STORE_UNAVAILABLE, and what the making of a token throws. */
  poll(deviceCode: string, requestId: string): Promise<PollAnswer>;
}

/** Wrong codes of one person within the window, milliseconds. */
const WINDOW = 600_000;
const WRONG_CODES = 20;
/** Wrong codes of all whom the caller of `find` does not name. */
const WRONG_CODES_UNNAMED = 200;
/** Turns that a poll takes against others of the same code before it is told to slow down. */
const TURNS = 5;
/** The same for a decision: a program that polls without pause must not keep its owner from it. */
const DECISION_TURNS = 50;

/** Creates the device grant over a store that all replicas share. */
export function createDevices(parts: DeviceParts): Devices {
  const { clock, random = randomBytes, config, report } = parts;
  const now = (): number => clock.now();
  const hash = createTokenHash(config().secrets.tokenKey);
  const store = createDeviceStore({ ...parts, hash, now });
  const waiting = createPendingCount(parts.kv, hash, now);
  const pending = createPending(store, now);
  const takeToken = createTakeToken(parts, store);
  return {
    async start({ scopes, host, address }) {
      const { life, interval } = config().signIn.device;
      const askedAt = now();
      const begun = { scopes, host: cleanHost(host), address, askedAt, expiresAt: askedAt + life, interval };
      await waiting.add(begun);
      for (;;) {
        const deviceCode = mintDeviceCode(random);
        const userCode = mintUserCode(random);
        const record: DeviceRecord = { ...begun, userCode, polledAt: null, state: 'pending', approver: null };
        if (!(await store.add(deviceCode, record))) continue;
        const seconds = (ms: number): number => Math.max(1, Math.ceil(ms / 1000));
        const secret = new Secret(deviceCode);
        return { deviceCode: secret, userCode, expiresIn: Math.floor(life / 1000), interval: seconds(interval) };
      }
    },
    async poll(deviceCode, requestId) {
      for (let turn = 0; turn < TURNS; turn++) {
        const held = await store.byDeviceCode(deviceCode);
        const { answer, next } = decidePoll(held?.record ?? null, now());
        const taken = held === null || next === null ? held : await store.replace(held, next);
        if (answer !== 'granted') {
          if (taken !== null || held === null) return { kind: answer };
        } else if (held !== null && taken !== null) return takeToken(held, taken, requestId);
      }
      return { kind: 'slow_down' };
    },
    async find(userCode, by) {
      const held = await pending(userCode, by ?? null);
      return held === null ? null : requestOf(held.record);
    },
    async decide(userCode, decision, identity) {
      const approver = decision === 'approve' ? approverOf(identity) : null;
      let held = await pending(userCode, identity);
      // A poll at the same moment changes the record as well.
      for (let turn = 0; turn < DECISION_TURNS; turn++) {
        const next = held && decided(held.record, approver, now());
        if (held === null || next === null) return false;
        if ((await store.replace(held, next)) === null) {
          held = await store.byUserCode(next.userCode);
          continue;
        }
        await store.forgetUserCode(next.userCode);
        await waiting.remove(next);
        const what = approver === null ? 'device_denied' : 'device_approved';
        const { subject, user } = identity;
        report.credential({ what, subject, user, id: held.id.slice(0, 12), address: next.address });
        return true;
      }
      return false;
    },
  };
}

const approverOf = ({ subject, user, provider }: Identity): Approver => ({ subject, user, provider });

function requestOf({ userCode, scopes, host, address, askedAt, expiresAt }: DeviceRecord): DeviceRequest {
  return { userCode, scopes, host, address, askedAt, expiresAt };
}

/** Finds a pending authorization by its user code; who asks pays for each wrong code. */
function createPending(store: DeviceStore, now: () => number) {
  return async (typed: string, by: Pick<Identity, 'subject'> | null): Promise<HeldDevice | null> => {
    const charge = (units: number): Promise<number> => store.count('guess', by?.subject ?? '', units, WINDOW);
    // Charged first, so that many guesses at once are counted too.
    if ((await charge(1)) > (by === null ? WRONG_CODES_UNNAMED : WRONG_CODES)) {
      throw new GatewayError('GW_LOGIN_LIMITED', 'Too many wrong codes; wait some minutes.', {
        retryAfter: WINDOW / 1000,
      });
    }
    const userCode = readUserCode(typed);
    const held = userCode === null ? null : await store.byUserCode(userCode);
    if (held === null || held.record.state !== 'pending' || held.record.expiresAt <= now()) return null;
    await charge(-1);
    return held;
  };
}

/** Makes the token of an approved authorization that this call has marked as used: at most one call ever does. */
function createTakeToken({ tokens, config, report }: DeviceParts, store: DeviceStore) {
  const make = ({ scopes, host, address }: DeviceRecord, { subject, user }: Approver) => {
    const { signIn, accessTokens } = config();
    const lifeMs = Math.min(signIn.device.tokenLife, accessTokens.maxLife);
    return tokens.create({ user, subject, scopes, lifeMs, label: `vovgw login on ${host || address}`.slice(0, 64) });
  };
  return async (held: HeldDevice, taken: HeldDevice, requestId: string): Promise<PollAnswer> => {
    const { approver, address } = held.record;
    if (approver === null) throw new GatewayError('GW_INTERNAL', 'The login is approved by nobody.');
    try {
      const { token, info } = await make(held.record, approver);
      const { subject, user, provider } = approver;
      report.signIn({
        provider: provider ?? 'local',
        method: 'device',
        result: 'ok',
        subject,
        user,
        address,
        requestId,
      });
      return { kind: 'granted', token, info };
    } catch (error) {
      // Nobody got a token: the next poll may try again.
      await store.replace(taken, held.record).catch(() => null);
      throw error;
    }
  };
}
