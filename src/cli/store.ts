import { randomUUID } from 'node:crypto';
import { createPeople, createSessions } from '../auth/index.ts';
import type { Config } from '../config/index.ts';
import { createOrigins } from '../jobs/index.ts';
import { systemClock } from '../kernel/index.ts';
import { createFailoverStore, createMaintenanceStore, livingReplicas } from '../limits/index.ts';
import { createLeases, createRedisKeyValue, createSealer, type KeyValue, type Sealer } from '../platform/index.ts';
import { decide, wireAccessTokens } from '../server/index.ts';
import { createEnrolledPasswords, createForgetAccount, type ForgetAccount } from '../tokens/index.ts';
import { type OpenPeople, runBinding } from './binding.ts';
import { configFor } from './config-file.ts';
import { type OpenFailover, runFailover } from './failover.ts';
import { type OpenMaintenance, runMaintenance } from './maintenance.ts';
import { type OpenTokens, runToken } from './token.ts';
import { type OpenOrigins, runWho } from './who.ts';

type Environment = Readonly<Record<string, string | undefined>>;
type Print = (text: string) => void;

/** Time for the first connection to Redis, milliseconds. */
const CONNECT_MS = 5000;

/** Waits until the store answers; throws its own reason when it does not in time. */
async function untilUp(kv: KeyValue): Promise<void> {
  const end = systemClock.now() + CONNECT_MS;
  for (;;) {
    try {
      return await kv.ping();
    } catch (error) {
      if (systemClock.now() > end) throw error;
      await systemClock.sleep(50);
    }
  }
}

/** The store that the configuration names, once it answers; null after telling that there is none. */
async function openStore(config: Config, verb: string, err: Print): Promise<KeyValue | null> {
  if (config.redis === undefined) {
    err(`vovgw ${verb}: the configuration names no redis; the in-memory store is inside the running gateway only.\n`);
    return null;
  }
  const kv = createRedisKeyValue(config.redis, { clock: systemClock });
  try {
    await untilUp(kv);
    return kv;
  } catch (error) {
    await kv[Symbol.asyncDispose]();
    throw error;
  }
}

/** Whoever uses the store first, then the store. */
async function closeBoth(user: AsyncDisposable, kv: KeyValue): Promise<void> {
  await user[Symbol.asyncDispose]();
  await kv[Symbol.asyncDispose]();
}

async function openTokens(config: Config, err: Print): Promise<OpenTokens | null> {
  const kv = await openStore(config, 'token', err);
  if (kv === null) return null;
  const decided = decide(config);
  const tokens = wireAccessTokens(kv, () => decided, { clock: systemClock });
  return { tokens, [Symbol.asyncDispose]: () => closeBoth(tokens, kv) };
}

function forgetAccountIn(config: Config, kv: KeyValue, sealer: Sealer): ForgetAccount {
  const silent = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };
  const common = { kv, sealer, clock: systemClock, report: { log: silent } };
  const leases = createLeases(kv, { clock: systemClock, ownerId: `command-${randomUUID()}` });
  const passwords = createEnrolledPasswords({ ...common, versionKey: config.secrets.tokenKey });
  return createForgetAccount({ ...common, leases, passwords, config: () => config, random: Math.random });
}

async function openPeople(config: Config, err: Print): Promise<OpenPeople | null> {
  const kv = await openStore(config, 'binding', err);
  if (kv === null) return null;
  const decided = decide(config);
  const { sealingKey, previousSealingKey } = config.secrets;
  const sealer = createSealer({ current: sealingKey, previous: previousSealingKey });
  const common = { kv, sealer, config: () => config, clock: systemClock };
  const people = createPeople({ ...common, rules: () => decided.rules });
  const sessions = createSessions({ ...common, people, report: { credential: () => undefined } });
  const tokens = wireAccessTokens(kv, () => decided, { clock: systemClock, people });
  const close = async (): Promise<void> => {
    await sessions[Symbol.asyncDispose]();
    await closeBoth(tokens, kv);
  };
  const forgetAccount = forgetAccountIn(config, kv, sealer);
  return { people, tokens, sessions, forgetAccount, [Symbol.asyncDispose]: close };
}

