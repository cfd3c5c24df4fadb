import type { Clock } from '../kernel/index.ts';
import { readTlsFiles, type TlsBuffers, TlsFileError, type TlsFiles } from './tls-files.ts';
import { watchFiles } from './watch-files.ts';

/** TLS files that are re-read when they change. */
export interface TlsMaterial extends Disposable {
  /** The last content that passed all checks. */
  current(): TlsBuffers;
  /** Calls `fn` after each change that passed the checks, until disposed. */
  onChange(fn: () => void): Disposable;
}

export interface TlsMaterialOptions {
  readonly clock: Clock;
  /** Called when changed files cannot be used; the last good ones stay in use. */
  onError(error: TlsFileError): void;
  /** Milliseconds between two looks at the files. */
  readonly intervalMs?: number;
}

/** Reads TLS files and follows their changes. Throws {@link TlsFileError} when they cannot be used at start. */
export function createTlsMaterial(files: TlsFiles, options: TlsMaterialOptions): TlsMaterial {
  const { clock, onError, intervalMs } = options;
  const listeners = new Set<{ fn: () => void }>();
  const paths = [files.certFile, files.keyFile, files.caFile, files.crlFile].filter((path) => path !== undefined);
  const reload = (): void => {
    try {
      current = readTlsFiles(files);
    } catch (error) {
      if (!(error instanceof TlsFileError)) throw error;
      onError(error);
      return;
    }
    for (const { fn } of listeners) fn();
  };
  let current: TlsBuffers = {};
  const watcher = watchFiles(paths, { clock, ...(intervalMs !== undefined && { intervalMs }) }, reload);
  try {
    current = readTlsFiles(files);
  } catch (error) {
    watcher[Symbol.dispose]();
    throw error;
  }
  return {
    current: () => current,
    onChange(fn) {
      const listener = { fn };
      listeners.add(listener);
      return { [Symbol.dispose]: () => void listeners.delete(listener) };
    },
    [Symbol.dispose]() {
      watcher[Symbol.dispose]();
      listeners.clear();
    },
  };
}
