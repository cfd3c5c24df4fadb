import type { Config } from '../config/index.ts';
import { type Clock, GatewayError, messageOf } from '../kernel/index.ts';
import {
  choiceKey,
  createRecordWatch,
  FAILOVER_CHANNEL,
  type FailoverAnswer,
  type FailoverChoice,
  type FailoverOrder,
  type FailoverStore,
  type Maintenance,
  orderKey,
  readChoice,
  readOrder,
  replicaKey,
} from '../limits/index.ts';
import type { Report } from '../observe/index.ts';
import type { KeyValue } from '../platform/index.ts';
import type { SwitchedTo, Upstream } from '../upstream/index.ts';

/** This replica's part in planned failovers. */
export interface PlannedFailover extends AsyncDisposable {
  /** Follows the store now, and resolves when this replica uses the candidate that was chosen or has tried it. */
  follow(): Promise<void>;
}

export interface PlannedFailoverOptions {
  readonly kv: KeyValue;
  readonly store: FailoverStore;
  readonly maintenance: Pick<Maintenance, 'set' | 'settled'>;
  readonly upstream: Pick<Upstream, 'switchTo' | 'status'>;
  readonly queues: () => Config['queues'];
  readonly replicaId: string;
  readonly clock: Clock;
  readonly report: Pick<Report, 'log'>;
}

/** Milliseconds between two attempts to follow the others. */
const RETRY = 5000;
/** Milliseconds between two looks whether an order still holds while submissions end. */
const LOOK = 500;
const NEVER = Number.NEGATIVE_INFINITY;

const reasonOf = (error: unknown): string => (error instanceof GatewayError ? error.detail : messageOf(error));
const originOf = (url: string): string => URL.parse(url)?.origin ?? url;

/** What is to be known of the server that a queue was moved to. */
const namedText = ({ unnamed }: SwitchedTo): { reason?: string } =>
  unnamed === true ? { reason: 'its queue name is not known yet: it is checked at the first login' } : {};

/** What this replica knows of the failovers of one queue. */
interface Known {
  /** The order that it carries out or has carried out. */
  order: string | null;
  /** The order whose choice it uses. */
  uses: string | null;
  busy: Promise<void> | null;
  /** By `Clock.elapsed`. */
  retryAt: number;
  told: string;
}

class Follower implements PlannedFailover {
  readonly #options: PlannedFailoverOptions;
  readonly #known = new Map<string, Known>();
  readonly #watch;

