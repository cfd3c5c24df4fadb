import { execFileSync } from 'node:child_process';
import { parseArgs } from 'node:util';
import { type Load, load } from './load.ts';
import { type Subject, startSubject } from './subjects.ts';
import { startGatewaySubject } from './subjects-gateway.ts';

// Requests per second of the plain read path, in one run: the subject alone on one core, load generator, upstream and
// Redis together on the other. Rounds are interleaved and the median round counts, so that a busy machine hits all alike.
const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '10' },
    rounds: { type: 'string', default: '3' },
    connections: { type: 'string', default: '50' },
    // Every request asks for a job of its own; without it all ask for the same one, and the gateway shares answers.
    distinct: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
});
const SUBJECT_CORE = '0';
const LOAD_CORE = '1';
const PATH = '/api/v3/jobs/45080';
const RIVAL = 'express + http-proxy-middleware';
/** Seconds that each contender gets to be compiled, before anything counts. */
const WARM_UP = 6;

interface Contender {
  readonly name: string;
  readonly port: number;
  readonly headers: Readonly<Record<string, string>>;
}

const median = (loads: readonly Load[]): Load => {
  const sorted = [...loads].sort((a, b) => a.requestsPerSecond - b.requestsPerSecond);
  const middle = sorted[Math.floor(sorted.length / 2)];
  if (middle === undefined) throw new Error('no round was run');
  return middle;
};

function print(results: readonly { name: string; load: Load }[]): void {
  const rival = results.find(({ name }) => name === RIVAL)?.load.requestsPerSecond ?? Number.NaN;
  const head = ['', 'requests/s', 'p50 ms', 'p99 ms', 'errors', '× express + http-proxy-middleware'];
  const rows = results.map(({ name, load: l }) => [
    name,
    l.requestsPerSecond.toFixed(0),
    l.p50Ms.toFixed(2),
    l.p99Ms.toFixed(2),
    String(l.errors),
    (l.requestsPerSecond / rival).toFixed(2),
  ]);
  const widths = head.map((cell, at) => Math.max(cell.length, ...rows.map((row) => row[at]?.length ?? 0)));
  for (const row of [head, ...rows]) {
    console.log(
      row.map((cell, at) => (at === 0 ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0))).join('  '),
    );
  }
}

execFileSync('taskset', ['-pc', LOAD_CORE, String(process.pid)], { stdio: 'ignore' });
await using upstream = await startSubject('upstream.ts', [], LOAD_CORE);
const target = `http://127.0.0.1:${upstream.port}`;
await using hpm = await startSubject('express-hpm.ts', [target], SUBJECT_CORE);
await using tuned = await startSubject('express-hpm.ts', [target, 'agent'], SUBJECT_CORE);
await using fastify = await startSubject('fastify-proxy.ts', [target], SUBJECT_CORE);
await using undici = await startSubject('node-undici.ts', [target], SUBJECT_CORE);
await using gateway = await startGatewaySubject(target, SUBJECT_CORE, LOAD_CORE);
const bare = (name: string, subject: Subject): Contender => ({ name, port: subject.port, headers: {} });
const contenders: readonly Contender[] = [
  bare('the upstream directly', upstream),
  bare(RIVAL, hpm),
  bare(`${RIVAL}, own agent`, tuned),
  bare('@fastify/http-proxy', fastify),
  bare('node:http + undici', undici),
  { name: 'vov-gateway, everything on', port: gateway.port, headers: { Authorization: `Bearer ${gateway.token}` } },
];
const loads = new Map<string, Load[]>();
const options = { connections: Number(values.connections), core: LOAD_CORE, distinct: values.distinct };
for (let round = 0; round <= Number(values.rounds); round++) {
  for (const { name, port, headers } of contenders) {
    // Round 0 warms up and does not count.
    const seconds = round === 0 ? WARM_UP : Number(values.seconds);
    const measured = await load(`http://127.0.0.1:${port}${PATH}`, { ...options, seconds, headers });
    if (round > 0) loads.set(name, [...(loads.get(name) ?? []), measured]);
  }
}
const results = contenders.map(({ name }) => ({ name, load: median(loads.get(name) ?? []) }));
if (values.json) console.log(JSON.stringify(results));
else print(results);
