// Owns outside resources that rooms share: Redis, the key-value port and its two adapters, leases, sealed values, TLS material.
export {
  type HeldLease,
  type KeyValue,
  type Leases,
  type Script,
  type ScriptStore,
  type ScriptValue,
  type Sealer,
  type StoreEvents,
  type StoreState,
  StoreUnavailable,
} from './key-value.ts';
export { createLeases, type LeasesOptions } from './leases.ts';
export { createMemoryKeyValue } from './memory-key-value.ts';
export { createRedisKeyValue, type RedisKeyValueOptions } from './redis-key-value.ts';
export { createSealer } from './sealer.ts';
export { type TlsBuffers, TlsFileError, type TlsFiles } from './tls-files.ts';
export { createTlsMaterial, type TlsMaterial, type TlsMaterialOptions } from './tls-material.ts';
export { type WatchOptions, watchFiles } from './watch-files.ts';
