import { type Clock, GatewayError, type RouteClass } from '../kernel/index.ts';
import type { Report } from '../observe/index.ts';
import type { KeyValue } from '../platform/index.ts';
import { MAINTENANCE_CHANNEL, maintenanceKey, readMaintenance } from './maintenance-store.ts';
import { createRecordWatch } from './maintenance-watch.ts';

/** Why no submission goes to a queue. */
export interface Freeze {
  readonly queue: string;
  /** Milliseconds since the epoch; null: when that will be is not known. */
  readonly until: number | null;
  /** In words. */
  readonly reason: string;
}

/** Who may freeze a queue beside the announced maintenance: a planned failover, or a replica that has not followed one. */
export type FreezeCause = 'failover' | 'behind';

/** Whether submissions may go to a queue, and which are under way. */
export interface Maintenance extends AsyncDisposable {
  /** From memory; null: submissions go. */
  frozen(queue: string): Freeze | null;
  /** Throws GW_MAINTENANCE with the announced end as Retry-After. */
  admit(queue: string): void;
  /** A submission goes to vovserver; disposed when it has its answer. */
  began(queue: string): Disposable;
  /** Resolves when none is under way, or after `ms`; gives how many still are. */
  settled(queue: string, ms: number): Promise<number>;
  /** Freezes a queue on this replica, or ends that freeze (null). */
  set(cause: FreezeCause, queue: string, freeze: Omit<Freeze, 'queue'> | null): void;
  /** Reads the store now. Never throws. */
  refresh(): Promise<void>;
}

export interface MaintenanceOptions {
  readonly kv: KeyValue;
  readonly clock: Clock;
  /** Names of the configured queues. */
  readonly queues: () => readonly string[];
  readonly report: Pick<Report, 'log' | 'maintenance'>;
}

/** Seconds to wait where no end is known. */
const UNKNOWN_END = 30;

/**
 * True for a call that may start work: submissions, and changes of jobs, since vovserver runs or queues a changed job anew
 * ("Restrictions and Consequences"). Kills and all other control calls (PUT, DELETE) always go.
 */
export const startsWork = (call: { readonly class: RouteClass; readonly method: string }): boolean =>
  call.class === 'submit' || call.method === 'PATCH';

const isoOf = (ms: number): string => new Date(ms).toISOString().replace(/\.\d+Z$/, 'Z');

/** A freeze in words: until when and why. */
export function freezeText({ until, reason }: Freeze): string {
  const end = until === null ? '' : `until ${isoOf(until)}`;
  return [end, reason].filter((part) => part !== '').join(': ');
}

function refusal(freeze: Freeze): GatewayError {
  const detail = `Submissions to ${freeze.queue} are held back, ${freezeText(freeze)}. Reads and kills go on.`;
  // The header counts whole seconds: never before the end.
  const end = freeze.until === null ? null : Math.ceil(freeze.until / 1000) * 1000;
  return new GatewayError(
    'GW_MAINTENANCE',
    detail,
    end === null ? { retryAfter: UNKNOWN_END } : { retryAt: new Date(end) },
  );
}

/** Of two freezes, the one that ends later; one without an end only when there is no other. */
function later(one: Freeze | null, other: Freeze | null): Freeze | null {
  if (one === null || other === null) return one ?? other;
  return (other.until ?? 0) > (one.until ?? 0) ? other : one;
}

class WatchedMaintenance implements Maintenance {
  readonly #options: MaintenanceOptions;
  readonly #causes = new Map<string, Freeze>();
  readonly #underWay = new Map<string, number>();
  readonly #told = new Map<string, boolean>();
  /** What is announced for each queue, in words; null: nothing. */
  readonly #announced = new Map<string, string | null>();
  readonly #settling = new Set<() => void>();
  readonly #watch;

