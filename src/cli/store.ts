import type { Config } from '../config/index.ts';
import { systemClock } from '../kernel/index.ts';
import { createRedisKeyValue, type KeyValue } from '../platform/index.ts';
import { decide, wireAccessTokens } from '../server/index.ts';
import { configFor } from './config-file.ts';
import { type OpenTokens, runToken } from './token.ts';

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

async function openTokens(config: Config, err: Print): Promise<OpenTokens | null> {
  if (config.redis === undefined) {
    err('vovgw token: the configuration names no redis; the in-memory store is inside the running gateway only.\n');
    return null;
  }
  const decided = decide(config);
  const kv = createRedisKeyValue(config.redis, { clock: systemClock });
  const tokens = wireAccessTokens(kv, () => decided, { clock: systemClock });
  const close = async (): Promise<void> => {
    await tokens[Symbol.asyncDispose]();
    await kv[Symbol.asyncDispose]();
  };
  try {
    await untilUp(kv);
  } catch (error) {
    await close();
    throw error;
  }
  return { tokens, [Symbol.asyncDispose]: close };
}

/** `vovgw token`: access tokens in the Redis that the configuration names. */
export function runTokenVerb(argv: readonly string[], env: Environment, out: Print, err: Print): Promise<number> {
  const open = async (file: string | undefined): Promise<OpenTokens | null> => {
    const config = configFor(file, env, err);
    return config === null ? null : openTokens(config, err);
  };
  return runToken(argv, { open }, out, err);
}
