import type { Clock } from '../kernel/index.ts';
import type { KeyValue } from '../platform/index.ts';

/** Submissions to a queue are frozen for a time that was announced. */
export interface AnnouncedMaintenance {
  readonly queue: string;
  /** Milliseconds since the epoch. */
  readonly since: number;
  readonly until: number;
  /** For people; may be empty. */
  readonly reason: string;
}

/** Where maintenance is announced, for every replica to see. Every call throws StoreUnavailable. */
export interface MaintenanceStore {
  /** Announces it; replaces what was announced before. */
  start(queue: string, until: number, reason: string): Promise<AnnouncedMaintenance>;
  /** False when there was none. */
  stop(queue: string): Promise<boolean>;
  /** Null when there is none, or it has ended. */
  find(queue: string): Promise<AnnouncedMaintenance | null>;
}

/** Where changes are told. */
export const MAINTENANCE_CHANNEL = 'maintenance';

export const maintenanceKey = (queue: string): string => `maintenance:{${queue}}`;

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** The fields of a record; null for what is no JSON object. */
export function recordFields(text: string | null): Record<string, unknown> | null {
  if (text === null) return null;
  try {
    const value: unknown = JSON.parse(text);
    return isRecord(value) ? value : null;
  } catch {
    return null;
  }
}

/** Reads a record of the store; null for none, an ended or a damaged one. */
export function readMaintenance(queue: string, text: string | null, now: number): AnnouncedMaintenance | null {
  const fields = recordFields(text);
  if (fields === null) return null;
  const { since, until, reason } = fields;
  if (typeof since !== 'number' || typeof until !== 'number' || typeof reason !== 'string') return null;
  return until > now ? { queue, since, until, reason } : null;
}

/** Announces maintenance in the store that all replicas share. It ends by itself. */
export function createMaintenanceStore({
  kv,
  clock,
}: {
  readonly kv: KeyValue;
  readonly clock: Clock;
}): MaintenanceStore {
  return {
    async start(queue, until, reason) {
      const since = clock.now();
      const text = JSON.stringify({ since, until, reason });
      await kv.set(maintenanceKey(queue), text, Math.max(1, Math.ceil(until - since)));
      await kv.publish(MAINTENANCE_CHANNEL, queue);
      return { queue, since, until, reason };
    },
    async stop(queue) {
      const existed = await kv.delete(maintenanceKey(queue));
      await kv.publish(MAINTENANCE_CHANNEL, queue);
      return existed;
    },
    async find(queue) {
      return readMaintenance(queue, await kv.get(maintenanceKey(queue)), clock.now());
    },
  };
}
