import { Agent, request } from 'undici';
import { pause } from '../pace.ts';

// One process of waiting clients for the proof `waiting`. It is told whom to be by its parent, and tells what it saw.

/** One client: it waits for jobs one after the other, or reads the stream of events. */
export interface ClientSpec {
  readonly kind: 'wait' | 'stream';
  readonly token: string;
  /** Gateways, in the order in which they are tried. */
  readonly urls: readonly string[];
  /** Milliseconds between two cuts that the client makes itself; 0: none. */
  readonly cutEvery: number;
}

/** What one client saw: of a stream every event, of waits every answer that was final. */
export interface ClientReport {
  readonly kind: ClientSpec['kind'];
  /** Job, state, account, when (milliseconds since the epoch), id. */
  readonly seen: readonly (readonly [job: string, state: string, account: string, at: number, id: string])[];
  readonly resets: number;
  readonly reconnects: number;
  readonly failures: readonly string[];
}

export type ToClient =
  | { readonly kind: 'start'; readonly clients: readonly ClientSpec[] }
  /** A job that the waiting ones should wait for. */
  | { readonly kind: 'job'; readonly jobId: string }
  | { readonly kind: 'stop' };
export type FromClient =
  | { readonly kind: 'ready'; readonly count: number }
  | { readonly kind: 'report'; readonly clients: readonly ClientReport[] };

type Seen = [job: string, state: string, account: string, at: number, id: string];
interface Life {
  readonly seen: Seen[];
  readonly failures: string[];
  resets: number;
  reconnects: number;
}

const agent = new Agent({
  connections: null,
  pipelining: 1,
  headersTimeout: 0,
  bodyTimeout: 0,
  keepAliveTimeout: 60_000,
});
const stopped = new AbortController();
const jobs: string[] = [];
let ready = 0;
const why = (error: unknown): string => (error instanceof Error ? error.message : String(error));
const send = (message: FromClient): void => void (process.connected && process.send?.(message));

function takeEvent(block: string, life: Life, last: { id: string }): void {
  const id = /^id: (.+)$/m.exec(block)?.[1];
  const event = /^event: (.+)$/m.exec(block)?.[1];
  const data = /^data: (.+)$/m.exec(block)?.[1];
  if (id !== undefined) last.id = id;
  if (event === 'reset') life.resets += 1;
  if (event !== 'job' || data === undefined) return;
  const { job_id: job, state, account } = JSON.parse(data) as { job_id: string; state: string; account: string };
  life.seen.push([job, state, account, Date.now(), id ?? '']);
}

async function readStream(spec: ClientSpec, life: Life, at: number, last: { id: string }): Promise<void> {
  const cut = spec.cutEvery > 0 ? AbortSignal.timeout(Math.round(spec.cutEvery * (0.5 + Math.random()))) : null;
  const signal = cut === null ? stopped.signal : AbortSignal.any([cut, stopped.signal]);
  const headers = { authorization: `Bearer ${spec.token}`, ...(last.id === '' ? {} : { 'last-event-id': last.id }) };
  const url = `${spec.urls[at % spec.urls.length]}/gateway/v1/jobs/events`;
  const answer = await request(url, { dispatcher: agent, headers, signal });
  if (answer.statusCode !== 200) throw new Error(`${answer.statusCode} ${(await answer.body.text()).slice(0, 200)}`);
  let rest = '';
  let first = last.id === '';
  for await (const piece of answer.body) {
    const blocks = `${rest}${piece}`.split('\n\n');
    rest = blocks.pop() ?? '';
    for (const block of blocks) takeEvent(block, life, last);
    if (first && last.id !== '') {
      first = false;
      send({ kind: 'ready', count: ++ready });
    }
  }
}

async function stream(spec: ClientSpec, life: Life): Promise<void> {
  const last = { id: '' };
  for (let at = 0; !stopped.signal.aborted; at++) {
    try {
      await readStream(spec, life, at, last);
    } catch (error) {
      const own = error instanceof Error && (error.name === 'TimeoutError' || error.name === 'AbortError');
      if (!own && !stopped.signal.aborted) life.failures.push(why(error));
    }
    if (stopped.signal.aborted) return;
    life.reconnects += 1;
    await pause(100 + Math.random() * 300);
  }
}

async function waitFor(spec: ClientSpec, life: Life, job: string): Promise<void> {
  let etag = '';
  for (let at = 0; !stopped.signal.aborted; at++) {
    const headers = { authorization: `Bearer ${spec.token}`, ...(etag === '' ? {} : { 'if-none-match': etag }) };
    const url = `${spec.urls[at % spec.urls.length]}/gateway/v1/jobs/${job}?wait=60`;
    try {
      const answer = await request(url, { dispatcher: agent, headers, signal: stopped.signal });
      const text = await answer.body.text();
      if (answer.statusCode === 304) continue;
      if (answer.statusCode !== 200) throw new Error(`${answer.statusCode} ${text.slice(0, 200)}`);
      etag = String(answer.headers.etag);
      const { state, account, final } = JSON.parse(text) as { state: string; account: string; final: boolean };
      life.seen.push([job, state, account, Date.now(), '']);
      if (final) return;
      // The same gateway again, as a client behind one address would.
      at -= 1;
    } catch (error) {
      if (stopped.signal.aborted) return;
      life.failures.push(why(error));
      await pause(200);
    }
  }
}

async function waits(spec: ClientSpec, life: Life): Promise<void> {
  send({ kind: 'ready', count: ++ready });
  for (let next = 0; !stopped.signal.aborted; ) {
    const job = jobs[next];
    if (job === undefined) await pause(20);
    else {
      await waitFor(spec, life, job);
      // The newest one: whoever waited long has missed some, and those that have ended are no wait.
      next = Math.max(next + 1, jobs.length - 1);
    }
  }
}

const lives: { readonly spec: ClientSpec; readonly life: Life }[] = [];
const running: Promise<void>[] = [];
process.on('message', (message: ToClient) => {
  if (message.kind === 'job') jobs.push(message.jobId);
  else if (message.kind === 'start') {
    for (const spec of message.clients) {
      const life: Life = { seen: [], failures: [], resets: 0, reconnects: 0 };
      lives.push({ spec, life });
      running.push(spec.kind === 'stream' ? stream(spec, life) : waits(spec, life));
    }
  } else {
    stopped.abort();
    void Promise.all(running).then(() => {
      send({ kind: 'report', clients: lives.map(({ spec, life }) => ({ kind: spec.kind, ...life })) });
    });
  }
});
// Without its parent it has nobody to tell.
process.once('disconnect', () => process.exit());
