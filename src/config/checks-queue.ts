import type { Check, CheckFinding } from './checks.ts';
import type { Draft } from './draft.ts';

const SHORTEST_LEASE_MS = 1000;

type QueueDraft = NonNullable<NonNullable<Draft['queues']>[number]>;

const queueRule = (name: string, rule: (queue: QueueDraft, path: string) => Iterable<CheckFinding>): Check => ({
  name,
  *run({ queues }) {
    for (const [index, queue] of (queues ?? []).entries()) {
      if (queue !== undefined) yield* rule(queue, `queues[${index}]`);
    }
  },
});

function* extraParts(text: string | undefined, path: string): Generator<CheckFinding> {
  const url = text === undefined ? null : URL.parse(text);
  if (text === undefined || url === null) return;
  if (url.username !== '' || url.password !== '') {
    yield { path, reason: 'holds a user name or password', mend: 'Remove it; passwords come from credentials.' };
  }
  const more = [
    [url.pathname !== '/', 'a path'],
    [text.includes('?'), 'a query'],
    [text.includes('#'), 'a fragment'],
  ].flatMap(([there, part]) => (there ? [part] : []));
  if (more.length > 0) {
    yield { path, reason: `holds ${more.join(' and ')}`, mend: 'Write scheme, host and port only: https://host:6310.' };
  }
}

/** Values that occur more than once, each named with the first. */
export function* twice(
  entries: Iterable<readonly [path: string, value: string | undefined]>,
  mend: string,
): Generator<CheckFinding> {
  const seen = new Map<string, string>();
  for (const [path, value] of entries) {
    const first = value === undefined ? undefined : seen.get(value);
    if (value !== undefined && first === undefined) seen.set(value, path);
    else if (first !== undefined) yield { path, reason: `is the same as ${first}`, mend };
  }
}

function* hostNames(draft: Draft): Generator<readonly [string, string | undefined]> {
  for (const [index, queue] of (draft.queues ?? []).entries()) {
    for (const [at, host] of (queue?.hosts ?? []).entries()) yield [`queues[${index}].hosts[${at}]`, host];
  }
}

const isPlain = (url: string | undefined): boolean => url?.toLowerCase().startsWith('http://') ?? false;

function* insecure(queue: QueueDraft, path: string): Generator<readonly [path: string, reason: string]> {
  for (const [index, url] of (queue.urls ?? []).entries()) {
    if (isPlain(url)) yield [`${path}.urls[${index}]`, 'is plain HTTP: passwords and jobs are open to the network'];
  }
  if (queue.tls?.verify === 'none') {
    yield [`${path}.tls.verify`, 'checks nothing: anybody on the path can pose as vovserver'];
  }
}

/** Rules of the queues and of the broker. */
export const QUEUE_CHECKS: readonly Check[] = [
  queueRule('nothing insecure by accident', function* (queue, path) {
    if (queue.allowInsecure === undefined) return;
    for (const [at, reason] of insecure(queue, path)) {
      if (queue.allowInsecure) yield { path: at, reason, mend: 'Allowed by allowInsecure.', level: 'warning' };
      else
        yield { path: at, reason, mend: `Use https:// and tls.verify ca or pin; or set ${path}.allowInsecure: true.` };
    }
  }),
  queueRule('pins where pins decide', function* ({ tls }, path) {
    if (tls?.pins === undefined || tls.verify === undefined) return;
    const pinned = tls.verify === 'pin' || tls.verify === 'ca+pin';
    if (pinned && tls.pins.length === 0) {
      const mend = 'Add what `vovgw pin fetch <url>` prints.';
      yield { path: `${path}.tls.pins`, reason: `is empty, but tls.verify is ${tls.verify}`, mend };
    }
    if (!pinned && tls.pins.length > 0) {
      const mend = 'Write tls.verify: pin or ca+pin, or remove the pins.';
      yield { path: `${path}.tls.pins`, reason: `is never looked at, since tls.verify is ${tls.verify}`, mend };
    }
  }),
  queueRule('client certificate and key together', function* ({ tls }, path) {
    if (tls === undefined || (tls.certFile === undefined) === (tls.keyFile === undefined)) return;
    const [missing, given] = tls.certFile === undefined ? ['certFile', 'keyFile'] : ['keyFile', 'certFile'];
    const mend = 'Give both certFile and keyFile, or none.';
    yield { path: `${path}.tls.${missing}`, reason: `is missing beside ${given}`, mend };
  }),
  queueRule('URLs name a server only', function* ({ urls }, path) {
    for (const [index, url] of (urls ?? []).entries()) yield* extraParts(url, `${path}.urls[${index}]`);
  }),
  queueRule('each URL once', function* ({ urls }, path) {
    const entries = (urls ?? []).map((url, index): [string, string | undefined] => [`${path}.urls[${index}]`, url]);
    yield* twice(entries, 'Remove one of the two.');
  }),
  queueRule('an outage outlasts a look', function* ({ failover }, path) {
    const { probe, expected } = failover ?? {};
    if (probe === undefined || expected === undefined || probe <= expected) return;
    const mend = `Write less than ${path}.failover.expected: candidates are looked at about every second.`;
    yield { path: `${path}.failover.probe`, reason: 'is longer than an outage is expected to last', mend };
  }),
  {
    name: 'each queue name once',
    *run({ queues }) {
      const entries = (queues ?? []).map((q, index): [string, string | undefined] => [
        `queues[${index}].name`,
        q?.name,
      ]);
      yield* twice(entries, 'Give each queue its own name; further servers of one queue go into its urls.');
    },
  },
  {
    name: 'each host once',
    *run(draft) {
      yield* twice(hostNames(draft), 'A host name leads to one queue; remove one of the two.');
    },
  },
  {
    name: 'hosts are host names',
    *run(draft) {
      for (const [path, host] of hostNames(draft)) {
        if (host === undefined || /^[a-z0-9_]([a-z0-9_.-]*[a-z0-9])?$/.test(host) || /^\[[0-9a-f:.]+\]$/.test(host))
          continue;
        yield { path, reason: 'is no host name', mend: 'Write the name alone, without scheme, port and path.' };
      }
    },
  },
  {
    name: 'renewal has a window',
    *run({ broker }) {
      const { renewFrom, renewTo } = broker ?? {};
      if (renewFrom === undefined || renewTo === undefined || renewFrom < renewTo) return;
      const mend = 'For example renewFrom: 0.75 and renewTo: 0.85.';
      yield { path: 'broker.renewFrom', reason: 'must be smaller than broker.renewTo', mend };
    },
  },
  {
    name: 'the login lease outlives a hiccup',
    *run({ broker }) {
      if (broker?.lease === undefined || broker.lease >= SHORTEST_LEASE_MS) return;
      const mend = 'Write at least 1s: its holder extends it at a third of its life.';
      yield { path: 'broker.lease', reason: 'is shorter than 1s', mend };
    },
  },
];
