import type { Check, CheckFinding } from './checks.ts';
import type { Draft } from './draft.ts';
import { nearest } from './nearest.ts';

const LANES = ['control', 'submit', 'read', 'list'] as const;
/** Milliseconds. */
const LONGEST_CACHE = 60_000;
/** A path whose segments may be a name in braces, or a star. */
const TEMPLATE = /^\/api\/v3(?:\/(?:[A-Za-z0-9_.-]+|\{[A-Za-z0-9_]+\}|\*))+$/;

/** Templates of the reads that the gateway knows; a test holds them against its table of routes. */
export const READ_TEMPLATES = [
  '/api/v3/jobs',
  '/api/v3/jobs/{id}',
  '/api/v3/jobs/{id}/*',
  '/api/v3/jobs/{id}/{field}',
  '/api/v3/query',
  '/api/v3/project/1/{field}',
  '/api/v3/projects/1',
] as const;

/** Null while a route that the configuration opens is at fault: it may be the one that is meant. */
function readTemplates({ access }: Draft): readonly string[] | null {
  const opened = access?.extraRoutes?.map((route) => route?.template) ?? [undefined];
  const known = opened.filter((template) => template !== undefined);
  return known.length < opened.length ? null : [...READ_TEMPLATES, ...known];
}

/** Whether a path, or a template with other names, is one of this template. */
function isOf(template: string, route: string): boolean {
  const [wanted, given] = [template.split('/'), route.split('/')];
  return wanted.length === given.length && wanted.every((part, at) => part.startsWith('{') || part === given[at]);
}

function* noRoute(route: string, path: string, draft: Draft): Generator<CheckFinding> {
  if (!TEMPLATE.test(route)) {
    const mend = 'Write the template as the metrics show it, for example /api/v3/jobs/{id}, without query.';
    yield { path, reason: 'is no template under /api/v3/', mend };
    return;
  }
  const known = readTemplates(draft);
  if (known === null || known.includes(route)) return;
  const near = known.find((template) => isOf(template, route)) ?? nearest(route, known);
  const mend = near === null ? `Templates of reads: ${known.join(', ')}.` : `Did you mean ${near}?`;
  yield { path, reason: 'is the template of no read, so that nothing would be cached', mend };
}

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
    *run(draft) {
      for (const [index, queue] of (draft.queues ?? []).entries()) {
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
          yield* noRoute(route, `${path}.route`, draft);
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
