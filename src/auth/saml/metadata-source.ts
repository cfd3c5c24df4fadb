import { type Clock, GatewayError, messageOf } from '../../kernel/index.ts';
import { watchFiles } from '../../platform/index.ts';
import type { IdpMetadata } from './idp-metadata.ts';

/** The provider's metadata, kept fresh. */
export interface MetadataSource extends AsyncDisposable {
  /** The last good metadata while it is valid. Throws GW_PROVIDER_UNAVAILABLE when there is none. */
  current(): Promise<IdpMetadata>;
  /**
   * Metadata newer than `seen`, for a signature that it does not explain; null when there is none. Reads at most once in
   * 30 s, however many ask.
   */
  newerThan(seen: IdpMetadata): Promise<IdpMetadata | null>;
  state(): { readonly ready: boolean; readonly reason: string | null };
}

export interface MetadataSourceOptions {
  readonly clock: Clock;
  read(): Promise<IdpMetadata>;
  /** A file to watch; null: read again after `refreshMs`, or when the metadata says so. */
  readonly watch: string | null;
  readonly refreshMs: number;
  /** Called after each attempt; `reason` null: it succeeded. */
  onAttempt(reason: string | null): void;
  /** Called when readiness changes. */
  onReady(ready: boolean): void;
}

const COOL_DOWN_MS = 30_000;
/** Even when the metadata wants to be read more often. */
const SHORTEST_REFRESH_MS = 60_000;

const signersOf = (metadata: IdpMetadata | undefined): string =>
  [metadata?.entityId, ...(metadata?.certificates ?? []).map(({ fingerprint256 }) => fingerprint256)].join(' ');

const sameSigners = (one: IdpMetadata | undefined, other: IdpMetadata): boolean => signersOf(one) === signersOf(other);

/** Reads metadata at once, again when it is due, and on demand with a cool-down. Attempts never overlap. */
export function createMetadataSource(options: MetadataSourceOptions): MetadataSource {
  const { clock } = options;
  let held: IdpMetadata | undefined;
  let reason: string | null = 'metadata: not read yet';
  let flight: Promise<void> | null = null;
  let retryAt = 0;
  let searchAt = 0;
  let timer: Disposable | null = null;
  let expiry: Disposable | null = null;
  let told: boolean | null = null;
  let stopped = false;

  const valid = (): IdpMetadata | null => {
    if (held === undefined) return null;
    const { validUntil } = held;
    return validUntil === null || clock.now() < validUntil ? held : null;
  };
  const tell = (): void => {
    const ready = valid() !== null;
    if (ready === told || stopped) return;
    told = ready;
    options.onReady(ready);
  };
  const plan = (): void => {
    timer?.[Symbol.dispose]();
    expiry?.[Symbol.dispose]();
    timer = expiry = null;
    const { validUntil, cacheDuration } = held ?? { validUntil: null, cacheDuration: null };
    const left = validUntil === null ? Number.POSITIVE_INFINITY : validUntil - clock.now();
    // Half of what is left: one failed attempt must not be the last.
    const due = Math.min(options.refreshMs, cacheDuration ?? Number.POSITIVE_INFINITY, left / 2);
    const wait = reason === null ? Math.max(SHORTEST_REFRESH_MS, due) : COOL_DOWN_MS;
    if (options.watch === null || reason !== null || Number.isFinite(left))
      timer = clock.after(wait, () => void load());
    if (Number.isFinite(left)) expiry = clock.after(left, tell);
  };
  const attempt = async (): Promise<void> => {
    try {
      held = await options.read();
      reason = null;
    } catch (error) {
      reason = messageOf(error);
    }
    retryAt = clock.now() + COOL_DOWN_MS;
    flight = null;
    if (stopped) return;
    options.onAttempt(reason);
    tell();
    plan();
  };
  const load = (): Promise<void> => {
    flight ??= attempt();
    return flight;
  };

  const watcher = options.watch === null ? null : watchFiles([options.watch], { clock }, () => void load());
  void load();
  return {
    async current() {
      const now = valid();
      if (now !== null) return now;
      tell();
      if (flight !== null || clock.now() >= retryAt) await load();
      const loaded = valid();
      if (loaded !== null) return loaded;
      throw new GatewayError('GW_PROVIDER_UNAVAILABLE', 'The metadata of the identity provider is not at hand.', {
        internal: reason ?? 'metadata: validUntil has passed',
        retryAfter: Math.max(1, Math.ceil((retryAt - clock.now()) / 1000)),
      });
    },
    async newerThan(seen) {
      await flight;
      if (sameSigners(held, seen) && clock.now() >= searchAt) {
        searchAt = clock.now() + COOL_DOWN_MS;
        await load();
      }
      return sameSigners(held, seen) ? null : valid();
    },
    state() {
      const ready = valid() !== null;
      return { ready, reason: ready ? null : (reason ?? 'metadata: validUntil has passed') };
    },
    async [Symbol.asyncDispose]() {
      stopped = true;
      timer?.[Symbol.dispose]();
      expiry?.[Symbol.dispose]();
      watcher?.[Symbol.dispose]();
      await flight;
    },
  };
}
