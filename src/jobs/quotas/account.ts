import type { Config } from '../../config/index.ts';
import type { Identity } from '../../kernel/index.ts';
import type { KeyedHash } from '../keyed-hash.ts';
import type { Counter } from './counters.ts';
import type { Taken } from './take-script.ts';
import { DAY, MINUTE, type Span } from './window.ts';

type Quota = Config['jobs']['quotas'][number];

/** One number of one quota. */
export interface Rule {
  readonly quota: string;
  readonly mode: Quota['mode'];
  readonly limit: number;
  /** Counter of the account that it looks at; null: the live jobs of the person. */
  readonly counter: number | null;
  readonly what: Span['name'] | 'live';
  /** Null: the person itself. */
  readonly group: string | null;
}

/** Everything that is counted when one person submits on one queue; keys share the hash tag of the queue. */
export interface QuotaAccount {
  readonly rules: readonly Rule[];
  readonly counters: readonly Counter[];
  readonly live: string;
  readonly member: string;
  /** Whether live jobs are counted. */
  readonly tracked: boolean;
  /** Strictest enforced number of the person's own live jobs. */
  readonly liveLimit: number | null;
  /** Groups whose members' live jobs are counted together. */
  readonly groups: readonly string[];
}

/** Names of keys of quotas: neither users nor groups can be read from them. */
export function createQuotaKeys(hash: KeyedHash) {
  const tagOf = (queue: string): string => `quota:{${hash('quota', [queue]).slice(0, 16)}}`;
  const whoOf = (kind: 'user' | 'group', name: string): string => hash('quota', [kind, name]).slice(0, 22);
  return {
    member: (subject: string): string => whoOf('user', subject),
    live: (queue: string, member: string): string => `${tagOf(queue)}:live:${member}`,
    person: (queue: string, member: string): string => `${tagOf(queue)}:person:${member}`,
    members: (queue: string, group: string): string => `${tagOf(queue)}:members:${whoOf('group', group)}`,
    span: (queue: string, who: string, span: Span): string => `${tagOf(queue)}:${span.name}:${who}`,
    group: (group: string): string => whoOf('group', group),
    record: (queue: string, id: string): string => `${tagOf(queue)}:taken:${id}`,
  };
}
export type QuotaKeys = ReturnType<typeof createQuotaKeys>;

function concerns({ groups, exceptGroups, queues }: Quota, identity: Identity, queue: string): boolean {
  const isMember = (group: string): boolean => identity.groups.includes(group);
  if (queues.length > 0 && !queues.includes(queue)) return false;
  return (groups.length === 0 || groups.some(isMember)) && !exceptGroups.some(isMember);
}

const strictest = (limits: readonly number[]): number | null => (limits.length === 0 ? null : Math.min(...limits));

/** What the quotas of the configuration count for a person; null when none concerns them. */
export function accountOf(
  quotas: readonly Quota[],
  keys: QuotaKeys,
  { queue, identity }: { readonly queue: string; readonly identity: Identity },
): QuotaAccount | null {
  const member = keys.member(identity.subject);
  const rules: Rule[] = [];
  const places = new Map<string, Counter['counts']>();
  const placeOf = (key: string, counts: Counter['counts']): number => {
    if (!places.has(key)) places.set(key, counts);
    return [...places.keys()].indexOf(key);
  };
  for (const quota of quotas) {
    if (!concerns(quota, identity, queue)) continue;
    const named = quota.groups.filter((group) => identity.groups.includes(group));
    for (const group of quota.per === 'group' ? named : [null]) {
      const add = (what: Rule['what'], limit: number | undefined, counter: () => number | null): void => {
        if (limit !== undefined)
          rules.push({ quota: quota.name, mode: quota.mode, limit, counter: counter(), what, group });
      };
      const who = group === null ? member : keys.group(group);
      for (const span of [MINUTE, DAY]) {
        const limit = span === MINUTE ? quota.submissionsPerMinute : quota.submissionsPerDay;
        add(span.name, limit, () => placeOf(keys.span(queue, who, span), span));
      }
      add('live', quota.liveJobs, () => (group === null ? null : placeOf(keys.members(queue, group), 'members')));
    }
  }
  if (rules.length === 0) return null;
  const enforced = (counter: number | null): number | null =>
    strictest(rules.filter((rule) => rule.counter === counter && rule.mode === 'enforce').map(({ limit }) => limit));
  const live = rules.filter(({ what }) => what === 'live');
  return {
    rules,
    counters: [...places].map(([key, counts], at) => ({ key, counts, limit: enforced(at) })),
    live: keys.live(queue, member),
    member,
    tracked: live.length > 0,
    liveLimit: enforced(null),
    groups: [...new Set(live.flatMap(({ group }) => (group === null ? [] : [group])))],
  };
}

/** What a rule finds used. */
export const usedOf = ({ counter }: Rule, taken: Taken): number =>
  counter === null ? taken.live : (taken.counters[counter]?.used ?? 0);

const PHRASE: Readonly<Record<Rule['what'], string>> = {
  minute: 'submissions of this minute',
  day: 'submissions of these 24 hours',
  live: 'live jobs',
};

/** What is used up, in words. */
export function reasonOf({ what, limit, group }: Rule, used: number): string {
  const whose = group === null ? 'your' : `the group ${group}’s`;
  return `${used} of ${whose} ${limit} ${PHRASE[what]} are used`;
}
