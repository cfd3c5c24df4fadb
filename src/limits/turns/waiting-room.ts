import type { LimitsConfig } from '../../config/index.ts';
import type { Clock } from '../../kernel/index.ts';
import type { Report } from '../../observe/index.ts';
import type { HeldTurn, TurnAsk } from '../ports.ts';
import { Waiter } from './fair-queue.ts';
import type { Party } from './parties.ts';
import { LANES, type Pool, type QueuePools } from './pool.ts';
import { saturated } from './saturated.ts';

type Why = 'full' | 'late' | 'gone' | 'closing';

/** What the waiting room needs. */
export interface WaitingRoomOptions {
  readonly clock: Clock;
  readonly random: () => number;
  readonly report: Pick<Report, 'turn'>;
}

/** One ask in the waiting room: in its lane's line until it is called, too late, or its caller gone. */
class Guest extends Waiter {
  readonly pool: Pool;
  readonly ask: TurnAsk;
  readonly party: Party;
  readonly since: number;
  resolve: (turn: HeldTurn) => void = () => undefined;
  reject: (error: Error) => void = () => undefined;
  timer: Disposable | null = null;
  readonly #room: WaitingRoom;

  constructor(room: WaitingRoom, pool: Pool, ask: TurnAsk, party: Party, since: number) {
    super(ask.identity, ask.token, pool.costs.of(ask.route));
    this.#room = room;
    this.pool = pool;
    this.ask = ask;
    this.party = party;
    this.since = since;
  }

  /** The caller went away. */
  handleEvent(): void {
    this.#room.dismiss(this, 'gone');
  }
}

/** Where asks wait for their turn. */
export class WaitingRoom {
  readonly #options: WaitingRoomOptions;
  readonly #guests = new Set<Guest>();
  #fullAt = 1;

  constructor(options: WaitingRoomOptions) {
    this.#options = options;
  }

  /** Throws GW_SATURATED at once when the line is full. Takes over the hold on `party` only when it does not. */
  wait(pool: Pool, ask: TurnAsk, party: Party, lanes: LimitsConfig['lanes']): Promise<HeldTurn> {
    this.#fullAt = lanes.queueLength;
    const { line } = pool;
    if (ask.signal.aborted) throw this.#refuse(pool, 'gone', 0);
    const full = line.size >= lanes.queueLength || line.waitingOf(ask.identity) >= lanes.identityQueueLength;
    if (full) throw this.#refuse(pool, 'full', 0);
    const most = ask.waitMs === null ? lanes.maxWait : Math.min(Math.max(0, ask.waitMs), lanes.longestWait);
    if (most === 0) throw this.#refuse(pool, 'late', 0);
    return this.#seat(new Guest(this, pool, ask, party, this.#options.clock.elapsed()), most);
  }

  /** Calls whoever can go: control before submit before read before list. */
  call(queue: QueuePools): void {
    if (queue.waiting === 0) return;
    for (const lane of LANES) {
      const pool = queue.lanes[lane];
      while (pool.line.size > 0 && pool.hasRoom()) {
        const guest = pool.line.next((one) => one instanceof Guest && pool.suits(one.party));
        if (!(guest instanceof Guest)) break;
        this.#leave(guest);
        this.#report(pool, 'given', this.#waited(guest));
        guest.resolve(pool.begin(guest.route, guest.party));
      }
    }
  }

  /** Gives every waiting ask what `turn` gives for its pool. */
  release(turn: (pool: Pool) => HeldTurn): void {
    for (const guest of this.#guests) {
      guest.pool.line.remove(guest);
      this.#leave(guest);
      guest.pool.queue.parties.release(guest.party);
      this.#report(guest.pool, 'given', this.#waited(guest));
      guest.resolve(turn(guest.pool));
    }
  }

  dismiss(guest: Guest, why: Why): void {
    const { pool } = guest;
    if (!this.#guests.has(guest)) return;
    pool.line.remove(guest);
    this.#leave(guest);
    pool.queue.parties.release(guest.party);
    guest.reject(this.#refuse(pool, why, this.#waited(guest)));
  }

  close(): void {
    for (const guest of this.#guests) this.dismiss(guest, 'closing');
  }

  #seat(guest: Guest, most: number): Promise<HeldTurn> {
    const { pool, ask } = guest;
    const { queue } = pool;
    pool.line.add(guest);
    queue.waiting += 1;
    pool.demand = Math.max(pool.demand, pool.inFlight + pool.line.size);
    this.#guests.add(guest);
    guest.timer = this.#options.clock.after(most, () => this.dismiss(guest, 'late'));
    ask.signal.addEventListener('abort', guest);
    return new Promise((resolve, reject) => {
      guest.resolve = resolve;
      guest.reject = reject;
    });
  }

  #leave(guest: Guest): void {
    this.#guests.delete(guest);
    guest.pool.queue.waiting -= 1;
    guest.timer?.[Symbol.dispose]();
    guest.ask.signal.removeEventListener('abort', guest);
  }

  #waited(guest: Guest): number {
    return Math.max(0, this.#options.clock.elapsed() - guest.since) / 1000;
  }

  #refuse(pool: Pool, why: Why, seconds: number): Error {
    this.#report(pool, why === 'closing' ? 'late' : why, seconds);
    return saturated(why, pool.lane, pool.line.size / this.#fullAt, this.#options.random);
  }

  #report(pool: Pool, result: 'given' | 'full' | 'late' | 'gone', seconds: number): void {
    this.#options.report.turn(pool.queue.queue, pool.lane, result, seconds);
  }
}
