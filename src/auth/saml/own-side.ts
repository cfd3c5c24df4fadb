import type { SamlConfig } from '../../config/index.ts';
import type { Clock } from '../../kernel/index.ts';
import type { Logger } from '../../observe/index.ts';
import { TlsFileError, watchFiles } from '../../platform/index.ts';
import { type OwnKeys, readOwnKeys } from './keys.ts';
import { createRequestIds, type RequestIds } from './request-ids.ts';
import { type OwnAddresses, spMetadata } from './sp-metadata.ts';

/** Everything that follows from the gateway's keys at a provider. */
export interface OwnSide {
  readonly keys: OwnKeys;
  readonly ids: RequestIds;
  /** Signed metadata. */
  readonly metadata: string;
}

export interface OwnSideOptions {
  readonly config: SamlConfig;
  readonly addresses: OwnAddresses;
  readonly clock: Clock;
  readonly log: Logger;
}

function read({ config, addresses }: OwnSideOptions): OwnSide {
  const keys = readOwnKeys(config);
  const metadata = spMetadata(addresses, keys, config.nameIdFormat);
  return { keys, ids: createRequestIds(keys.current.key), metadata };
}

/**
 * Reads the key files, and again when one of them changes; files that do not fit together leave the last good ones in
 * use. Throws {@link TlsFileError} when they cannot be used at start.
 */
export function createOwnSide(options: OwnSideOptions): Disposable & { now(): OwnSide } {
  const { config, clock, log } = options;
  const { name, keyFile, certFile, previousKeyFile, previousCertFile } = config;
  const paths = [keyFile, certFile, previousKeyFile, previousCertFile].filter((path) => path !== undefined);
  const renew = (): void => {
    try {
      side = read(options);
      log.info({ event: 'saml_keys', provider: name }, 'changed keys are in use');
    } catch (error) {
      if (!(error instanceof TlsFileError)) throw error;
      log.error({ event: 'saml_keys', provider: name, error }, 'changed keys cannot be used; the last good ones stay');
    }
  };
  const watcher = watchFiles(paths, { clock }, renew);
  let side: OwnSide;
  try {
    side = read(options);
  } catch (error) {
    watcher[Symbol.dispose]();
    throw error;
  }
  return { now: () => side, [Symbol.dispose]: () => watcher[Symbol.dispose]() };
}