  constructor(options: MaintenanceOptions) {
    this.#options = options;
    const { kv, clock, queues } = options;
    this.#watch = createRecordWatch({
      kv,
      clock,
      channel: MAINTENANCE_CHANNEL,
      keys: () => queues().map(maintenanceKey),
      onRead: () => this.#tell(),
    });
  }

  frozen(queue: string): Freeze | null {
    const now = this.#options.clock.now();
    const live = (cause: FreezeCause): Freeze | null => {
      const freeze = this.#causes.get(`${cause} ${queue}`) ?? null;
      return freeze === null || freeze.until === null || freeze.until > now ? freeze : null;
    };
    return later(later(this.#known(queue), live('failover')), live('behind'));
  }

  admit(queue: string): void {
    const freeze = this.frozen(queue);
    if (freeze !== null) throw refusal(freeze);
  }

  began(queue: string): Disposable {
    this.#count(queue, 1);
    let open = true;
    return {
      [Symbol.dispose]: () => {
        if (open) this.#count(queue, -1);
        open = false;
      },
    };
  }

  async settled(queue: string, ms: number): Promise<number> {
    const end = this.#options.clock.elapsed() + ms;
    while (this.#under(queue) > 0) {
      const rest = end - this.#options.clock.elapsed();
      if (rest <= 0) break;
      await this.#change(rest);
    }
    return this.#under(queue);
  }

  set(cause: FreezeCause, queue: string, freeze: Omit<Freeze, 'queue'> | null): void {
    const key = `${cause} ${queue}`;
    if (freeze === null) this.#causes.delete(key);
    else this.#causes.set(key, { ...freeze, queue });
    this.#tell();
  }

  refresh(): Promise<void> {
    return this.#watch.refresh();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#watch[Symbol.asyncDispose]();
  }

  /** The announced maintenance. */
  #known(queue: string): Freeze | null {
    const announced = readMaintenance(queue, this.#watch.text(maintenanceKey(queue)), this.#options.clock.now());
    return announced === null ? null : { ...announced, reason: announced.reason || 'maintenance' };
  }

  #under(queue: string): number {
    return this.#underWay.get(queue) ?? 0;
  }

  #count(queue: string, by: number): void {
    this.#underWay.set(queue, this.#under(queue) + by);
    for (const wake of this.#settling) wake();
  }

  /** Resolves when a submission begins or ends, at the latest after `ms`. */
  #change(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const wake = (): void => {
        this.#settling.delete(wake);
        timer[Symbol.dispose]();
        resolve();
      };
      const timer = this.#options.clock.after(ms, wake);
      this.#settling.add(wake);
    });
  }

  /** Log lines where a freeze begins, changes its end or reason, or ends; and the metric. */
  #tell(): void {
    const { queues, report } = this.#options;
    for (const queue of queues()) {
      const freeze = this.frozen(queue);
      const before = this.#told.get(queue);
      this.#tellChange(queue);
      if (before === (freeze !== null)) continue;
      this.#told.set(queue, freeze !== null);
      report.maintenance(queue, freeze !== null);
      if (freeze !== null) {
        const fields = { event: 'maintenance_began', queue, reason: freezeText(freeze) };
        report.log.warn(fields, 'submissions to this queue are held back');
      } else if (before === true) {
        report.log.info({ event: 'maintenance_ended', queue }, 'submissions to this queue go on');
      }
    }
  }

  /** A log line when the announced maintenance that runs has another end or reason. */
  #tellChange(queue: string): void {
    const known = this.#known(queue);
    const reason = known === null ? null : freezeText(known);
    const before = this.#announced.get(queue) ?? null;
    this.#announced.set(queue, reason);
    if (before === null || reason === null || before === reason) return;
    const fields = { event: 'maintenance_changed', queue, reason };
    this.#options.report.log.warn(fields, 'submissions to this queue are still held back, with another end or reason');
  }
}

/**
 * Knows within a second which queues are frozen, on every replica: by a message, else by the next look at the store. With
 * the store away the last known state holds; an announced end is kept by this replica's own clock.
 */
export function createMaintenance(options: MaintenanceOptions): Maintenance {
  return new WatchedMaintenance(options);
}
