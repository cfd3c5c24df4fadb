import type { Config, ProviderConfig } from '../config/index.ts';
import { type Clock, messageOf, Secret } from '../kernel/index.ts';
import type { Report } from '../observe/index.ts';
import type { Provider } from './sign-in.ts';

/** The identity providers of the configuration as it is now. */
export interface Providers extends AsyncDisposable {
  /** The default first, then in the order of the configuration. */
  list(): readonly Provider[];
  get(name: string): Provider | null;
}

/** What the list needs. */
export interface ProvidersOptions {
  /** A new object after each reload. */
  readonly config: () => Pick<Config, 'signIn'>;
  readonly create: (entry: ProviderConfig) => Provider;
  readonly report: Pick<Report, 'log' | 'providerReady'>;
  readonly clock: Clock;
}

interface Held {
  readonly entry: ProviderConfig;
  readonly provider: Provider;
}

const REPORT_EVERY = 30_000;

/**
 * Keeps one {@link Provider} for each entry. After a reload an entry that did not change keeps its own; a changed one that
 * cannot be made keeps the one it had. Throws what `create` throws only when it is itself created.
 */
export function createProviders({ config, create, report, clock }: ProvidersOptions): Providers {
  let entries = config().signIn.providers;
  let held: readonly Held[] = entries.map((entry) => ({ entry, provider: create(entry) }));

  const complain = (entry: ProviderConfig, error: unknown): void =>
    report.log.error(
      { event: 'provider_failed', provider: entry.name, reason: messageOf(error), error },
      'an identity provider cannot be set up; its last good settings stay',
    );
  const renew = (entry: ProviderConfig): Held | null => {
    const before = held.find((one) => one.entry.name === entry.name) ?? null;
    if (before !== null && isEqual(before.entry, entry)) return before;
    try {
      return { entry, provider: create(entry) };
    } catch (error) {
      complain(entry, error);
      return before;
    }
  };
  const follow = (): readonly Held[] => {
    const next = config().signIn.providers;
    if (next === entries) return held;
    entries = next;
    const before = held;
    held = next.map(renew).filter((one) => one !== null);
    const gone = before.filter((one) => !held.some(({ provider }) => provider === one.provider));
    for (const { entry, provider } of gone) {
      if (!next.some(({ name }) => name === entry.name)) report.providerReady(entry.name, false);
      Promise.resolve(provider[Symbol.asyncDispose]()).catch((error: unknown) => complain(entry, error));
    }
    tell();
    return held;
  };
  const tell = (): void => {
    for (const { entry, provider } of held) report.providerReady(entry.name, provider.state().ready);
  };
  const telling = clock.every(REPORT_EVERY, () => {
    follow();
    tell();
  });
  tell();

  return {
    list() {
      const first = config().signIn.default;
      const all = follow().map(({ provider }) => provider);
      return [...all.filter(({ name }) => name === first), ...all.filter(({ name }) => name !== first)];
    },
    get: (name) => follow().find(({ entry }) => entry.name === name)?.provider ?? null,
    async [Symbol.asyncDispose]() {
      telling[Symbol.dispose]();
      await Promise.all(held.map(({ provider }) => provider[Symbol.asyncDispose]()));
    },
  };
}

/** Deep equality of configuration values; secrets by what they hold, which the usual comparisons do not see. */
function isEqual(a: unknown, b: unknown): boolean {
  if (a instanceof Secret && b instanceof Secret) return a.reveal() === b.reveal();
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return Object.is(a, b);
  const [left, right] = [new Map(Object.entries(a)), new Map(Object.entries(b))];
  if (left.size !== right.size || Array.isArray(a) !== Array.isArray(b)) return false;
  return [...left].every(([key, value]) => right.has(key) && isEqual(value, right.get(key)));
}
