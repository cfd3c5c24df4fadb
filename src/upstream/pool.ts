import type { Socket } from 'node:net';
import { Client } from 'undici';
import { type NotSent, UpstreamFailure } from './failure.ts';
import type { Opened } from './open-socket.ts';

/** One connection to vovserver. It belongs to one account for its whole life, so a stray byte can reach only that one. */
export interface Connection {
  readonly client: Client;
  readonly account: string;
  socket: Socket | null;
  /** Pin of the server's key on this socket; null before the handshake and on plain HTTP. */
  pin: string | null;
  /** Complete answers that came over this socket. */
  served: number;
  state: 'busy' | 'idle' | 'gone';
}

/** Somebody who needs a connection of an account. */
export interface Waiter {
  readonly account: string;
  /** Takes the connection over until `release`. */
  start(connection: Connection): void;
  /** The pool ends before it had a connection. */
  refuse(failure: NotSent): void;
}

/** The connections to one origin under one TLS policy, kept apart by account. */
export interface Pool {
  /** Calls `waiter.start`, now or when a connection is free. `fresh` opens a new one and drops the account's idle ones. */
  take(waiter: Waiter, fresh: boolean): void;
  forget(waiter: Waiter): void;
  /** Gives a connection back; `reusable` only after one complete answer to one complete request. */
  release(connection: Connection, reusable: boolean): void;
  /** Cuts at once every connection that `refuses` names, with what runs on it. */
  cut(refuses: (connection: Connection) => boolean, error: UpstreamFailure): void;
  /** Closes idle connections now and busy ones after their answer. */
  retire(): void;
  readonly open: number;
}

export interface PoolOptions {
  readonly origin: string;
  readonly perAccount: number;
  readonly total: number;
  readonly client: Client.Options;
  /** Opens the socket for a connection. */
  open(connection: Connection, done: (error: UpstreamFailure | null, opened: Opened | null) => void): void;
  /** Called with the number of open sockets whenever it changes. */
  counted(open: number): void;
}

interface Lane {
  readonly idle: Connection[];
  size: number;
  /** Order of the last use: the smallest is the idlest account. */
  used: number;
}

const ignore = (): void => undefined;
const CLOSED = new UpstreamFailure('reset', 'the connection was closed by the gateway');

/** Creates a pool. A connection whose server sends a byte that nobody asked for is discarded by undici. */
export function createPool(options: PoolOptions): Pool {
  const lanes = new Map<string, Lane>();
  const connections = new Set<Connection>();
  const waiting = new Map<Waiter, boolean>();
  let uses = 0;
  let open = 0;
  let retired = false;
  let serving = false;

  const laneOf = (account: string): Lane => {
    let lane = lanes.get(account);
    if (lane === undefined) {
      lane = { idle: [], size: 0, used: 0 };
      lanes.set(account, lane);
    }
    lane.used = ++uses;
    return lane;
  };

  const remove = (connection: Connection, error = CLOSED): void => {
    if (connection.state === 'gone') return;
    const lane = lanes.get(connection.account);
    if (lane !== undefined) {
      const at = connection.state === 'idle' ? lane.idle.indexOf(connection) : -1;
      if (at >= 0) lane.idle.splice(at, 1);
      lane.size -= 1;
      if (lane.size === 0) lanes.delete(connection.account);
    }
    connection.state = 'gone';
    connections.delete(connection);
    connection.client.destroy(error, ignore);
    serveSoon();
  };

  const closeIdlest = (): boolean => {
    let idlest: Lane | undefined;
    for (const lane of lanes.values()) {
      if (lane.idle.length > 0 && (idlest === undefined || lane.used < idlest.used)) idlest = lane;
    }
    const connection = idlest?.idle[0];
    if (connection === undefined) return false;
    remove(connection);
    return true;
  };

  const count = (change: number): void => {
    open += change;
    options.counted(open);
  };

  const create = (account: string): Connection => {
    const connect: NonNullable<Client.Options['connect']> = (_options, callback) => {
      options.open(connection, (error, opened) => {
        if (opened === null) return callback(error ?? CLOSED, null);
        connection.socket = opened.socket;
        connection.pin = opened.seen?.pin ?? null;
        connection.served = 0;
        callback(null, opened.socket);
      });
    };
    const client = new Client(options.origin, { ...options.client, connect, pipelining: 1, allowH2: false });
    const connection: Connection = { client, account, socket: null, pin: null, served: 0, state: 'busy' };
    client.on('connect', () => count(1));
    client.on('disconnect', () => {
      count(-1);
      connection.socket = null;
      if (connection.state === 'idle') remove(connection);
    });
    client.on('error' as 'drain', ignore);
    connections.add(connection);
    return connection;
  };

  const grant = (account: string, fresh: boolean): Connection | null => {
    const lane = laneOf(account);
    while (lane.idle.length > 0) {
      const connection = lane.idle[lane.idle.length - 1];
      if (connection === undefined) break;
      if (fresh || connection.socket === null || connection.socket.destroyed) {
        remove(connection);
        continue;
      }
      lane.idle.pop();
      connection.state = 'busy';
      return connection;
    }
    if (lane.size >= options.perAccount) return null;
    if (connections.size >= options.total && !closeIdlest()) {
      if (lane.size === 0) lanes.delete(account);
      return null;
    }
    lanes.set(account, lane);
    lane.size += 1;
    return create(account);
  };

  const serve = (): void => {
    serving = false;
    for (const [waiter, fresh] of waiting) {
      const connection = grant(waiter.account, fresh);
      if (connection === null) continue;
      waiting.delete(waiter);
      waiter.start(connection);
    }
  };

  /** Not at once: undici looks at a connection for unasked bytes only when nothing is queued as its answer ends. */
  const serveSoon = (): void => {
    if (serving || waiting.size === 0) return;
    serving = true;
    setImmediate(serve);
  };

  return {
    get open() {
      return open;
    },
    take(waiter, fresh) {
      const connection = retired || waiting.size > 0 ? null : grant(waiter.account, fresh);
      if (connection !== null) return waiter.start(connection);
      if (retired) return waiter.refuse({ sent: 'not_sent', kind: 'reset', reason: 'the pool was replaced' });
      waiting.set(waiter, fresh);
      serveSoon();
    },
    forget: (waiter) => void waiting.delete(waiter),
    release(connection, reusable) {
      if (connection.state === 'gone') return;
      if (reusable && !retired && connection.socket !== null && !connection.socket.destroyed) {
        connection.served += 1;
        connection.state = 'idle';
        lanes.get(connection.account)?.idle.push(connection);
      } else {
        remove(connection);
      }
      serveSoon();
    },
    cut(refuses, error) {
      for (const connection of [...connections]) if (refuses(connection)) remove(connection, error);
    },
    retire() {
      retired = true;
      for (const connection of [...connections]) if (connection.state === 'idle') remove(connection);
      for (const waiter of [...waiting.keys()]) {
        waiting.delete(waiter);
        waiter.refuse({ sent: 'not_sent', kind: 'reset', reason: 'the pool was replaced' });
      }
    },
  };
}
