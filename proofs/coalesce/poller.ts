// A client process of the proof: many kept-alive connections over plain sockets, so that no client library pools or shares
// anything. Its order is JSON on the command line, what it met is JSON on standard output.
import { connect, type Socket } from 'node:net';

/** Who polls: a token, how many connections, and what every answer of it must and must not hold. */
export interface Group {
  readonly token: string;
  readonly connections: number;
  readonly path: string;
  /** Pause between answer and next request, milliseconds; a little more or less each time. */
  readonly pauseMs: number;
  readonly must: string;
  readonly mustNot: string;
  /** Cuts the connection so many milliseconds after each request, without waiting for the answer. */
  readonly quitMs?: number;
  /** Notes every reply. */
  readonly notes?: boolean;
}

export interface Order {
  readonly host: string;
  readonly port: number;
  readonly seconds: number;
  readonly groups: readonly Group[];
}

/** One reply: when its request was sent (monotonic clock of the machine, and since the epoch), what version, what age; milliseconds. */
export type Reply = readonly [sentMono: number, sentAt: number, version: number, age: number];

export interface Met {
  /** Answers by status, with the code of the gateway's own errors. */
  readonly answers: Record<string, number>;
  readonly replies: Reply[];
  /** Answers whose body lacked what it must hold, or held what it must not. */
  foreign: number;
  /** Bytes of bodies that were looked at. */
  bytes: number;
  /** Connections that were cut on purpose. */
  quits: number;
}

const END = '\r\n\r\n';

/** Milliseconds of a clock that all processes of the machine share and that never jumps. */
export const mono = (): number => Number(process.hrtime.bigint()) / 1e6;

class Poller {
  readonly #order: Order;
  readonly #group: Group;
  readonly #met: Met;
  readonly #end: number;
  readonly done = Promise.withResolvers<void>();
  #socket: Socket | null = null;
  #text = '';
  #sentMono = 0;
  #sentAt = 0;

  constructor(order: Order, group: Group, met: Met, end: number) {
    this.#order = order;
    this.#group = group;
    this.#met = met;
    this.#end = end;
  }

  start(): void {
    setTimeout(() => this.#send(), Math.random() * this.#group.pauseMs);
  }

  #open(): Socket {
    const socket = connect(this.#order.port, this.#order.host);
    socket.setNoDelay(true);
    socket.setEncoding('latin1');
    socket.on('data', (text: string) => this.#read(text));
    socket.on('error', () => undefined);
    socket.on('close', () => this.#lost(socket));
    return socket;
  }

  #send(): void {
    if (mono() >= this.#end) {
      this.#socket?.destroy();
      this.done.resolve();
      return;
    }
    this.#socket ??= this.#open();
    this.#text = '';
    const { path, token, quitMs } = this.#group;
    this.#sentMono = mono();
    this.#sentAt = Date.now();
    this.#socket.write(`GET ${path} HTTP/1.1\r\nHost: gateway\r\nAuthorization: Bearer ${token}\r\n\r\n`);
    if (quitMs !== undefined) setTimeout(() => this.#quit(), quitMs);
  }

  #quit(): void {
    this.#met.quits += 1;
    const socket = this.#socket;
    this.#socket = null;
    socket?.resetAndDestroy();
    setTimeout(() => this.#send(), this.#group.pauseMs);
  }

  #lost(socket: Socket): void {
    if (socket !== this.#socket || mono() >= this.#end) return;
    this.#socket = null;
    this.#count('cut');
    setTimeout(() => this.#send(), this.#group.pauseMs);
  }

  #count(what: string): void {
    this.#met.answers[what] = (this.#met.answers[what] ?? 0) + 1;
  }

  #read(text: string): void {
    this.#text += text;
    const head = this.#text.indexOf(END);
    if (head < 0) return;
    const length = /\r\ncontent-length: (\d+)/i.exec(this.#text.slice(0, head))?.[1];
    const body = this.#text.slice(head + END.length);
    if (length !== undefined ? body.length < Number(length) : !body.endsWith('0\r\n\r\n')) return;
    this.#take(this.#text.slice(0, head), body);
    const { pauseMs } = this.#group;
    setTimeout(() => this.#send(), pauseMs * (0.75 + Math.random() / 2));
  }

  #take(head: string, body: string): void {
    const met = this.#met;
    const { must, mustNot, notes } = this.#group;
    const status = head.slice(9, 12);
    this.#count(status === '200' ? '200' : `${status} ${/GW_[A-Z_]+/.exec(body)?.[0] ?? ''}`.trim());
    met.bytes += body.length;
    const isGood = status !== '200' || body.includes(must);
    if (!isGood || (mustNot !== '' && body.includes(mustNot))) met.foreign += 1;
    if (notes !== true || status !== '200') return;
    const version = Number(/"v(\d+)"/.exec(body)?.[1] ?? Number.NaN);
    met.replies.push([this.#sentMono, this.#sentAt, version, Number(/\r\nage: (\d+)/i.exec(head)?.[1] ?? -1)]);
  }
}

if (process.argv[2] !== undefined && import.meta.main) {
  const order = JSON.parse(process.argv[2]) as Order;
  const end = mono() + order.seconds * 1000;
  const mets = order.groups.map((): Met => ({ answers: {}, replies: [], foreign: 0, bytes: 0, quits: 0 }));
  const pollers = order.groups.flatMap((group, at) => {
    const met = mets[at];
    return met === undefined ? [] : Array.from({ length: group.connections }, () => new Poller(order, group, met, end));
  });
  for (const poller of pollers) poller.start();
  // Whoever still waits for an answer then has none.
  await Promise.race([
    Promise.all(pollers.map(({ done }) => done.promise)),
    new Promise((resolve) => setTimeout(resolve, order.seconds * 1000 + 15_000)),
  ]);
  process.stdout.write(JSON.stringify(mets), () => process.exit(0));
}
