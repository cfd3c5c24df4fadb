import { createHash } from 'node:crypto';
import type { ScriptValue } from './key-value.ts';
import { replyCode } from './redis-away.ts';
import type { RedisClient } from './redis-client.ts';

const digests = new Map<string, string>();

function digestOf(lua: string): string {
  const known = digests.get(lua);
  if (known !== undefined) return known;
  const digest = createHash('sha1').update(lua).digest('hex');
  digests.set(lua, digest);
  return digest;
}

/** Runs a script by its digest, and by its text when the server does not know it (any more). */
export async function evaluate(
  client: RedisClient,
  lua: string,
  keys: readonly string[],
  args: readonly ScriptValue[],
): Promise<unknown> {
  const rest = [keys.length, ...keys, ...args];
  try {
    return await client.send('evalsha', [digestOf(lua), ...rest]);
  } catch (error) {
    if (replyCode(error) !== 'NOSCRIPT') throw error;
    return client.send('eval', [lua, ...rest]);
  }
}
