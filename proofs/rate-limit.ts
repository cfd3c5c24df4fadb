// Rate limits over replicas: admitted within 5 % of the limit over a minute, exact headers, and a local share with Redis stopped.

import { Agent, request } from 'undici';
import { createFigures } from './figures.ts';
import { readFlags } from './flags.ts';
import { pause } from './pace.ts';
import { type GatewayProcess, setStage, startStandin } from './stage.ts';

const { values } = readFlags({
  limit: '3000',
  window: '60',
  replicas: '3',
  seconds: '60',
  connections: '12',
});
const limit = Number(values.limit);
const windowSeconds = Number(values.window);
const replicas = Number(values.replicas);
const seconds = Number(values.seconds);
const PATH = '/api/v3/project/1/version';

await using standin = await startStandin([
  '--transport',
  'http',
  '--queue-name',
  'proof',
  '--users',
  'alice:pw-alice,bob:pw-bob',
]);
await using stage = await setStage();
await stage.setPassword('alice', 'pw-alice');
await stage.setPassword('bob', 'pw-bob');
const gateways: GatewayProcess[] = [];
for (let i = 0; i < replicas; i++) {
  gateways.push(
    await stage.gateway({
      replicas,
      queues: [{ name: 'proof', urls: [standin.url], allowInsecure: true }],
      limits: {
        identity: { all: { requests: limit, window: `${windowSeconds}s` } },
        address: { requests: 100_000_000, window: '60s' },
      },
      log: { level: 'error', requests: false },
    }),
  );
}
const [first] = gateways;
if (first === undefined) throw new Error('--replicas must be at least 1');
const alice = await stage.token(first, 'alice');
const bob = await stage.token(first, 'bob');
const agent = new Agent({ connections: Number(values.connections) });

async function call(url: string, token: string) {
  const answer = await request(url + PATH, { dispatcher: agent, headers: { authorization: `Bearer ${token}` } });
  await answer.body.dump();
  return { status: answer.statusCode, headers: answer.headers };
}

/** Calls on all gateways as fast as answers come, for some seconds; how many were admitted, refused, or something else. */
async function flood(forSeconds: number, token: string) {
  const seen = { admitted: 0, refused: 0, other: 0 };
  const end = Date.now() + forSeconds * 1000;
  const one = async (at: number): Promise<void> => {
    for (let turn = at; Date.now() < end; turn++) {
      const gateway = gateways[turn % gateways.length];
      const { status } = await call(gateway?.url ?? '', token);
      if (status === 200) seen.admitted++;
      else if (status === 429) seen.refused++;
      else seen.other++;
      // A client that is refused comes back at once, but not in the same instant.
      if (status === 429) await pause(5);
    }
  };
  await Promise.all(Array.from({ length: Number(values.connections) * replicas }, (_, at) => one(at)));
  return seen;
}

const figures = createFigures(`Rate limit ${limit} per ${windowSeconds} s over ${replicas} replicas`);

// One identity, one call after the other on one replica: the headers are exact.
const exact: string[] = [];
const wrong: string[] = [];
for (let i = 0; i < 5; i++) {
  const { headers } = await call(first.url, bob);
  exact.push(String(headers.ratelimit));
  if (headers['ratelimit-policy'] !== `"identity";q=${limit};w=${windowSeconds}`)
    wrong.push(String(headers['ratelimit-policy']));
  await pause(300);
}
const remaining = exact.map((text) => Number(/r=(\d+)/.exec(text)?.[1]));
// Between two slow calls the bucket refills; what is left is the whole quota less the call itself.
const refill = limit / windowSeconds > 1 / 0.3;
const asPromised = remaining.every((r, i) => r <= limit - 1 && r >= limit - 1 - (refill ? 0 : i));
figures.add(
  'RateLimit-Policy',
  `"identity";q=${limit};w=${windowSeconds}`,
  wrong[0] ?? 'the same in 5 answers',
  wrong.length === 0,
);
figures.add(
  'RateLimit of slow calls',
  refill ? `r=${limit - 1} each` : 'at most one less each',
  remaining.join(' '),
  asPromised,
);

// The bucket starts full: that burst is spent first. From then on only what refills is admitted.
const burst = { admitted: 0, refused: 0 };
const began = Date.now();
while (burst.refused < 200) {
  if (burst.refused === 0 && Date.now() - began > (windowSeconds + 30) * 1000) {
    console.error(`--limit ${limit} is more than this machine calls in ${windowSeconds} s: nothing was refused`);
    process.exit(2);
  }
  const seen = await flood(1, alice);
  burst.admitted += seen.admitted;
  burst.refused += seen.refused;
}
figures.add('burst of a full bucket', `≥ ${limit}`, burst.admitted, burst.admitted >= limit);
const started = Date.now();
const seen = await flood(seconds, alice);
const took = (Date.now() - started) / 1000;
const due = (limit / windowSeconds) * took;
const share = seen.admitted / due;
figures.add(
  `admitted in ${took.toFixed(1)} s`,
  `${due.toFixed(0)} ± 5 %`,
  `${seen.admitted} (${(share * 100).toFixed(1)} %)`,
  Math.abs(share - 1) <= 0.05,
);
figures.add('neither admitted nor 429', '0', seen.other, seen.other === 0);
let refused = await call(first.url, alice);
for (let i = 0; i < limit && refused.status !== 429; i++) refused = await call(first.url, alice);
figures.add(
  'a refused call',
  '429, Retry-After ≥ 1, r=0',
  `${refused.status}, Retry-After ${refused.headers['retry-after']}, ${refused.headers.ratelimit}`,
  refused.status === 429 &&
    Number(refused.headers['retry-after']) >= 1 &&
    String(refused.headers.ratelimit).startsWith('"identity";r=0;'),
);

// Redis stopped: every replica holds its share by itself; nothing fails and nothing is open.
await stage.redis.stop();
await flood(1, alice);
const fallbackStarted = Date.now();
const alone = await flood(20, alice);
const refilled = ((limit / windowSeconds) * (Date.now() - fallbackStarted)) / 1000;
// A replica starts its local bucket full, so the first outage may admit one burst more in all.
figures.add(
  'admitted in 20 s without Redis',
  `≥ ${(refilled * 0.9).toFixed(0)}, ≤ ${(refilled * 1.05 + limit).toFixed(0)}`,
  alone.admitted,
  alone.admitted >= refilled * 0.9 && alone.admitted <= refilled * 1.05 + limit,
);
figures.add('refused without Redis', '> 0', alone.refused, alone.refused > 0);
figures.add('failed without Redis', '0', alone.other, alone.other === 0);
figures.print();
await agent.close();
