import { readFileSync, statSync } from 'node:fs';
import { createSecureContext, type SecureContext, type SecureContextOptions } from 'node:tls';
import type { QueueConfig } from '../config/index.ts';
import { type Clock, messageOf } from '../kernel/index.ts';
import type { Logger } from '../observe/index.ts';

type TlsConfig = QueueConfig['tls'];

/** CA bundle, client certificate and revocation list of a queue as OpenSSL wants them. */
export interface TlsFiles extends Disposable {
  readonly context: SecureContext;
}

const FILES = ['caFile', 'certFile', 'keyFile', 'crlFile'] as const;
/** Milliseconds between two looks at the files. */
const POLL = 1000;

function read(tls: TlsConfig, key: (typeof FILES)[number]): string | undefined {
  const file = tls[key];
  if (file === undefined) return undefined;
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new Error(`tls.${key}: ${file} cannot be read: ${messageOf(error)}`);
  }
}

function load(tls: TlsConfig): SecureContext {
  const [ca, cert, key, crl] = FILES.map((name) => read(tls, name));
  const options: SecureContextOptions = { minVersion: tls.minVersion };
  if (ca !== undefined) options.ca = ca;
  if (cert !== undefined) options.cert = cert;
  if (key !== undefined) options.key = key;
  if (crl !== undefined) options.crl = crl;
  return createSecureContext(options);
}

/** Changes when one of the files does; a missing file counts as a change, too. */
function stampOf(tls: TlsConfig): string {
  return FILES.map((key) => {
    const file = tls[key];
    const stat = file === undefined ? undefined : statSync(file, { throwIfNoEntry: false });
    return stat === undefined ? '' : `${stat.ino}:${stat.mtimeMs}:${stat.size}`;
  }).join('|');
}

export interface TlsFilesOptions {
  readonly queue: string;
  readonly tls: TlsConfig;
  readonly clock: Clock;
  readonly log: Logger;
  /** Called after the files changed and the new ones were good. */
  readonly changed: () => void;
}

/**
 * Reads the TLS files of a queue and looks every second whether they changed. Throws when they cannot be read at the
 * start; later a bad file is logged and the last good ones stay.
 */
export function createTlsFiles({ queue, tls, clock, log, changed }: TlsFilesOptions): TlsFiles {
  let stamp = stampOf(tls);
  let context = load(tls);
  const look = (): void => {
    const now = stampOf(tls);
    if (now === stamp) return;
    stamp = now;
    try {
      context = load(tls);
    } catch (error) {
      const fields = { event: 'tls_files_bad', queue, reason: messageOf(error) };
      log.error(fields, 'the changed TLS files of a queue cannot be used; the last good ones stay');
      return;
    }
    log.info({ event: 'tls_files_changed', queue }, 'the TLS files of a queue changed and are in use');
    changed();
  };
  const timer = FILES.some((key) => tls[key] !== undefined) ? clock.every(POLL, look) : null;
  return {
    get context() {
      return context;
    },
    [Symbol.dispose]: () => timer?.[Symbol.dispose](),
  };
}
