import { get, type IncomingMessage } from 'node:http';
import { eventually } from '../world/eventually.ts';

/** One server-sent event as it was read. */
export interface ReadEvent {
  readonly event: string;
  readonly id: string | null;
  readonly data: Readonly<Record<string, unknown>>;
}

/** A reader of events over a plain connection. */
export interface EventReader extends Disposable {
  readonly response: IncomingMessage;
  readonly events: ReadEvent[];
  /** Id of the last event that had one. */
  readonly lastId: string | null;
  /** True when the answer has ended. */
  readonly ended: boolean;
  /** Resolves with the first event that fits. */
  find(what: string, fits: (event: ReadEvent) => boolean): Promise<ReadEvent>;
}

function parseEvent(block: string): ReadEvent | null {
  const fields = new Map(
    block
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith(':'))
      .map((line): [string, string] => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 2)]),
  );
  const data = fields.get('data');
  if (data === undefined) return null;
  return { event: fields.get('event') ?? 'message', id: fields.get('id') ?? null, data: JSON.parse(data) };
}

/** Opens `/gateway/v1/jobs/events`; resolves with the head of the answer. */
export async function readEvents(
  port: number,
  token: string,
  headers: Record<string, string> = {},
): Promise<EventReader> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const options = { host: '127.0.0.1', port, path: '/gateway/v1/jobs/events', agent: false as const };
  const request = get({ ...options, headers: { authorization: `Bearer ${token}`, ...headers } }, resolve);
  request.once('error', reject);
  const response = await promise;
  const events: ReadEvent[] = [];
  let rest = '';
  let ended = false;
  let lastId: string | null = null;
  response.setEncoding('utf8');
  response.on('data', (text: string) => {
    const blocks = `${rest}${text}`.split('\n\n');
    rest = blocks.pop() ?? '';
    for (const event of blocks.map(parseEvent)) {
      if (event === null) continue;
      events.push(event);
      lastId = event.id ?? lastId;
    }
  });
  response.on('error', () => undefined);
  response.on('close', () => {
    ended = true;
  });
  return {
    response,
    events,
    get lastId() {
      return lastId;
    },
    get ended() {
      return ended;
    },
    find: (what, fits) => eventually(what, () => events.find(fits)),
    [Symbol.dispose]: () => void request.destroy(),
  };
}
