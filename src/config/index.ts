// Turns file, environment and secret files into one frozen Config, or into the complete list of its faults.
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
