import { type Clock, GatewayError, messageOf } from '../../kernel/index.ts';
import { watchFiles } from '../../platform/index.ts';
import { SamlFault } from './fault.ts';
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
  /** A file to read again when it changes; null: only after `refreshMs`, or when the metadata says so. */
  readonly watch: string | null;
  readonly refreshMs: number;
  /** Called after each attempt; `reason` null: it succeeded. */
  onAttempt(reason: string | null): void;
  /** Called when readiness changes. */
  onReady(ready: boolean): void;
}

const COOL_DOWN_MS = 30_000;
/** Between two attempts while there is nothing at hand: both sides may be starting at the same time. */
const FIRST_RETRY_MS = 5_000;
/** Even when the metadata wants to be read more often. */
const SHORTEST_REFRESH_MS = 60_000;
/** Timers of the platform end at 24 days; nothing here waits longer than this. */
const LONGEST_WAIT_MS = 24 * 3_600_000;

const signersOf = ({ entityId, certificates }: IdpMetadata): string =>
  [entityId, ...certificates.map(({ fingerprint256 }) => fingerprint256)].join(' ');

const sameSigners = (one: IdpMetadata, other: IdpMetadata): boolean => signersOf(one) === signersOf(other);

const END = 'metadata: validUntil has passed';
const OTHER =
  'metadata: another entity id than before; when the provider really has a new one, restart the gateway or set idpEntityId';

const isValid = (metadata: IdpMetadata | undefined, now: number): metadata is IdpMetadata =>
  metadata !== undefined && (metadata.validUntil === null || now < metadata.validUntil);

/** Milliseconds until metadata that was just read should be read again. */
function dueIn({ validUntil, cacheDuration }: IdpMetadata, refreshMs: number, now: number): number {
  // Half of what is left: one failed attempt must not be the last.
  const left = validUntil === null ? refreshMs : (validUntil - now) / 2;
  const due = Math.min(refreshMs, cacheDuration ?? refreshMs, left, LONGEST_WAIT_MS);
  return Math.max(SHORTEST_REFRESH_MS, due);
}

function notAtHand(reason: string | null, waitMs: number): GatewayError {
  return new GatewayError('GW_PROVIDER_UNAVAILABLE', 'The metadata of the identity provider is not at hand.', {
    internal: reason ?? END,
    retryAfter: Math.max(1, Math.ceil(waitMs / 1000)),
  });
}

/** Holds what was read last, and tells when its readiness changes, also when it ends while nobody asks. */
function createShelf(options: MetadataSourceOptions) {
  const { clock } = options;
  let metadata: IdpMetadata | undefined;
  let told: boolean | null = null;
  let expiry: Disposable | null = null;
  const valid = (): IdpMetadata | null => (isValid(metadata, clock.now()) ? metadata : null);
  const tell = (): void => {
    const ready = valid() !== null;
    if (ready !== told) options.onReady(ready);
    told = ready;
    expiry?.[Symbol.dispose]();
    const left = ready && metadata?.validUntil != null ? metadata.validUntil - clock.now() : null;
    expiry = left === null ? null : clock.after(Math.min(left, LONGEST_WAIT_MS), tell);
  };
  return {
    valid,
    tell,
    put(read: IdpMetadata): void {
      // Pinned by the first: whoever can change the metadata, or its server, must not become another provider under our eyes.
      if (metadata !== undefined && metadata.entityId !== read.entityId) throw new SamlFault(OTHER);
      metadata = read;
    },
    [Symbol.dispose]: () => expiry?.[Symbol.dispose](),
  };
}

/** Reads metadata at once, again when it is due, and on demand with a cool-down. Attempts never overlap. */
export function createMetadataSource(options: MetadataSourceOptions): MetadataSource {
  const { clock, refreshMs, watch } = options;
  const shelf = createShelf(options);
  let reason: string | null = 'metadata: not read yet';
  let flight: Promise<void> | null = null;
  let retryAt = 0;
  let searchAt = 0;
  let timer: Disposable | null = null;
  let stopped = false;

  const attempt = async (): Promise<void> => {
    const pause = shelf.valid() === null ? FIRST_RETRY_MS : COOL_DOWN_MS;
    let wait = pause;
    try {
      const read = await options.read();
      shelf.put(read);
      reason = null;
      wait = dueIn(read, refreshMs, clock.now());
    } catch (error) {
      reason = messageOf(error);
    }
    retryAt = clock.now() + pause;
    flight = null;
    if (stopped) return;
    options.onAttempt(reason);
    shelf.tell();
    timer?.[Symbol.dispose]();
    timer = clock.after(wait, () => void load());
  };
  const load = (): Promise<void> => {
    flight ??= attempt();
    return flight;
  };
  // An attempt under way may have read the file before it changed.
  const loadAnew = async (): Promise<void> => {
    await flight;
    if (!stopped) await load();
  };

  const watcher = watch === null ? null : watchFiles([watch], { clock }, () => void loadAnew());
  void load();
  return {
    async current() {
      const now = shelf.valid();
      if (now !== null) return now;
      if (flight !== null || clock.now() >= retryAt) await load();
      const loaded = shelf.valid();
      if (loaded === null) throw notAtHand(reason, retryAt - clock.now());
      return loaded;
    },
    async newerThan(seen) {
      await flight;
      let now = shelf.valid();
      if ((now === null || sameSigners(now, seen)) && clock.now() >= searchAt) {
        searchAt = clock.now() + COOL_DOWN_MS;
        await load();
        now = shelf.valid();
      }
      return now === null || sameSigners(now, seen) ? null : now;
    },
    state() {
      const ready = shelf.valid() !== null;
      return { ready, reason: ready ? null : (reason ?? END) };
    },
    async [Symbol.asyncDispose]() {
      stopped = true;
      timer?.[Symbol.dispose]();
      shelf[Symbol.dispose]();
      watcher?.[Symbol.dispose]();
      await flight;
    },
  };
}
