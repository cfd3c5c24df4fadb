import type { JobNews, JobWatch, NewsAsk, NewsReader } from '../jobs/index.ts';
import type { Clock, WebAnswer, WebStream } from '../kernel/index.ts';
import { jobBody } from './job-body.ts';

/** Milliseconds between two signs of life: proxies cut what is silent for a minute. */
const HEARTBEAT = 15_000;
/** Milliseconds between two looks at the credential; nothing is told on an older one. */
const CHECK = 500;
/** Bytes that a reader may be behind when there is more for it. */
const BEHIND = 262_144;
/** Milliseconds after which a reader that was cut off should come again. */
const RETRY = 2000;

export interface EventsOptions {
  readonly clock: Clock;
  /** Rejects when the credential has ended. */
  readonly check: () => Promise<void>;
  readonly headOnly: boolean;
}

type EndReason = 'slow' | 'draining' | 'credential';

const eventText = (event: string, id: string | null, data: object): string =>
  `event: ${event}\n${id === null ? '' : `id: ${id}\n`}data: ${JSON.stringify(data)}\n\n`;

/** Many read the same news: they share its bytes. */
const written = new WeakMap<JobNews, Buffer>();

function bytesOf(news: JobNews): Buffer {
  const found = written.get(news);
  if (found !== undefined) return found;
  const text = news.changes.map(({ id, job }) => eventText('job', id, jobBody(news.queue, job))).join('');
  const bytes = Buffer.from(text);
  written.set(news, bytes);
  return bytes;
}

/** Writes what is read; `onEnd` is told when it should be over. */
function createWriter(
  stream: WebStream,
  queue: string,
  onEnd: () => void,
): NewsReader & { over(why: EndReason): void; beat(): void } {
  let open = true;
  const over = (why: EndReason): void => {
    if (!open) return;
    open = false;
    stream.write(eventText('end', null, { reason: why }));
    stream.end();
    onEnd();
  };
  const write = (bytes: string | Buffer): void => {
    if (!open) return;
    if (stream.waiting > BEHIND) over('slow');
    else stream.write(bytes);
  };
  return {
    begin(how, head) {
      const first = how === 'resumed' ? ': resumed\n\n' : eventText(how === 'new' ? 'ready' : 'reset', head, { queue });
      write(`retry: ${RETRY}\n\n${first}`);
    },
    read: (news) => write(bytesOf(news)),
    end: () => over('draining'),
    over,
    beat: () => write(':\n\n'),
  };
}

/**
 * The changes of one's jobs as server-sent events (HTML, 9.2): `ready` or `reset` first, then `job`; `end` says why it is
 * over. What keeps it from beginning is thrown before the answer begins.
 */
export async function openJobEvents(watch: JobWatch, ask: NewsAsk, options: EventsOptions): Promise<WebAnswer> {
  const { clock, check, headOnly } = options;
  const contentType = 'text/event-stream';
  if (headOnly) return { kind: 'stream', contentType, open: () => ({ [Symbol.dispose]: () => undefined }) };
  const later = createLater();
  const reading = await watch.follow(ask, later);
  return {
    kind: 'stream',
    contentType,
    open(stream) {
      const parts = new DisposableStack();
      parts.use(reading);
      const writer = createWriter(stream, ask.account.queue, () => parts.dispose());
      parts.use(clock.every(HEARTBEAT, writer.beat));
      const checked = createChecked(writer, clock, check);
      parts.use(clock.every(CHECK, checked.look));
      later.become(checked.reader);
      return { [Symbol.dispose]: () => parts.dispose() };
    },
  };
}

/** Passes news on while the credential was looked at a moment ago; else they wait for the next look, or are never told. */
function createChecked(
  writer: ReturnType<typeof createWriter>,
  clock: Clock,
  check: () => Promise<void>,
): { readonly reader: NewsReader; look(): void } {
  let goodAt = clock.now();
  let checking = false;
  let waiting: (() => void)[] = [];
  let bytes = 0;
  const isFresh = (): boolean => clock.now() >= goodAt && clock.now() - goodAt <= CHECK;
  const lookNow = async (): Promise<void> => {
    const began = clock.now();
    try {
      await check();
    } catch {
      writer.over('credential');
      return;
    } finally {
      checking = false;
    }
    goodAt = began;
    const ready = waiting;
    waiting = [];
    bytes = 0;
    for (const write of ready) write();
  };
  const look = (): void => {
    if (checking) return;
    checking = true;
    void lookNow();
  };
  const read = (news: JobNews): void => {
    if (waiting.length === 0 && isFresh()) {
      writer.read(news);
      return;
    }
    waiting.push(() => writer.read(news));
    bytes += bytesOf(news).length;
    if (bytes > BEHIND) writer.over('slow');
    else look();
  };
  // In its place among the news, though there is nothing in it.
  const begin: NewsReader['begin'] = (how, head) => {
    if (waiting.length === 0) writer.begin(how, head);
    else waiting.push(() => writer.begin(how, head));
  };
  return { look, reader: { begin, read, end: writer.end } };
}

/** Keeps what is read until there is somebody to write it: the head of the answer is sent in the same turn. */
function createLater(): NewsReader & { become(reader: NewsReader): void } {
  let kept: ((reader: NewsReader) => void)[] | null = [];
  let real: NewsReader | null = null;
  const pass = (step: (reader: NewsReader) => void): void => {
    if (real === null) kept?.push(step);
    else step(real);
  };
  return {
    begin: (how, head) => pass((reader) => reader.begin(how, head)),
    read: (news) => pass((reader) => reader.read(news)),
    end: () => pass((reader) => reader.end()),
    become(reader) {
      real = reader;
      for (const step of kept ?? []) step(reader);
      kept = null;
    },
  };
}
