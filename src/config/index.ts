// Turns file, environment and secret files into one frozen Config, or into the complete list of its faults.
export type { ConfigResult, Fault, FaultSource } from './fault.ts';
export { DEFAULT_FILES, findConfigFile, type LoadInput, loadConfig, parseConfig } from './load.ts';
export { printable } from './printable.ts';
export {
  type BucketConfig,
  type Config,
  configSchema,
  type LimitsConfig,
  type QueueConfig,
  type RedisConfig,
  type SecretsConfig,
  type SourceConfig,
} from './schema.ts';
export {
  type ConfigChange,
  type ConfigWatcher,
  type ConfigWatcherOptions,
  createConfigWatcher,
  type WatchFiles,
} from './watch.ts';