  constructor(options: PlannedFailoverOptions) {
    this.#options = options;
    const { kv, clock, queues } = options;
    this.#watch = createRecordWatch({
      kv,
      clock,
      channel: FAILOVER_CHANNEL,
      keys: () => queues().flatMap(({ name }) => [orderKey(name), choiceKey(name)]),
      onRead: () => this.#look(),
    });
  }

  async follow(): Promise<void> {
    await this.#watch.refresh();
    await Promise.all([...this.#known.values()].map(({ busy }) => busy));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#watch[Symbol.asyncDispose]();
  }

  #look(): void {
    for (const queue of this.#options.queues()) {
      const known = this.#known.get(queue.name) ?? { order: null, uses: null, busy: null, retryAt: NEVER, told: '' };
      this.#known.set(queue.name, known);
      this.#lookAt(queue, known);
    }
  }

  #lookAt({ name, urls }: Config['queues'][number], known: Known): void {
    const { clock, maintenance } = this.#options;
    const now = clock.elapsed();
    const order = readOrder(name, this.#watch.text(orderKey(name)), clock.now());
    // Whoever uses the choice waits for nobody: the command may have ended without ending its order.
    const isDone = order === null || order.id === known.uses;
    maintenance.set('failover', name, isDone ? null : { until: order.until, reason: 'planned failover' });
    if (known.busy !== null) return;
    if (order !== null && order.id !== known.order) {
      known.order = order.id;
      this.#work(known, this.#carryOut(order, known));
      return;
    }
    const choice = readChoice(this.#watch.text(choiceKey(name)));
    const url = choice === null ? undefined : urls.find((candidate) => originOf(candidate) === choice.origin);
    // What the configuration no longer names is no candidate, unless the others moved to it before this replica's eyes.
    if (choice === null || (url === undefined && choice.id !== known.order)) maintenance.set('behind', name, null);
    else if (choice.id !== known.uses) {
      const reason = `this replica does not use ${choice.origin} yet, to which the queue was moved`;
      maintenance.set('behind', name, { until: null, reason });
      if (url !== undefined && now >= known.retryAt) this.#work(known, this.#catchUp(name, url, choice, known));
    } else {
      maintenance.set('behind', name, null);
      if (now < known.retryAt || !this.#hasLeft(name, choice)) return;
      known.retryAt = now + RETRY;
      this.#work(known, this.#options.store.forget(name, choice));
    }
  }

  /** One thing at a time for a queue. */
  #work(known: Known, work: Promise<void>): void {
    const { report } = this.#options;
    known.busy = work
      .catch((error: unknown) => {
        report.log.warn({ event: 'planned_failover', reason: messageOf(error) }, 'the store did not answer');
      })
      .finally(() => {
        known.busy = null;
        // What changed meanwhile is looked at now, not in a second.
        void this.#watch.refresh();
      });
  }

  /** True when the chosen server failed later and another candidate answers in its place. */
  #hasLeft(queue: string, { origin }: FailoverChoice): boolean {
    const status = this.#options.upstream.status().find((one) => one.queue === queue);
    return status?.state === 'up' && originOf(status.url) !== origin;
  }

  async #carryOut(order: FailoverOrder, known: Known): Promise<void> {
    const { store, replicaId, report } = this.#options;
    const { queue } = order;
    const unfinished = await this.#settled(order);
    const tell = (answer: Pick<FailoverAnswer, 'origin' | 'reason' | 'unnamed'>): Promise<void> =>
      store.answer(order, replicaKey(replicaId), { replica: replicaId, unfinished, ...answer });
    // The command may have been given up meanwhile.
    if ((await store.find(queue))?.id !== order.id) return;
    try {
      const moved = await this.#switch(order, known);
      const fields = { event: 'planned_failover', queue, host: moved.origin, count: unfinished, ...namedText(moved) };
      report.log.warn(fields, 'the queue was moved');
      await tell({ ...moved, reason: '' });
    } catch (error) {
      const reason = reasonOf(error);
      report.log.error({ event: 'planned_failover', queue, reason }, 'the queue was not moved');
      await tell({ origin: null, reason });
    }
  }

  /** Resolves when no submission is under way, its time is over, or the order was given up; gives how many still are. */
  async #settled({ queue, id, waitMs }: FailoverOrder): Promise<number> {
    const { maintenance, clock } = this.#options;
    const end = clock.elapsed() + waitMs;
    for (;;) {
      const rest = end - clock.elapsed();
      const unfinished = await maintenance.settled(queue, Math.min(rest, LOOK));
      const order = readOrder(queue, this.#watch.text(orderKey(queue)), clock.now());
      if (unfinished === 0 || rest <= LOOK || order?.id !== id) return unfinished;
    }
  }

  async #switch({ queue, id, to }: FailoverOrder, known: Known): Promise<SwitchedTo> {
    const { store, upstream, clock } = this.#options;
    const moved = await upstream.switchTo(queue, to);
    const choice = await store.choose(queue, { id, origin: originOf(moved.origin), at: clock.now() });
    // Each replica by itself may have found another one to be the next.
    const isSame = choice.origin === originOf(moved.origin);
    const last = isSame ? moved : await upstream.switchTo(queue, this.#candidate(queue, choice));
    known.uses = id;
    return { ...last, origin: choice.origin };
  }

  #candidate(queue: string, { origin }: FailoverChoice): string {
    const found = this.#options.queues().find(({ name }) => name === queue);
    return found?.urls.find((url) => originOf(url) === origin) ?? origin;
  }

  /** Follows the others: after a start, or when this replica could not switch with them. */
  async #catchUp(queue: string, url: string, choice: FailoverChoice, known: Known): Promise<void> {
    const { upstream, report, clock } = this.#options;
    try {
      const moved = await upstream.switchTo(queue, url);
      known.uses = choice.id;
      known.told = '';
      const fields = { event: 'planned_failover', queue, host: choice.origin, ...namedText(moved) };
      report.log.info(fields, 'this replica uses the server to which the queue was moved');
    } catch (error) {
      known.retryAt = clock.elapsed() + RETRY;
      const reason = reasonOf(error);
      if (reason === known.told) return;
      known.told = reason;
      const fields = { event: 'planned_failover', queue, host: choice.origin, reason };
      report.log.error(
        fields,
        'this replica cannot use the server to which the queue was moved; it holds submissions back',
      );
    }
  }
}

/**
 * Carries out planned failovers that `vovgw failover` orders through the store, and follows their outcome: a replica that
 * does not use the chosen server lets no submission go.
 */
export function createPlannedFailover(options: PlannedFailoverOptions): PlannedFailover {
  return new Follower(options);
}