async function openOrigins(config: Config, err: Print): Promise<OpenOrigins | null> {
  const kv = await openStore(config, 'who', err);
  if (kv === null) return null;
  const { sealingKey, previousSealingKey, tokenKey } = config.secrets;
  const sealer = createSealer({ current: sealingKey, previous: previousSealingKey });
  const warn = (_: object, message: string): void => err(`vovgw who: ${message}\n`);
  const report = { log: { debug: () => undefined, info: () => undefined, warn, error: warn } };
  const common = { kv, sealer, hashKey: tokenKey, config: () => config, clock: systemClock };
  const origins = createOrigins({ ...common, report });
  const queues = config.queues.map(({ name }) => name);
  return { origins, queues, [Symbol.asyncDispose]: () => kv[Symbol.asyncDispose]() };
}

async function openMaintenance(config: Config, err: Print): Promise<OpenMaintenance | null> {
  const kv = await openStore(config, 'maintenance', err);
  if (kv === null) return null;
  const queues = config.queues.map(({ name }) => name);
  const store = createMaintenanceStore({ kv, clock: systemClock });
  return { store, queues, [Symbol.asyncDispose]: () => kv[Symbol.asyncDispose]() };
}

async function openFailover(config: Config, err: Print): Promise<OpenFailover | null> {
  const kv = await openStore(config, 'failover', err);
  if (kv === null) return null;
  const living = (): Promise<string[]> => livingReplicas(kv, systemClock.now());
  const store = createFailoverStore({ kv, clock: systemClock });
  return { store, queues: config.queues, living, [Symbol.asyncDispose]: () => kv[Symbol.asyncDispose]() };
}

/** Opens by the file that an option names, or where a configuration is looked for. */
const opener =
  <T>(open: (config: Config, err: Print) => Promise<T | null>, env: Environment, err: Print) =>
  async (file: string | undefined): Promise<T | null> => {
    const config = configFor(file, env, err);
    return config === null ? null : open(config, err);
  };

/** `vovgw token`: access tokens in the Redis that the configuration names. */
export function runTokenVerb(argv: readonly string[], env: Environment, out: Print, err: Print): Promise<number> {
  return runToken(argv, { open: opener(openTokens, env, err) }, out, err);
}

/** `vovgw binding`: whose user names are, in the Redis that the configuration names. */
export function runBindingVerb(argv: readonly string[], env: Environment, out: Print, err: Print): Promise<number> {
  return runBinding(argv, { open: opener(openPeople, env, err) }, out, err);
}

/** `vovgw who`: who submitted a job, by the Redis that the configuration names. */
export function runWhoVerb(argv: readonly string[], env: Environment, out: Print, err: Print): Promise<number> {
  return runWho(argv, { open: opener(openOrigins, env, err) }, out, err);
}

/** `vovgw maintenance`: frozen submissions, by the Redis that the configuration names. */
export function runMaintenanceVerb(argv: readonly string[], env: Environment, out: Print, err: Print): Promise<number> {
  return runMaintenance(argv, { open: opener(openMaintenance, env, err), now: systemClock.now }, out, err);
}

/** `vovgw failover`: a planned failover by the replicas on the Redis that the configuration names. */
export async function runFailoverVerb(
  argv: readonly string[],
  env: Environment,
  out: Print,
  err: Print,
): Promise<number> {
  const stop = new AbortController();
  const onSignal = (): void => stop.abort();
  // Asked a second time, the process ends at once.
  process.once('SIGINT', onSignal).once('SIGTERM', onSignal);
  const open = opener(openFailover, env, err);
  const deps = { open, clock: systemClock, createId: randomUUID, interrupted: stop.signal };
  try {
    return await runFailover(argv, deps, out, err);
  } finally {
    process.off('SIGINT', onSignal).off('SIGTERM', onSignal);
  }
}
