// Turns file, environment and secret files into one frozen Config, or into the complete list of its faults.
export { CHECKS } from './checks.ts';
export { envName, isConfigVariable, writtenKeys } from './env.ts';
export type { ConfigResult, Fault, FaultSource } from './fault.ts';
export { DEFAULT_FILES, findConfigFile, type LoadInput, loadConfig, parseConfig } from './load.ts';
export { printable, written } from './printable.ts';
export {
  type BearerConfig,
  type BucketConfig,
  type Config,
  configSchema,
  type LimitsConfig,
  type OidcConfig,
  type ProviderConfig,
  type QueueConfig,
  type RedisConfig,
  type SamlConfig,
  type SecretsConfig,
  type SignInConfig,
  type SourceConfig,
} from './schema.ts';
export { configShape, type Segment, type Shape } from './shape.ts';
export {
  type ConfigChange,
  type ConfigWatcher,
  type ConfigWatcherOptions,
  createConfigWatcher,
  NEED_RESTART,
  type WatchFiles,
} from './watch.ts';
