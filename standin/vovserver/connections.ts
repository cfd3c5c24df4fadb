import type { Socket } from 'node:net';
import type { Stats } from './stats.ts';

/** The open TCP connections of the stand-in, also found from the TLS socket that runs over one. */
export interface Connections {
  /** Counts a new connection; false when the ceiling is reached and it was closed. */
  accept(raw: Socket, ceiling: number): boolean;
  /** 0 when it is unknown. */
  idOf(socket: Socket): number;
  /** Cuts the TCP connection under this socket with a reset. */
  reset(socket: Socket): void;
  closeAll(how: 'fin' | 'reset'): void;
}

const nameOf = (socket: Socket): string => `${socket.remoteAddress} ${socket.remotePort}`;

/** Makes an empty table that counts into `stats`. */
export function createConnections(stats: Stats): Connections {
  const open = new Map<string, { id: number; raw: Socket }>();
  const ids = new WeakMap<Socket, number>();
  let lastId = 0;
  return {
    accept(raw, ceiling) {
      stats.connectionsOpened += 1;
      if (ceiling > 0 && open.size >= ceiling) {
        stats.connectionsRefused += 1;
        raw.destroy();
        return false;
      }
      const name = nameOf(raw);
      lastId += 1;
      open.set(name, { id: lastId, raw });
      stats.connectionsOpen = open.size;
      stats.connectionsPeak = Math.max(stats.connectionsPeak, open.size);
      raw.once('close', () => {
        if (open.get(name)?.raw === raw) open.delete(name);
        stats.connectionsOpen = open.size;
      });
      return true;
    },
    idOf(socket) {
      const known = ids.get(socket);
      if (known !== undefined) return known;
      const id = open.get(nameOf(socket))?.id ?? 0;
      ids.set(socket, id);
      return id;
    },
    reset: (socket) => void open.get(nameOf(socket))?.raw.resetAndDestroy(),
    closeAll(how) {
      for (const { raw } of open.values()) {
        if (how === 'reset') raw.resetAndDestroy();
        else raw.destroy();
      }
    },
  };
}
