import type { Socket } from 'node:net';
import { Client } from 'undici';
import { type NotSent, UpstreamFailure } from './failure.ts';
import type { Wire } from './open-socket.ts';
import type { Opener } from './small-call.ts';

/** One connection to vovserver. It belongs to one account for its whole life, so a stray byte can reach only that one. */
export interface Connection {
  readonly client: Client;
  readonly account: string;
  socket: Socket | null;
  /** What is below TLS; the socket itself on plain HTTP. */
  wire: Wire | null;
  /** Pin of the server's key on this socket; null before the handshake and on plain HTTP. */
  pin: string | null;
  /** Complete answers that came over this socket. */
  served: number;
  state: 'busy' | 'idle' | 'gone';
}

export type Urgency = 0 | 1 | 2;

/** Somebody who needs a connection of an account. */
export interface Waiter {
  readonly account: string;
  /** Higher goes first and may open more connections than `perAccount`: 1 submissions, 2 kills, which wait behind no reads. */
  readonly urgency?: Urgency;
  /** Takes the connection over until `release`. */
  start(connection: Connection): void;
  /** The pool ended before it had a connection. */
  refuse(failure: NotSent): void;
}

/** The connections to one origin under one TLS policy, kept apart by account. */
export interface Pool {
  /** Open sockets. */
  readonly open: number;
  /** Calls `waiter.start`, now or when a connection is free. `fresh` opens a new one and drops the account's idle ones. */
  take(waiter: Waiter, fresh: boolean): void;
  forget(waiter: Waiter): void;
  /** Gives a connection back; `reusable` only after one complete answer to one complete request, else it is reset. */
  release(connection: Connection, reusable: boolean): void;
  /** Cuts at once every connection that `refuses` names, with what runs on it. */
  cut(refuses: (connection: Connection) => boolean, error: UpstreamFailure): void;
  /** Closes idle connections now and busy ones after their answer; refuses who waits. */
  retire(): void;
}

export interface PoolOptions {
  readonly origin: string;
  /** Connections of one account, and of all accounts together. */
  readonly perAccount: number;
  readonly total: number;
  readonly client: Client.Options;
  readonly open: Opener;
  /** The number of open sockets changed. */
  readonly counted: () => void;
}

interface Lane {
  readonly idle: Connection[];
  size: number;
  /** Order of the last use: the smallest is the idlest account. */
  used: number;
}

/** Connections beyond those of an account that calls of each urgency may open. */
const EXTRA_CONNECTIONS = [0, 4, 6] as const;
const ignore = (): void => undefined;
const CLOSED = new UpstreamFailure('reset', 'the connection was closed by the gateway');
const REPLACED: NotSent = { sent: 'not_sent', kind: 'reset', reason: 'the pool was replaced' };

class AccountPool implements Pool {
  readonly #options: PoolOptions;
  readonly #lanes = new Map<string, Lane>();
  readonly #connections = new Set<Connection>();
  readonly #waiting = new Map<Waiter, boolean>();
  #uses = 0;
  #retired = false;
  #serving = false;
  open = 0;

  constructor(options: PoolOptions) {
    this.#options = options;
  }

  take(waiter: Waiter, fresh: boolean): void {
    if (this.#retired) {
      waiter.refuse(REPLACED);
      return;
    }
    const mustWait = this.#waiting.size > 0 && (waiter.urgency ?? 0) === 0;
    const connection = mustWait ? null : this.#grant(waiter, fresh);
    if (connection !== null) {
      waiter.start(connection);
      return;
    }
    this.#waiting.set(waiter, fresh);
    this.#serveSoon();
  }

  forget(waiter: Waiter): void {
    this.#waiting.delete(waiter);
  }

  release(connection: Connection, reusable: boolean): void {
    if (reusable && connection.wire !== null) connection.wire.awaitsAnswer = false;
    if (connection.state === 'gone') return;
    if (!reusable || this.#retired || connection.socket === null || connection.socket.destroyed) {
      this.#remove(connection, CLOSED);
      return;
    }
    connection.served += 1;
    connection.state = 'idle';
    this.#lanes.get(connection.account)?.idle.push(connection);
    this.#serveSoon();
  }

