import type { Check } from './checks.ts';

const LANES = ['control', 'submit', 'read', 'list'] as const;
/** Milliseconds. */
const LONGEST_CACHE = 60_000;
/** A path whose segments may be a name in braces, or a star. */
const TEMPLATE = /^\/api\/v3(?:\/(?:[A-Za-z0-9_.-]+|\{[A-Za-z0-9_]+\}|\*))+$/;

/** Rules of limits.lanes and queues[].coalesce. */
export const LANE_CHECKS: readonly Check[] = [
  {
    name: 'a lane starts below its most',
    *run({ limits }) {
      if (limits?.lanes?.mode !== 'adaptive') return;
      for (const lane of LANES) {
        const { concurrency, most } = limits.lanes[lane] ?? {};
        if (concurrency === undefined || most === undefined || concurrency <= most) continue;
        const path = `limits.lanes.${lane}.most`;
        yield { path, reason: 'is less than concurrency beside it', mend: 'Make it at least as large.' };
      }
    },
  },
  {
    name: 'waits and queues of lanes fit into each other',
    *run({ limits }) {
      const { maxWait, longestWait, queueLength, identityQueueLength } = limits?.lanes ?? {};
      if (maxWait !== undefined && longestWait !== undefined && maxWait > longestWait) {
        const mend = 'A caller may ask for at least what it gets without asking.';
        yield {
          path: 'limits.lanes.longestWait',
          reason: 'is shorter than limits.lanes.maxWait',
          mend,
          level: 'warning',
        };
      }
      if (queueLength !== undefined && identityQueueLength !== undefined && identityQueueLength > queueLength) {
        const mend = 'Make it smaller, so that one identity cannot fill the queue alone.';
        yield {
          path: 'limits.lanes.identityQueueLength',
          reason: 'is more than limits.lanes.queueLength',
          mend,
          level: 'warning',
        };
      }
    },
  },
  {
    name: 'shared paths are paths of the API',
    *run({ queues }) {
      for (const [index, queue] of (queues ?? []).entries()) {
        for (const [at, path] of (queue?.coalesce?.shared ?? []).entries()) {
          if (path === undefined || /^\/api\/v3\/[A-Za-z0-9_./-]+$/.test(path)) continue;
          const mend = 'Write the exact path without query, for example /api/v3/project/1/version.';
          yield { path: `queues[${index}].coalesce.shared[${at}]`, reason: 'is no path under /api/v3/', mend };
        }
      }
    },
  },
  {
    name: 'what is shared shows nothing of jobs',
    *run({ queues }) {
      for (const [index, queue] of (queues ?? []).entries()) {
        for (const [at, path] of (queue?.coalesce?.shared ?? []).entries()) {
          if (path === undefined || !/^\/api\/v3\/(?:jobs|query)(?:\/|$)/.test(path)) continue;
          const reason = 'shows jobs: one account would get what another may see';
          const mend = 'Share only what is the same for every account.';
          yield { path: `queues[${index}].coalesce.shared[${at}]`, reason, mend };
        }
      }
    },
  },
  {
    name: 'cached routes are templates, each once, for at most a minute',
    *run({ queues }) {
      for (const [index, queue] of (queues ?? []).entries()) {
        const { cache = [], join } = queue?.coalesce ?? {};
        const at = `queues[${index}].coalesce`;
        const seen = new Map<string, number>();
        for (const [nth, entry] of cache.entries()) {
          const path = `${at}.cache[${nth}]`;
          const { route, life } = entry ?? {};
          if (life !== undefined && life > LONGEST_CACHE) {
            yield { path: `${path}.life`, reason: 'is longer than 60s', mend: 'Write 2s, for example.' };
          }
          if (route === undefined) continue;
          if (!TEMPLATE.test(route)) {
            const mend = 'Write the template as the metrics show it, for example /api/v3/jobs/{id}, without query.';
            yield { path: `${path}.route`, reason: 'is no template under /api/v3/', mend };
          }
          const first = seen.get(route);
          if (first === undefined) seen.set(route, nth);
          else yield { path: `${path}.route`, reason: `stands in cache[${first}], too`, mend: 'Remove one of them.' };
        }
        if (cache.length > 0 && join === 'off') {
          const mend = 'Set join to next or running, or remove cache.';
          yield { path: `${at}.cache`, reason: 'needs reads to be shared, and join is off', mend };
        }
      }
    },
  },
];
