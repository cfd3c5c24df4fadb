import { createHash } from 'node:crypto';
import type { LimitsConfig } from '../../config/index.ts';
import type { Clock } from '../../kernel/index.ts';
import type { KeyValue } from '../../platform/index.ts';
import { type Announcement, announce, EMPTY, type Grant, type Ledger, leave, type OwnPool } from './ledger.ts';
import type { Pool } from './pool.ts';

const KEY = 'limit:{turns}';
/** Learnt limits outlive a restart of all replicas. */
const KEPT_MS = 3_600_000;
/** Between two beats. */
export const BEAT_MS = 1000;
/** Beats out of order keep this distance. */
const QUICK_MS = 200;
/** A replica whose line did not change for this long is believed dead, and its turns are taken. */
const LIFE_MS = 5000;
/** One that could not write its line for this long falls back to an equal part, well before that. */
const ALONE_MS = 2500;
/** After an empty ledger was met: until then all who live have written what they hold. */
const SETTLE_MS = 2500;
const ATTEMPTS = 8;

/** What shares need. */
export interface SharesOptions {
  readonly config: () => LimitsConfig;
  readonly kv: KeyValue;
  readonly clock: Clock;
  readonly replicaId: string;
  readonly replicas: () => number;
  readonly pools: () => Iterable<Pool>;
  /** Called after shares may have grown; `limits` when a limit is another one. */
  readonly onChange: (limits: boolean) => void;
}

const keyOf = (pool: Pool): string => `${pool.queue.queue} ${pool.lane}`;

/** Splits the limits between the replicas of one store, by beats of one second. */
export class Shares {
  readonly #options: SharesOptions;
  readonly #id: string;
  /** When the line of each other replica was last seen to change, by this replica's own time: their clocks may differ. */
  readonly #heard = new Map<string, { beat: number; at: number }>();
  #local: Ledger = EMPTY;
  #member = false;
  #lastBeat = Number.NEGATIVE_INFINITY;
  #lastWritten: number | null = null;
  /** Until then no share grows, because others may hold what the ledger does not tell. */
  #heldUntil = 0;
  /** It went by an equal part, without the others. */
  #alone = false;
  #emptyAt: number | null = null;
  #replicas: number | null = null;
  #beating: Promise<void> | null = null;
  #again = false;
  #quick: Disposable | null = null;
  #closed = false;

  constructor(options: SharesOptions) {
    this.#options = options;
    // Hashed, because the id may tell a host name.
    this.#id = createHash('sha256').update(options.replicaId).digest('base64url').slice(0, 16);
  }

  /** One beat; to be called every second. */
  beat(): void {
    // After a standstill of this process others may have taken its turns already.
    if (this.#lastWritten !== null) this.#fallBack(false);
    this.#start(true);
  }

  /** A beat soon, because turns are missed or can be given up. */
  hurry(): void {
    if (this.#closed || this.#quick !== null || this.#options.kv.kind === 'memory') return;
    const wait = Math.max(0, this.#lastBeat + QUICK_MS - this.#options.clock.elapsed());
    this.#quick = this.#options.clock.after(wait, () => {
      this.#quick = null;
      this.#start(false);
    });
  }

  /** A beat at once, for pools that have just been opened. */
  open(): void {
    this.#start(false);
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#quick?.[Symbol.dispose]();
    await this.#beating;
    if (this.#options.kv.kind === 'memory' || !this.#member) return;
    await this.#change((ledger) => leave(ledger, this.#id)).catch(() => undefined);
  }

  #start(counts: boolean): void {
    if (this.#closed) return;
    this.#lastBeat = this.#options.clock.elapsed();
    if (this.#options.kv.kind === 'memory') {
      // One process: all of it is ours, without asking anybody.
      const { ledger, grants } = announce(this.#local, { ...this.#say(counts), ceiling: (limit) => limit });
      this.#local = ledger;
      this.#apply(grants, counts);
    } else if (this.#beating !== null) this.#again = true;
    else {
      this.#beating = this.#exchange(counts).finally(() => {
        this.#beating = null;
        if (!this.#again) return;
        this.#again = false;
        this.#start(false);
      });
    }
  }

  async #exchange(counts: boolean): Promise<void> {
    let grants = new Map<string, Grant>();
    const sentAt = this.#options.clock.elapsed();
    try {
      const done = await this.#change((ledger) => {
        this.#listen(ledger);
        const next = announce(ledger, this.#say(counts));
        grants = next.grants;
        return next.ledger;
      });
      if (!done) return;
      this.#member = true;
      this.#alone = false;
      this.#lastWritten = sentAt;
      this.#apply(grants, counts);
    } catch {
      // The store's adapter reports that it is away.
      this.#fallBack(true);
    }
  }

  /** False when others were always quicker. */
  async #change(next: (ledger: Ledger) => Ledger): Promise<boolean> {
    for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
      const stored = await this.#options.kv.get(KEY);
      const text = JSON.stringify(next(parse(stored)));
      if (await this.#options.kv.compareAndSet(KEY, stored, text, KEPT_MS)) return true;
    }
    return false;
  }

