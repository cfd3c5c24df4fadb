import type { LimitsConfig } from '../../config/index.ts';
import type { Clock } from '../../kernel/index.ts';
import type { Report } from '../../observe/index.ts';
import type { KeyValue } from '../../platform/index.ts';
import type { HeldTurn, LaneState, TurnAsk, Turns } from '../ports.ts';
import type { Party } from './parties.ts';
import { LANES, type Pool, QueuePools } from './pool.ts';
import { BEAT_MS, Shares } from './shares.ts';
import { WaitingRoom } from './waiting-room.ts';

const FREE: HeldTurn = Object.freeze({ done: () => undefined });

/** What turns need. `config` and `replicas` are read at each use, so that a reload takes effect. */
export interface TurnsOptions {
  readonly config: () => LimitsConfig;
  readonly kv: KeyValue;
  /** The configured number of replicas. */
  readonly replicas: () => number;
  readonly clock: Clock;
  /** 0 to 1, for the jitter of Retry-After. */
  readonly random: () => number;
  readonly report: Report;
  /** Connections that one account may have to a queue: nobody holds a turn and waits for a connection. Default: any. */
  readonly connections?: (queue: string) => number;
  /** Unique among the replicas. */
  readonly replicaId: string;
}

class FairTurns implements Turns {
  readonly #options: TurnsOptions;
  readonly #queues = new Map<string, QueuePools>();
  readonly #room: WaitingRoom;
  readonly #shares: Shares;
  readonly #ticking: Disposable;

  constructor(options: TurnsOptions) {
    this.#options = options;
    this.#room = new WaitingRoom(options);
    this.#shares = new Shares({ ...options, pools: () => this.#pools(), onChange: (limits) => this.#changed(limits) });
    this.#ticking = options.clock.every(BEAT_MS, () => this.#tick());
  }

  take(ask: TurnAsk): HeldTurn | Promise<HeldTurn> {
    const { lanes } = this.#options.config();
    if (lanes.mode === 'off') return FREE;
    const queue = this.#queues.get(ask.queue) ?? this.#open(ask.queue);
    const pool = queue.lanes[ask.lane];
    queue.connections = this.#options.connections?.(ask.queue) ?? Number.POSITIVE_INFINITY;
    const party = queue.parties.hold(ask.identity, ask.account ?? ask.identity);
    // Whoever waits while there is room waits for something of its own.
    if (!pool.hasRoom() || !pool.suits(party)) return this.#wait(pool, ask, party, lanes);
    this.#options.report.turn(ask.queue, ask.lane, 'given', 0);
    return pool.begin(pool.costs.of(ask.route), party);
  }

  state(): readonly LaneState[] {
    return [...this.#pools()].map(({ queue: { queue }, lane, share, limit, inFlight, line }) => {
      return { queue, lane, share, limit, inFlight, waiting: line.size };
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ticking[Symbol.dispose]();
    this.#room.close();
    await this.#shares.close();
  }

  *#pools(): Iterable<Pool> {
    for (const queue of this.#queues.values()) for (const lane of LANES) yield queue.lanes[lane];
  }

  #open(name: string): QueuePools {
    const queue = new QueuePools(name, (freed) => this.#room.call(freed));
    this.#queues.set(name, queue);
    this.#shares.open();
    return queue;
  }

  #wait(pool: Pool, ask: TurnAsk, party: Party, lanes: LimitsConfig['lanes']): Promise<HeldTurn> {
    const { queue } = pool;
    try {
      const waiting = this.#room.wait(pool, ask, party, lanes);
      if (pool.share < pool.limit) this.#shares.hurry();
      return waiting;
    } catch (error) {
      queue.parties.release(party);
      throw error;
    }
  }

  #changed(limits: boolean): void {
    for (const queue of this.#queues.values()) this.#room.call(queue);
    if (limits) this.#tell();
  }

  #tick(): void {
    if (this.#options.config().lanes.mode === 'off') this.#room.release(() => FREE);
    this.#shares.beat();
    this.#tell();
  }

  #tell(): void {
    for (const { queue, lane, limit, inFlight, line } of this.#pools()) {
      this.#options.report.lane(queue.queue, lane, limit, inFlight, line.size);
    }
  }
}

/** Creates the turns of this replica towards the vovservers; disposing refuses whoever still waits. */
export function createTurns(options: TurnsOptions): Turns {
  return new FairTurns(options);
}
