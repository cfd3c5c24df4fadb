import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Config } from '../config/index.ts';
import type { Clock } from '../kernel/index.ts';
import type { Report } from '../observe/index.ts';
import { createTlsMaterial } from '../platform/index.ts';
import { createListener, type Listener } from './listener.ts';

/** Every port that a gateway listens on. */
export interface Doors {
  readonly port: number;
  readonly queuePorts: ReadonlyMap<string, number>;
  readonly adminPort: number;
  /** Stops accepting callers and waits for those that are served, at most `limitMs`; then cuts them. */
  closeCallers(limitMs: number): Promise<void>;
  closeAdmin(): Promise<void>;
}

/** What is behind the ports. */
export interface DoorParts {
  readonly app: (req: IncomingMessage, res: ServerResponse) => void;
  readonly admin: RequestListener;
  readonly report: Report;
  readonly clock: Clock;
}

/** While closing, connections that fell idle are closed this often, in milliseconds. */
const SWEEP_MS = 50;

async function openAdmin(config: Config['admin'], handler: RequestListener) {
  const server = createServer(handler);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(config.port, config.host, resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function inboundMaterial(config: Config, { clock, report }: DoorParts) {
  if (config.server.tls === undefined) return null;
  return createTlsMaterial(config.server.tls, {
    clock,
    onError: (error) =>
      report.log.error({ event: 'tls_reload', error }, 'the listener keeps its last good certificate'),
  });
}

/** Opens the main port, the queues' own ports and the admin port; closes what was opened when one of them fails. */
export async function openDoors(config: Config, parts: DoorParts): Promise<Doors> {
  const material = inboundMaterial(config, parts);
  const listeners: Listener[] = [];
  const queuePorts = new Map<string, number>();
  const closeCallers = async (limitMs: number): Promise<void> => {
    const limit = parts.clock.after(limitMs, () => {
      for (const listener of listeners) listener.cut();
    });
    // A connection whose last answer was under way when closing began is kept alive by Node.
    const sweep = parts.clock.every(SWEEP_MS, () => {
      for (const listener of listeners) listener.closeIdle();
    });
    await Promise.all(listeners.map((listener) => listener.close()));
    for (const timer of [limit, sweep]) timer[Symbol.dispose]();
    material?.[Symbol.dispose]();
  };
  const open = async (port: number): Promise<number> => {
    const listener = await createListener(config.server, port, parts.app, material);
    listeners.push(listener);
    return listener.port;
  };
  try {
    const port = await open(config.server.port);
    for (const queue of config.queues) {
      if (queue.port !== undefined) queuePorts.set(queue.name, await open(queue.port));
    }
    const admin = await openAdmin(config.admin, parts.admin);
    return { port, queuePorts, adminPort: admin.port, closeCallers, closeAdmin: admin.close };
  } catch (error) {
    await closeCallers(0);
    throw error;
  }
}
