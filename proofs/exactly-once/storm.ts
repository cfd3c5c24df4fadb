import { pause } from '../pace.ts';
import type { Stage } from '../stage.ts';
import type { Site } from './site.ts';

const POST = { path: '^/api/v3/jobs$', method: 'POST' };
const QUERY = { path: '^/api/v3/query' };

/** What may happen to a submission on its way; each kind with its chance. */
const SUBMISSION_FAULTS = [
  { kind: 'reset-before', probability: 0.02 },
  { kind: 'reset-after', probability: 0.02 },
  { kind: 'reset-mid-body', probability: 0.01 },
  { kind: 'hang', probability: 0.004 },
  { kind: 'hang', probability: 0.004, executed: true },
  // Executed when the gateway has long given up.
  { kind: 'delay', probability: 0.006, ms: 2200 },
  { kind: 'truncated-json', probability: 0.01 },
  { kind: 'short-body', probability: 0.005 },
  { kind: 'answer', probability: 0.005, status: 200, body: 'html', executed: true },
  { kind: 'answer', probability: 0.003, status: 200, body: 'html' },
  { kind: 'answer', probability: 0.005, status: 500, body: 'html' },
  { kind: 'answer', probability: 0.005, status: 500, body: 'html', executed: true },
  { kind: 'answer', probability: 0.01, status: 503, body: 'html' },
  { kind: 'answer', probability: 0.01, status: 502, body: 'empty', executed: true },
  { kind: 'refuse-jwt', probability: 0.002 },
];

/** What may happen to the search for a lost job. */
const SEARCH_FAULTS = [
  { kind: 'reset-before', probability: 0.02 },
  { kind: 'hang', probability: 0.005 },
  { kind: 'truncated-json', probability: 0.01 },
  { kind: 'answer', probability: 0.01, status: 200, body: 'html' },
  { kind: 'answer', probability: 0.02, status: 500, body: 'html' },
];

/** The rules of a storm; `times` is how many times more often each happens. */
export const rulesOf = (times: number): object[] => [
  ...SUBMISSION_FAULTS.map((rule) => ({ ...POST, ...rule, probability: Math.min(1, rule.probability * times) })),
  ...SEARCH_FAULTS.map((rule) => ({ ...QUERY, ...rule, probability: Math.min(1, rule.probability * times) })),
];

/** What happened to processes, by kind. */
export type Blows = Map<string, number>;

/** Strikes processes in turn, one blow each `calmMs`, until `over`; `failovers` of them move the server. */
export async function strike(
  stage: Stage,
  site: Site,
  { calmMs, failovers, over }: { calmMs: number; failovers: number; over: () => number },
): Promise<Blows> {
  const blows: Blows = new Map();
  const note = (kind: string): void => void blows.set(kind, (blows.get(kind) ?? 0) + 1);
  const kinds: readonly (readonly [string, () => Promise<unknown>])[] = [
    ['a gateway killed', () => site.killGateway((blows.get('a gateway killed') ?? 0) % 3)],
    [
      'no connection to vovserver',
      async () => {
        await site.faults({ maxConnections: 1 });
        await pause(300);
        await site.faults({ maxConnections: 0 });
      },
    ],
    [
      'Redis restarted',
      async () => {
        await stage.redis.stop();
        await pause(300);
        await stage.redis.start();
      },
    ],
    ['a gateway killed', () => site.killGateway((blows.get('a gateway killed') ?? 0) % 3)],
    [
      'Redis killed',
      async () => {
        await stage.redis.kill();
        await stage.redis.start();
      },
    ],
  ];
  for (let turn = 0; over() < 1; turn += 1) {
    await pause(calmMs);
    const due = (blows.get('failover') ?? 0) + 1;
    if (due <= failovers && over() >= due / (failovers + 1)) {
      await site.failover(0);
      note('failover');
      continue;
    }
    const [kind, blow] = kinds[turn % kinds.length] ?? ['', pause.bind(null, 0)];
    if (over() >= 1) break;
    await blow();
    note(kind);
  }
  return blows;
}
