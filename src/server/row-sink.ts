import { type IncomingMessage, ServerResponse } from 'node:http';
import { type RowFilter, type VisibleAnswer, withheld } from '../access/index.ts';
import { GatewayError } from '../kernel/index.ts';

/** Makes the filter of an answer, once it is known to be a good one. */
export interface SinkOptions {
  readonly filter: RowFilter;
  /** Which of these jobs are the caller's, by the gateway's own record. Throws GatewayError. */
  readonly mine: (jobIds: readonly string[]) => Promise<ReadonlySet<string>>;
  readonly plan: Parameters<typeof withheld>[1];
  /** Told how many bytes are in memory, whenever that changed; throws when that is too much. */
  readonly hold: (bytes: number) => void;
}

/** Rows are looked at in slices of so many bytes, so that a large answer leaves others their turn. */
const SLICE = 65_536;
/** Of so many jobs the record is asked at once. */
const ASKED = 500;
/** What of an answer's headers goes on: how old it is, and when to come again. All else could tell of what was left out. */
const KEPT = /^(?:age|retry-after)$/i;

/**
 * Takes an answer of vovserver in the place of the caller's response and looks at it row by row. What comes is held only until
 * it was looked at; a sender that is faster is told to wait.
 */
export class RowSink extends ServerResponse {
  readonly #options: SinkOptions;
  readonly #headers: string[] = [];
  readonly #pieces: Buffer[] = [];
  #status = 0;
  #ended = false;
  #cut = false;
  #busy = false;
  #pumping: Promise<void> = Promise.resolve();
  #error: unknown = null;

  constructor(request: IncomingMessage, options: SinkOptions) {
    super(request);
    this.#options = options;
  }

  override writeHead(status: number, ...rest: unknown[]): this {
    this.#status = status;
    const fields = rest.find((one) => Array.isArray(one)) ?? [];
    for (let at = 0; at + 1 < fields.length; at += 2) {
      if (KEPT.test(String(fields[at]))) this.#headers.push(String(fields[at]), String(fields[at + 1]));
    }
    return this;
  }

  override write(piece: unknown): boolean {
    this.#add(piece, 'utf8');
    return !this.#busy;
  }

  override end(piece?: unknown, encoding?: unknown): this {
    this.#add(piece, encoding === 'latin1' ? 'latin1' : 'utf8');
    this.#ended = true;
    if (!this.#busy) this.emit('close');
    return this;
  }

  /** The answer broke off, or is no longer wanted. */
  override destroy(): this {
    this.#cut = true;
    this.destroyed = true;
    this.#pieces.length = 0;
    return this;
  }

  /** Why nothing more was taken; null: nothing was in the way. */
  get fault(): unknown {
    return this.#error;
  }

  /** What is left for the caller. Throws GatewayError: the filter's, and GW_UPSTREAM_INVALID for an answer that broke off. */
  async answer(): Promise<{ readonly headers: readonly string[]; readonly visible: VisibleAnswer }> {
    await this.#pumping;
    if (this.#error !== null) throw this.#error;
    if (this.#cut || !this.#ended) throw new GatewayError('GW_UPSTREAM_INVALID', 'The answer of vovserver broke off.');
    if (this.#status >= 300) return { headers: this.#headers, visible: withheld(this.#status, this.#options.plan) };
    await this.#ask();
    const visible = this.#options.filter.finish();
    this.#options.hold(visible.body.length);
    return { headers: this.#headers, visible };
  }

  #add(piece: unknown, encoding: BufferEncoding): void {
    if (this.#cut || piece === undefined || piece === null || this.#status >= 300) return;
    this.#pieces.push(Buffer.isBuffer(piece) ? piece : Buffer.from(String(piece), encoding));
    if (this.#busy) return;
    this.#busy = true;
    this.#pumping = this.#pump();
  }

  async #pump(): Promise<void> {
    try {
      for (let piece = this.#pieces.shift(); piece !== undefined; piece = this.#pieces.shift()) {
        for (let at = 0; at < piece.length; at += SLICE) {
          this.#options.filter.take(piece.subarray(at, at + SLICE));
          this.#options.hold(this.#options.filter.held);
          if (this.#options.filter.pending >= ASKED) await this.#ask();
          else if (at > 0) await new Promise(setImmediate);
        }
      }
    } catch (error) {
      this.#error = error;
      this.destroy();
    }
    this.#busy = false;
    this.emit('drain');
    if (this.#ended || this.#cut) this.emit('close');
  }

  async #ask(): Promise<void> {
    const { filter, mine } = this.#options;
    if (filter.pending > 0) filter.decide(await mine(filter.asked()));
  }
}