  #listen({ beats }: Ledger): void {
    const now = this.#options.clock.elapsed();
    // What the others hold since the store went away they write only now, and nobody could hear them live.
    if (this.#alone) this.#heldUntil = now + LIFE_MS;
    for (const [id, beat] of Object.entries(beats)) {
      if (this.#alone || this.#heard.get(id)?.beat !== beat) this.#heard.set(id, { beat, at: now });
    }
    for (const id of this.#heard.keys()) if (beats[id] === undefined) this.#heard.delete(id);
    // The store forgot what was agreed: others hold turns that it does not know of yet.
    if (this.#member && beats[this.#id] === undefined) this.#heldUntil = Math.max(this.#heldUntil, now + SETTLE_MS);
    else if (!this.#member && Object.keys(beats).length === 0) this.#emptyAt ??= now;
    const others = Object.keys(beats).filter((id) => id !== this.#id && this.#lives(id)).length;
    this.#replicas = others + 1;
  }

  #lives(id: string): boolean {
    const heard = this.#heard.get(id);
    return heard !== undefined && this.#options.clock.elapsed() - heard.at < LIFE_MS;
  }

  #ceiling(limit: number): number {
    const now = this.#options.clock.elapsed();
    if (now < this.#heldUntil) return 0;
    if (this.#emptyAt === null || now - this.#emptyAt >= SETTLE_MS) return limit;
    // It may be the first start, or the store lost what others hold, and they have not written it again yet.
    return Math.max(1, Math.floor(limit / Math.max(1, this.#options.replicas())));
  }

  #say(counts: boolean): Announcement {
    const { lanes } = this.#options.config();
    const pools = new Map<string, OwnPool>();
    for (const pool of this.#options.pools()) {
      const { concurrency: start, most } = lanes[pool.lane];
      pools.set(keyOf(pool), {
        held: Math.max(pool.share, pool.inFlight),
        demand: Math.max(pool.demand, pool.inFlight + pool.line.size),
        bounds: { adaptive: lanes.mode === 'adaptive', start, most },
        sample: pool.sample(),
      });
    }
    return { id: this.#id, counts, pools, lives: (id) => this.#lives(id), ceiling: (limit) => this.#ceiling(limit) };
  }

  #apply(grants: ReadonlyMap<string, Grant>, counts: boolean): void {
    let [missing, changed] = [false, false];
    for (const pool of this.#options.pools()) {
      const grant = grants.get(keyOf(pool));
      if (grant === undefined) continue;
      const givesUp = grant.share < pool.share && pool.inFlight <= grant.share;
      if (counts) pool.demand = pool.inFlight + pool.line.size;
      changed ||= pool.limit !== 0 && pool.limit !== grant.limit;
      pool.limit = grant.limit;
      pool.setShare(grant.share);
      pool.observe(grant.window, grant.era);
      missing ||= givesUp;
    }
    this.#options.onChange(changed);
    for (const pool of this.#options.pools()) missing ||= pool.line.size > 0 && pool.share < pool.limit;
    if (missing) this.hurry();
  }

  /** An equal part for each replica that was last known; grows to it only when all have surely shrunk to theirs. */
  #fallBack(mayGrow: boolean): void {
    const now = this.#options.clock.elapsed();
    const silent = this.#lastWritten === null ? Number.POSITIVE_INFINITY : now - this.#lastWritten;
    if (silent < ALONE_MS) return;
    this.#alone = true;
    const grows = mayGrow && silent >= LIFE_MS;
    const replicas = Math.max(1, this.#replicas ?? this.#options.replicas());
    const { lanes } = this.#options.config();
    for (const pool of this.#options.pools()) {
      if (lanes.mode !== 'adaptive' || pool.limit === 0) pool.limit = lanes[pool.lane].concurrency;
      const part = Math.max(1, Math.floor(pool.limit / replicas));
      pool.setShare(grows ? part : Math.min(pool.share, part));
    }
    this.#options.onChange(false);
  }
}

/** What is no ledger counts as an empty one. */
function parse(stored: string | null): Ledger {
  if (stored === null) return EMPTY;
  try {
    const read = JSON.parse(stored) as Partial<Ledger> | null;
    return read?.beats !== undefined && read.pools !== undefined ? { beats: read.beats, pools: read.pools } : EMPTY;
  } catch {
    return EMPTY;
  }
}
