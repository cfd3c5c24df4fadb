import { createHash, randomBytes } from 'node:crypto';
import { type AccessTokens, type AccessTokensOptions, createAccessTokens } from '../../src/auth/index.ts';
import { type Clock, GatewayError, Secret } from '../../src/kernel/index.ts';
import { createMemoryKeyValue, createSealer, type KeyValue, StoreUnavailable } from '../../src/platform/index.ts';
import { localIdentity } from '../world/identities.ts';
import { createManualClock } from '../world/manual-clock.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

/** A store that can be taken away, that counts its calls and that can lose messages. */
export interface WatchedStore extends KeyValue {
  away: boolean;
  losesMessages: boolean;
  /** Calls by `method key`. */
  readonly calls: string[];
  /** Every key and every text that was ever written. */
  readonly written: string[];
  /** Sends `onGap` to all subscribers. */
  gap(): void;
}

/** Watches over `kv`; while `away` every call throws StoreUnavailable. */
export function watch(kv: KeyValue): WatchedStore {
  const calls: string[] = [];
  const written: string[] = [];
  const gaps = new Set<() => void>();
  const guard = async <T>(what: string, act: () => Promise<T>): Promise<T> => {
    calls.push(what);
    if (store.away) throw new StoreUnavailable('taken away by the test');
    return act();
  };
  const store: WatchedStore = {
    away: false,
    losesMessages: false,
    calls,
    written,
    gap: () => {
      for (const onGap of gaps) onGap();
    },
    kind: kv.kind,
    state: () => (store.away ? 'down' : kv.state()),
    get: (key) => guard(`get ${key}`, () => kv.get(key)),
    set: (key, value, ttl, options) => {
      written.push(key, value);
      return guard(`set ${key}`, () => kv.set(key, value, ttl, options));
    },
    compareAndSet: (key, ...rest) => guard(`cas ${key}`, () => kv.compareAndSet(key, ...rest)),
    delete: (key) => guard(`delete ${key}`, () => kv.delete(key)),
    increment: (key, ...rest) => guard(`increment ${key}`, () => kv.increment(key, ...rest)),
    addToSet: (key, member) => {
      written.push(key, member);
      return guard(`add ${key}`, () => kv.addToSet(key, member));
    },
    removeFromSet: (key, member) => guard(`remove ${key}`, () => kv.removeFromSet(key, member)),
    members: (key) => guard(`members ${key}`, () => kv.members(key)),
    run: (script, keys, args) => {
      written.push(...keys, ...args.map(String));
      return guard(`run ${script.name}`, () => kv.run(script, keys, args));
    },
    publish: (channel, message) =>
      guard(`publish ${channel}`, async () => {
        if (!store.losesMessages) await kv.publish(channel, message);
      }),
    subscribe: (channel, onMessage, onGap = () => undefined) =>
      guard(`subscribe ${channel}`, async () => {
        gaps.add(onGap);
        return kv.subscribe(channel, onMessage, onGap);
      }),
    ping: () => guard('ping', () => kv.ping()),
    [Symbol.asyncDispose]: () => kv[Symbol.asyncDispose](),
  };
  return store;
}

/** Some replicas on one store and one clock that stands still. */
export interface AuthWorld extends AsyncDisposable {
  readonly clock: Clock & { advance(ms: number): Promise<void> };
  readonly store: WatchedStore;
  readonly replicas: readonly AccessTokens[];
  readonly config: ReturnType<AccessTokensOptions['config']>;
  /** A further replica on the same store. */
  join(options?: Partial<AccessTokensOptions>): AccessTokens;
}

/** Configuration of access tokens with round figures. */
export const config: ReturnType<AccessTokensOptions['config']> = {
  accessTokens: { maxLife: 90 * DAY, defaultLife: 30 * DAY, derivedLife: 12 * HOUR },
  secrets: { tokenKey: new Secret('token-key-'.repeat(4)), sealingKey: new Secret('') },
};

/** Boots `count` replicas on one memory store, or on `kv`. */
export function createAuthWorld(count = 1, kv?: KeyValue, clock = createManualClock()): AuthWorld {
  const store = watch(kv ?? createMemoryKeyValue({ clock }));
  const sealer = createSealer({ current: new Secret(randomBytes(32).toString('base64')) });
  const replicas: AccessTokens[] = [];
  const identityOf = (user: string) => localIdentity(user);
  const join = (options: Partial<AccessTokensOptions> = {}): AccessTokens => {
    const made = createAccessTokens({ kv: store, clock, sealer, config: () => config, identityOf, ...options });
    replicas.push(made);
    return made;
  };
  for (let at = 0; at < count; at++) join();
  return {
    clock,
    store,
    replicas,
    config,
    join,
    async [Symbol.asyncDispose]() {
      store.away = false;
      for (const replica of replicas) await replica[Symbol.asyncDispose]();
      await store[Symbol.asyncDispose]();
    },
  };
}

/** The error of a call that must fail with one of ours, thrown or rejected. */
export async function refusalOf(call: () => unknown): Promise<GatewayError> {
  try {
    await call();
  } catch (error) {
    if (error instanceof GatewayError) return error;
    throw error;
  }
  throw new Error('the call passed');
}

/** All that a caller gets to see of an error, as bytes. */
export function seenOf({ status, code, detail, headers, retryAfter }: GatewayError): string {
  return JSON.stringify({ status, code, detail, headers, retryAfter });
}

/** Random bytes that are the same in every run. */
export function seededBytes(seed: string): (bytes: number) => Buffer {
  let round = 0;
  return (bytes) => {
    const parts: Buffer[] = [];
    for (let have = 0; have < bytes; have += 32) {
      parts.push(createHash('sha256').update(`${seed}:${round++}`).digest());
    }
    return Buffer.concat(parts).subarray(0, bytes);
  };
}

/** Changes one character of a token to another of its alphabet. */
export function withTypo(token: string, at = token.length - 10): string {
  return `${token.slice(0, at)}${token[at] === 'a' ? 'b' : 'a'}${token.slice(at + 1)}`;
}
