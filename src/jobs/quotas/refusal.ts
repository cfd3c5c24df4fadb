import { type Clock, GatewayError } from '../../kernel/index.ts';
import type { Report } from '../../observe/index.ts';
import { type QuotaAccount, type Rule, reasonOf, usedOf } from './account.ts';
import type { QuotaCaller } from './ports.ts';
import type { Taken } from './take-script.ts';
import { DAY, MINUTE } from './window.ts';

/** A number that is used up. */
export interface Exceeded {
  readonly rule: Rule;
  readonly reason: string;
  /** Milliseconds until there is room again; null: nobody knows. */
  readonly wait: number | null;
}

/** Every number that leaves no room for one more. */
export function violationsOf(account: QuotaAccount, taken: Taken): Exceeded[] {
  return account.rules.flatMap((rule) => {
    const used = usedOf(rule, taken);
    if (used < rule.limit) return [];
    const wait = rule.what === 'live' || rule.counter === null ? null : (taken.counters[rule.counter]?.wait ?? 0);
    return [{ rule, reason: reasonOf(rule, used), wait }];
  });
}

/** Seconds after which it is worth asking again when live jobs are in the way: jobs end when they do. */
const LIVE_RETRY = { least: 15, most: 30 };
/** One line for each quota and person in this time. */
const TELL_EVERY_MS = 60_000;
const TOLD = 2000;

const nameOf = ({ quota, what, group }: Rule): string =>
  `quota-${quota}-${what}${group === null ? '' : `-${group.replace(/[^A-Za-z0-9_.-]/g, '_')}`}`;

/** The headers of draft-ietf-httpapi-ratelimit-headers-10 for what is used up and has a span. */
function headersOf(exceeded: readonly Exceeded[]): Record<string, string> {
  const spans = exceeded.filter(({ wait }) => wait !== null);
  if (spans.length === 0) return {};
  const policy = spans.map(({ rule }) => {
    const { ms } = rule.what === 'minute' ? MINUTE : DAY;
    return `"${nameOf(rule)}";q=${rule.limit};w=${ms / 1000}`;
  });
  const state = spans.map(({ rule, wait }) => `"${nameOf(rule)}";r=0;t=${Math.ceil((wait ?? 0) / 1000)}`);
  return { 'RateLimit-Policy': policy.join(', '), RateLimit: state.join(', ') };
}

function refusal(exceeded: readonly Exceeded[], random: () => number): GatewayError {
  const told = exceeded.map(({ rule, reason }) => `${reason} (quota ${rule.quota})`);
  const live = LIVE_RETRY.least + Math.round(random() * (LIVE_RETRY.most - LIVE_RETRY.least));
  const seconds = exceeded.map(({ wait }) => (wait === null ? live : Math.ceil(wait / 1000)));
  const headers = headersOf(exceeded);
  const detail = `${told.join('; ')}. Nothing was submitted.`;
  return new GatewayError('GW_QUOTA', detail, { retryAfter: Math.max(1, ...seconds), headers });
}

/** Reports decisions, and refuses. */
export function createVerdicts(options: {
  readonly clock: Clock;
  readonly random: () => number;
  readonly report: Pick<Report, 'log' | 'limit'>;
}) {
  const { clock, random, report } = options;
  const told = new Map<string, number>();

  const tell = ({ identity, queue }: QuotaCaller, { rule, reason }: Exceeded): void => {
    const key = JSON.stringify([rule.quota, rule.what, identity.subject, queue]);
    const now = clock.elapsed();
    if (now < (told.get(key) ?? 0)) return;
    if (told.size >= TOLD) told.clear();
    told.set(key, now + TELL_EVERY_MS);
    const { user, subject } = identity;
    const fields = { event: 'quota_exceeded', queue, user, subject, reason: `quota ${rule.quota}: ${reason}` };
    if (rule.mode === 'enforce') report.log.info(fields, 'a quota is used up');
    else report.log.info(fields, 'an observed quota would refuse this');
  };

  return {
    /** Throws GW_QUOTA when an enforced quota is used up. */
    decide(caller: QuotaCaller, account: QuotaAccount, taken: Taken, source: 'store' | 'local'): void {
      const exceeded = taken.what === 'again' ? [] : violationsOf(account, taken);
      const enforced = exceeded.filter(({ rule }) => rule.mode === 'enforce');
      for (const one of exceeded) tell(caller, one);
      for (const quota of new Set(account.rules.map((rule) => rule.quota))) {
        const mine = exceeded.find(({ rule }) => rule.quota === quota);
        if (mine === undefined && enforced.length > 0) continue;
        const decision = mine === undefined ? 'allowed' : mine.rule.mode === 'enforce' ? 'denied' : 'would_deny';
        report.limit(`quota-${quota}`, 'submit', decision, source);
      }
      if (enforced.length > 0) throw refusal(enforced, random);
    },
  };
}
