import { type Clock, systemClock } from '../kernel/index.ts';
import { createRedisKeyValue } from '../platform/index.ts';
import { type AccessTokens, decide, wireAccessTokens } from '../server/index.ts';
import { configFor } from './config-file.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/** Access tokens in the Redis of the configuration, as the command line uses them. */
export interface OpenTokens extends AsyncDisposable {
  readonly tokens: AccessTokens;
}