  cut(refuses: (connection: Connection) => boolean, error: UpstreamFailure): void {
    for (const connection of [...this.#connections]) if (refuses(connection)) this.#remove(connection, error);
  }

  retire(): void {
    this.#retired = true;
    for (const connection of [...this.#connections]) if (connection.state === 'idle') this.#remove(connection, CLOSED);
    const waiting = [...this.#waiting.keys()];
    this.#waiting.clear();
    for (const waiter of waiting) waiter.refuse(REPLACED);
  }

  #laneOf(account: string): Lane {
    let lane = this.#lanes.get(account);
    if (lane === undefined) {
      lane = { idle: [], size: 0, used: 0 };
      this.#lanes.set(account, lane);
    }
    this.#uses += 1;
    lane.used = this.#uses;
    return lane;
  }

  /** An idle connection of the account, or a new one when the bounds allow it, or null. */
  #grant({ account, urgency = 0 }: Waiter, fresh: boolean): Connection | null {
    const lane = this.#laneOf(account);
    for (let last = lane.idle.at(-1); last !== undefined; last = lane.idle.at(-1)) {
      if (fresh || last.socket === null || last.socket.destroyed) {
        this.#remove(last, CLOSED);
        continue;
      }
      lane.idle.pop();
      last.state = 'busy';
      if (last.wire !== null) last.wire.awaitsAnswer = true;
      return last;
    }
    const { perAccount, total } = this.#options;
    const most = perAccount + EXTRA_CONNECTIONS[urgency];
    const room = lane.size < most && (this.#connections.size < total || this.#closeIdlest());
    if (!room) {
      if (lane.size === 0) this.#lanes.delete(account);
      return null;
    }
    this.#lanes.set(account, lane);
    lane.size += 1;
    return this.#create(account);
  }

  #closeIdlest(): boolean {
    let idlest: Lane | undefined;
    for (const lane of this.#lanes.values()) {
      if (lane.idle.length > 0 && (idlest === undefined || lane.used < idlest.used)) idlest = lane;
    }
    const connection = idlest?.idle[0];
    if (connection === undefined) return false;
    this.#remove(connection, CLOSED);
    return true;
  }

  #create(account: string): Connection {
    const { origin, client: options, open } = this.#options;
    const connect: NonNullable<Client.Options['connect']> = (_options, callback) => {
      open((error, opened) => {
        if (opened === null) return callback(error ?? CLOSED, null);
        connection.socket = opened.socket;
        connection.wire = opened.wire;
        opened.wire.awaitsAnswer = true;
        connection.pin = opened.seen?.pin ?? null;
        connection.served = 0;
        callback(null, opened.socket);
      });
    };
    const client = new Client(origin, { ...options, connect, pipelining: 1, allowH2: false });
    const connection: Connection = { client, account, socket: null, wire: null, pin: null, served: 0, state: 'busy' };
    client.on('connect', () => this.#count(1));
    client.on('disconnect', () => {
      this.#count(-1);
      connection.socket = null;
      connection.wire = null;
      if (connection.state === 'idle') this.#remove(connection, CLOSED);
    });
    client.on('error' as 'drain', ignore);
    this.#connections.add(connection);
    return connection;
  }

  #remove(connection: Connection, error: UpstreamFailure): void {
    if (connection.state === 'gone') return;
    const lane = this.#lanes.get(connection.account);
    if (lane !== undefined) {
      const at = connection.state === 'idle' ? lane.idle.indexOf(connection) : -1;
      if (at >= 0) lane.idle.splice(at, 1);
      lane.size -= 1;
      if (lane.size === 0) this.#lanes.delete(connection.account);
    }
    connection.state = 'gone';
    this.#connections.delete(connection);
    connection.client.destroy(error, ignore);
    this.#serveSoon();
  }

  #count(change: number): void {
    this.open += change;
    this.#options.counted();
  }

  /** Not at once: undici looks at a connection for unasked bytes only when nothing is queued as its answer ends. */
  #serveSoon(): void {
    if (this.#serving || this.#waiting.size === 0) return;
    this.#serving = true;
    setImmediate(() => this.#serve());
  }

  #serve(): void {
    this.#serving = false;
    const waiting = [...this.#waiting];
    // Stable: those of one urgency stay in order.
    if (waiting.some(([{ urgency = 0 }]) => urgency > 0)) {
      waiting.sort(([{ urgency: a = 0 }], [{ urgency: b = 0 }]) => b - a);
    }
    for (const [waiter, fresh] of waiting) {
      const connection = this.#waiting.has(waiter) ? this.#grant(waiter, fresh) : null;
      if (connection === null) continue;
      this.#waiting.delete(waiter);
      waiter.start(connection);
    }
  }
}

/**
 * Creates a pool: at most `perAccount` connections of one account, four more for submissions, another two for kills, and `total` of all, one
 * request at a time on each; when the total is reached, the idlest account loses one. A connection whose server sends a byte that nobody asked
 * for is discarded by undici (GHSA-35p6-xmwp-9g52).
 */
export function createPool(options: PoolOptions): Pool {
  return new AccountPool(options);
}
