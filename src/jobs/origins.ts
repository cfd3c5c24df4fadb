import type { Config } from '../config/index.ts';
import { type Clock, GatewayError, messageOf, type Secret } from '../kernel/index.ts';
import type { Report } from '../observe/index.ts';
import { type KeyValue, type Sealer, StoreUnavailable } from '../platform/index.ts';
import { normalJobId } from './job-id.ts';
import { createKeyedHash } from './keyed-hash.ts';
import { createLateWrites } from './late-writes.ts';
import { decodeOrigin, encodeOrigin } from './origin-record.ts';
import type { Origin, Origins } from './ports.ts';
import { createSightings } from './sightings.ts';

export interface OriginsOptions {
  readonly kv: KeyValue;
  readonly sealer: Sealer;
  /** Key of the hashes that stand for queue and job id in the store. */
  readonly hashKey: Secret;
  readonly config: () => Pick<Config, 'jobs'>;
  readonly clock: Clock;
  readonly report: Pick<Report, 'log'>;
  /** Told when a recorded job was seen in another state than before; must not throw. */
  readonly seen?: (origin: Origin, status: string) => void;
}

/** Reads under way at once: they share one connection, and their answers one loop. */
const AT_ONCE = 200;

function away(error: unknown): never {
  if (!(error instanceof StoreUnavailable)) throw error;
  const detail = 'The shared store is away, so it cannot be told who submitted the job.';
  throw new GatewayError('GW_STORE_UNAVAILABLE', detail, { cause: error, retryAfter: 5 });
}

interface Found {
  readonly key: string;
  readonly raw: string;
  readonly origin: Origin;
}

/**
 * Creates the record of who submitted what. Kept by queue and job id, for the latest job of that number; what a job was last seen as is written once for each change, by at most a few writes at a time.
 */
export function createOrigins({ kv, sealer, hashKey, config, clock, report, seen }: OriginsOptions): Origins {
  const hash = createKeyedHash(hashKey);
  const late = createLateWrites(clock, report);
  const keyOf = (queue: string, jobId: string): string => `origin:{${hash('origin', [queue, jobId])}}`;
  const lifeOf = (origin: Origin): number =>
    Math.max(1, config().jobs.originLife - Math.max(0, clock.now() - origin.submittedAt));
  const seal = (key: string, origin: Origin): string => sealer.seal(encodeOrigin(origin), key);

  const read = async (queue: string, jobId: string): Promise<Found | null> => {
    const normal = normalJobId(jobId);
    if (normal === null) return null;
    const key = keyOf(queue, normal);
    const raw = await kv.get(key);
    if (raw === null) return null;
    const text = sealer.open(raw, key);
    const origin = text === null ? null : decodeOrigin(text);
    if (origin !== null) return { key, raw, origin };
    report.log.warn({ event: 'origin_unreadable', queue }, 'the record of who submitted a job cannot be opened');
    return null;
  };

  const noteSeen = async (queue: string, jobId: string, status: string): Promise<void> => {
    const found = await read(queue, jobId);
    if (found === null || found.origin.lastSeen?.status === status) return;
    seen?.(found.origin, status);
    const next = { ...found.origin, lastSeen: { status, at: clock.now() } };
    const done = await kv.compareAndSet(found.key, found.raw, seal(found.key, next), lifeOf(next));
    if (!done) throw new Error('changed meanwhile; seen again, it is written again');
  };
  const sightings = createSightings(noteSeen);

  return {
    async record(origin) {
      const jobId = normalJobId(origin.jobId);
      if (jobId === null) return;
      const kept = { ...origin, jobId };
      let tries = 0;
      const write = async (): Promise<void> => {
        tries += 1;
        // A late one must not hide who submitted a newer job of that number.
        const newest = tries === 1 ? null : await read(origin.queue, jobId);
        if (newest !== null && newest.origin.submittedAt > kept.submittedAt) return;
        const key = keyOf(origin.queue, jobId);
        await kv.set(key, seal(key, kept), lifeOf(kept));
      };
      const told = (event: { readonly event: string }, error: unknown): object => {
        const { queue, account, user, tokenId, address, requestId } = origin;
        const who = { queue, account, user, token_id: tokenId, address, request_id: requestId };
        return { ...event, ...who, reason: `job ${jobId}: ${messageOf(error)}` };
      };
      const { log } = report;
      await late(`who submitted job ${jobId}`, write, {
        // With all of it: the process may end before the store is back.
        waits: (error) => log.warn(told({ event: 'origin_later' }, error), 'who submitted a job is written later'),
        lost: (error) => log.error(told({ event: 'origin_lost' }, error), 'who submitted a job is in this line only'),
      });
    },
    find: async (queue, jobId) => (await read(queue, jobId).catch(away))?.origin ?? null,
    async findMany(queue, jobIds) {
      const origins: Origin[] = [];
      for (let at = 0; at < jobIds.length; at += AT_ONCE) {
        const found = await Promise.all(jobIds.slice(at, at + AT_ONCE).map((id) => read(queue, id).catch(away)));
        for (const one of found) if (one !== null) origins.push(one.origin);
      }
      return origins;
    },
    saw: (queue, jobId, status) => {
      const normal = normalJobId(jobId);
      if (normal !== null) sightings.saw(queue, normal, status);
    },
  };
}
