import type { KeyValue, Sealer } from '../../platform/index.ts';
import { atStore } from '../refusals.ts';
import type { TokenHash } from '../token-record.ts';
import { type DeviceRecord, decodeDevice } from './device-record.ts';

/** A record as it was read, to be replaced only while it is still the same. */
export interface HeldDevice {
  readonly record: DeviceRecord;
  /** Keyed hash of the device code. */
  readonly id: string;
  readonly sealed: string;
}

/** Device authorizations in the store, found by either code. Every call may throw GW_STORE_UNAVAILABLE. */
export interface DeviceStore {
  /** False when another pending authorization has the same user code. */
  add(deviceCode: string, record: DeviceRecord): Promise<boolean>;
  byDeviceCode(deviceCode: string): Promise<HeldDevice | null>;
  byUserCode(userCode: string): Promise<HeldDevice | null>;
  /** What is held now, or null when it was changed meanwhile. */
  replace(held: HeldDevice, next: DeviceRecord): Promise<HeldDevice | null>;
  forgetUserCode(userCode: string): Promise<void>;
  /** Adds to a counter of `windowMs` and gives the sum. */
  count(what: string, whose: string, by: number, windowMs: number): Promise<number>;
}

/** What the store of devices needs. */
export interface DeviceStoreOptions {
  readonly kv: KeyValue;
  readonly sealer: Sealer;
  readonly hash: TokenHash;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

/** For this long a program is told that its code has expired, rather than that there is none; milliseconds. */
const REMEMBERED = 600_000;

const deviceKey = (id: string): string => `device:{${id}}`;
const userKey = (codeHash: string): string => `device-user:{${codeHash}}`;

/** Creates the store of device authorizations; records are sealed, codes and addresses appear only as keyed hashes. */
export function createDeviceStore({ kv, sealer, hash, now }: DeviceStoreOptions): DeviceStore {
  const idOf = (deviceCode: string): string => hash.of('device', deviceCode);
  const ofUserCode = (userCode: string): string => hash.of('device-user', userCode);
  const lifeOf = ({ expiresAt }: DeviceRecord): number => Math.max(1, expiresAt - now() + REMEMBERED);
  const seal = (id: string, record: DeviceRecord): string => sealer.seal(JSON.stringify(record), deviceKey(id));
  const read = async (id: string): Promise<HeldDevice | null> => {
    const sealed = await atStore(kv.get(deviceKey(id)));
    const text = sealed === null ? null : sealer.open(sealed, deviceKey(id));
    return sealed === null || text === null ? null : { record: decodeDevice(text), id, sealed };
  };
  return {
    async add(deviceCode, record) {
      const id = idOf(deviceCode);
      const key = userKey(ofUserCode(record.userCode));
      const life = Math.max(1, record.expiresAt - now());
      const free = await atStore(kv.set(key, sealer.seal(id, key), life, { onlyIfAbsent: true }));
      if (free) await atStore(kv.set(deviceKey(id), seal(id, record), lifeOf(record)));
      return free;
    },
    byDeviceCode: (deviceCode) => read(idOf(deviceCode)),
    async byUserCode(userCode) {
      const key = userKey(ofUserCode(userCode));
      const sealed = await atStore(kv.get(key));
      const id = sealed === null ? null : sealer.open(sealed, key);
      return id === null ? null : read(id);
    },
    async replace(held, next) {
      const sealed = seal(held.id, next);
      const done = await atStore(kv.compareAndSet(deviceKey(held.id), held.sealed, sealed, lifeOf(next)));
      return done ? { record: next, id: held.id, sealed } : null;
    },
    async forgetUserCode(userCode) {
      await atStore(kv.delete(userKey(ofUserCode(userCode))));
    },
    count: (what, whose, by, windowMs) =>
      atStore(kv.increment(`device-count:${what}:{${hash.of(`device-${what}`, whose)}}`, by, windowMs)),
  };
}
