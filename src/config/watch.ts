import { isDeepStrictEqual } from 'node:util';
import { messageOf, Secret } from '../kernel/index.ts';
import type { ConfigResult, Fault } from './fault.ts';
import type { Config } from './schema.ts';

/** What a new configuration changes. */
export interface ConfigChange {
  readonly config: Config;
  /** Top-level sections that differ from the configuration before. */
  readonly changed: readonly string[];
  /** Those of them that take effect at once. */
  readonly live: readonly string[];
  /** Sections that differ from what the process was started with and take effect at its next start only. */
  readonly restart: readonly string[];
}

/** Watches files until disposed; the caller brings it, since this room owns no timers. */
export type WatchFiles = (files: readonly string[], onChange: () => void) => Disposable;

export interface ConfigWatcherOptions {
  /** Reads and checks everything anew. */
  readonly load: () => ConfigResult;
  /** What the process was started with. */
  readonly first: ConfigResult & { readonly ok: true };
  readonly watch: WatchFiles;
  /** May throw when the configuration cannot be put into effect: that counts as a fault. */
  readonly onChange: (change: ConfigChange, warnings: readonly string[]) => void;
  /** The new state of the files has faults; the last good configuration stays in use. */
  readonly onFault: (faults: readonly Fault[]) => void;
}

/** The configuration in use, kept up to date. */
export interface ConfigWatcher extends Disposable {
  /** The last good one. */
  readonly current: Config;
  /** Reads again at once, for SIGHUP. True when the files hold no fault. */
  reload(): boolean;
}

/** Sections that are bound when the process starts: listeners, store, keys. */
export const NEED_RESTART: ReadonlySet<string> = new Set(['mode', 'replicas', 'server', 'admin', 'redis', 'secrets']);

const comparable = (value: unknown): unknown => {
  if (value instanceof Secret) return value.reveal();
  if (Array.isArray(value)) return value.map(comparable);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, child]) => [key, comparable(child)]));
};

const same = (a: unknown, b: unknown): boolean => isDeepStrictEqual(comparable(a), comparable(b));

const differing = (a: Config, b: Config): string[] =>
  [...new Set([...Object.keys(a), ...Object.keys(b)])].filter((key) => !same(Reflect.get(a, key), Reflect.get(b, key)));

const ports = (config: Config): unknown =>
  config.queues.flatMap(({ name, port }) => (port === undefined ? [] : [[name, port]]));

const bound = (started: Config, next: Config): string[] => [
  ...differing(started, next).filter((section) => NEED_RESTART.has(section)),
  ...(same(ports(started), ports(next)) ? [] : ['queues[].port']),
];

/** Keys that both loads made up are kept, so that a trial's tokens survive a reload. */
const keepMade = (
  before: ConfigResult & { ok: true },
  next: ConfigResult & { ok: true },
): ConfigResult & { ok: true } => {
  const kept = next.generated.filter((key) => before.generated.includes(key));
  if (kept.length === 0) return next;
  const made = Object.fromEntries(kept.map((key) => [key, Reflect.get(before.config.secrets, key)]));
  const secrets = Object.freeze({ ...next.config.secrets, ...made });
  return { ...next, config: Object.freeze({ ...next.config, secrets }) };
};

/** What no check could foresee, for example a certificate file that holds none. */
const unusable = (changed: readonly string[], error: unknown): Fault => ({
  path: changed.join(', '),
  reason: `cannot be put into effect: ${messageOf(error)}`,
  mend: 'Correct it, then send SIGHUP.',
});

/**
 * Keeps the configuration up to date: on a change of its files, or when asked, it validates, swaps and keeps the last
 * good one. Nothing is told when nothing changed.
 */
export function createConfigWatcher(options: ConfigWatcherOptions): ConfigWatcher {
  const { load, first, watch, onChange, onFault } = options;
  let good = first;
  let files = first.files;
  let faulty = false;
  const reload = (): boolean => {
    const result = load();
    follow(result.files);
    if (!result.ok) {
      faulty = true;
      onFault(result.faults);
      return false;
    }
    const next = keepMade(good, result);
    const changed = differing(good.config, next.config);
    // Files that are back to what is in use change nothing, but their faults are over.
    if (changed.length === 0 && !faulty) {
      good = next;
      return true;
    }
    const live = changed.filter((section) => !NEED_RESTART.has(section));
    try {
      onChange({ config: next.config, changed, live, restart: bound(first.config, next.config) }, next.warnings);
    } catch (error) {
      faulty = true;
      onFault([unusable(changed, error)]);
      return false;
    }
    good = next;
    faulty = false;
    return true;
  };
  let watching = watch(files, reload);
  // A faulty file may not name all secret files any more; those known before are watched on.
  const follow = (read: readonly string[]): void => {
    const next = [...new Set([...read, ...good.files])];
    if (isDeepStrictEqual([...next].sort(), [...files].sort())) return;
    watching[Symbol.dispose]();
    files = next;
    watching = watch(files, reload);
  };
  return {
    get current() {
      return good.config;
    },
    reload,
    [Symbol.dispose]: () => watching[Symbol.dispose](),
  };
}
