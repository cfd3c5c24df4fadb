import { type Clock, GatewayError } from '../../kernel/index.ts';
import type { Report } from '../../observe/index.ts';
import { type KeyValue, StoreUnavailable } from '../../platform/index.ts';
import type { Origins, SubmissionWay } from '../ports.ts';
import type { QuotaKeys } from './account.ts';
import { readLiveJobs } from './live-query.ts';
import { entriesOf, membersOf, readMembersOf, sendingSince } from './live-set.ts';
import type { People, Person } from './person.ts';
import { beginScript, changeCall } from './recount-scripts.ts';

/** One asking of vovserver within this time is enough for a person, whatever the number of replicas and refusals. */
const ENOUGH_MS = 5000;
/** A submission that is still being sent after so long has an outcome that only vovserver knows, if anybody. */
const SENDING_MS = 120_000;
/** On a shared account nobody else can tell whose job came of it. */
const SENDING_SHARED_MS = 3_600_000;
/** Of a group, so many members with the most jobs are counted anew before one is refused for it. */
const MEMBERS = 8;
/** Jobs of a shared account whose origin is looked up in one go. */
const LOOKED_UP = 5000;
const WARN_EVERY_MS = 60_000;

export interface RecountParts {
  readonly kv: KeyValue;
  readonly keys: QuotaKeys;
  readonly people: People;
  readonly origins: Pick<Origins, 'findMany'>;
  readonly clock: Clock;
  readonly report: Pick<Report, 'log'>;
  /** Milliseconds that a list of vovserver may be old. */
  readonly readAge: () => number;
}

type Way = Pick<SubmissionWay, 'read'>;

/** Compares live jobs with what vovserver shows. Never throws; true when something may have changed. */
export interface Recount {
  person(queue: string, member: string, person: Person, way: Way): Promise<boolean>;
  /** The members of a group that have the most. */
  group(queue: string, group: string, way: Way): Promise<boolean>;
}

/** What the record of who submitted what tells of live jobs. */
function createRecordLooks({ origins, clock, readAge }: Pick<RecountParts, 'origins' | 'clock' | 'readAge'>) {
  /** Those of a shared account's jobs that this person submitted. */
  const ownOf = async (queue: string, subject: string, account: string, ids: readonly string[]): Promise<string[]> => {
    const found = await origins.findMany(queue, ids.slice(0, LOOKED_UP));
    return found.filter((one) => one.subject === subject && one.account === account).map(({ jobId }) => jobId);
  };

  /** Those that a list without them says nothing of: it may be older than they are. */
  const tooYoung = async (
    queue: string,
    missing: readonly string[],
    listed: readonly string[],
  ): Promise<Set<string>> => {
    const newest = listed.reduce((most, id) => Math.max(most, Number(id)), 0);
    // The young ones stand last. A list with a later number is not older than they are.
    const asked = missing.filter((id) => Number(id) > newest).slice(-LOOKED_UP);
    const since = clock.now() - readAge();
    const found = await origins.findMany(queue, asked);
    return new Set(found.filter(({ submittedAt }) => submittedAt > since).map(({ jobId }) => jobId));
  };

  return { ownOf, tooYoung };
}

/** Creates it; equal questions to vovserver share one call on the way there. */
export function createRecount(parts: RecountParts): Recount {
  const { kv, keys, people, clock, report } = parts;
  const underWay = new Map<string, Promise<boolean>>();
  let warnAt = 0;

  const warn = (queue: string, account: string, reason: string): void => {
    if (clock.elapsed() < warnAt) return;
    warnAt = clock.elapsed() + WARN_EVERY_MS;
    const fields = { event: 'quota_not_recounted', queue, account, reason };
    report.log.warn(fields, 'live jobs are counted by what the gateway has seen');
  };

  const { ownOf, tooYoung } = createRecordLooks(parts);
  const compare = async (queue: string, member: string, person: Person, way: Way): Promise<boolean> => {
    const { account, shared, subject, groups } = person;
    const live = keys.live(queue, member);
    const [begun, now, before, ids] = await kv.run(beginScript, [live], [ENOUGH_MS]);
    if (begun !== 1) return false;
    const change = { live, groups: groups.map((group) => keys.members(queue, group)), member };
    const jobs = await readLiveJobs(way, account).catch((error: unknown) => {
      if (error instanceof GatewayError) return null;
      throw error;
    });
    if (jobs === null) {
      warn(queue, account, 'vovserver gave no good answer');
      await kv.run(...changeCall({ ...change, removed: [], added: [], checkedAt: Number(before) }));
      return false;
    }
    const known = new Set(entriesOf({ count: 0, checkedAt: 0, ids: String(ids) }));
    const there = new Set(jobs.ids);
    const oldest = Number(now) - (shared ? SENDING_SHARED_MS : SENDING_MS);
    const missing = [...known].filter((entry) => {
      const since = sendingSince(entry);
      return since === null ? jobs.all && !there.has(entry) : since < oldest;
    });
    const kept = await tooYoung(
      queue,
      missing.filter((entry) => sendingSince(entry) === null),
      jobs.ids,
    );
    const removed = missing.filter((entry) => !kept.has(entry));
    const more = jobs.ids.filter((id) => !known.has(id));
    const added = shared ? await ownOf(queue, subject, account, more) : more;
    await kv.run(...changeCall({ ...change, removed, added, checkedAt: null }));
    return removed.length > 0 || added.length > 0;
  };

  const once: Recount['person'] = (queue, member, person, way) => {
    const key = keys.live(queue, member);
    const running = underWay.get(key);
    if (running !== undefined) return running;
    const next = compare(queue, member, person, way)
      .catch((error: unknown) => {
        if (!(error instanceof StoreUnavailable)) warn(queue, person.account, String(error));
        return false;
      })
      .finally(() => underWay.delete(key));
    underWay.set(key, next);
    return next;
  };

  return {
    person: once,
    async group(queue, group, way) {
      try {
        const members = membersOf(readMembersOf(await kv.get(keys.members(queue, group)))).slice(0, MEMBERS);
        const changed = await Promise.all(
          members.map(async ({ member }) => {
            const person = await people.find(queue, member);
            return person === null ? false : once(queue, member, person, way);
          }),
        );
        return changed.includes(true);
      } catch (error) {
        if (!(error instanceof StoreUnavailable)) warn(queue, `group ${group}`, String(error));
        return false;
      }
    },
  };
}
