import { GatewayError } from '../kernel/index.ts';
import type { FailureKind } from './failure.ts';
import type { WholeAnswer } from './ports.ts';

/** Where an answer goes: the caller's ServerResponse, or memory. As much of Node's response as an attempt uses. */
export interface Sink {
  readonly destroyed: boolean;
  writeHead(status: number, headers: string[]): unknown;
  /** False when no more is wanted now: `drain` will tell, unless it is destroyed. */
  write(piece: Buffer): boolean;
  end(piece?: Buffer): unknown;
  end(text: string, encoding: 'latin1'): unknown;
  once(event: 'drain', listener: () => void): unknown;
  off(event: 'drain', listener: () => void): unknown;
  destroy(): unknown;
}

/** The answer of vovserver is longer than the caller of `ask` takes. */
export class AnswerTooLong extends GatewayError {
  constructor(maxBytes: number) {
    super('GW_UPSTREAM_INVALID', `The answer of vovserver exceeds ${maxBytes} bytes.`);
    this.name = 'AnswerTooLong';
  }
}

/** Most that is set aside at once, bytes, before an answer has shown that it is longer. */
const FIRST_ROOM = 16_384;
/** Most that stays set aside for nothing, bytes. */
const SLACK = 4096;

/** An answer in memory, up to a limit of bytes; beyond it nothing is kept and `destroyed` is set. */
export class Collector implements Sink {
  readonly maxBytes: number;
  destroyed = false;
  tooLong = false;
  /** Why the answer broke off once it had begun. */
  broken: FailureKind | null = null;
  #status = 0;
  #headers: string[] = [];
  #room = Buffer.alloc(0);
  #bytes = 0;

  constructor(maxBytes: number) {
    this.maxBytes = maxBytes;
  }

  writeHead(status: number, headers: string[]): void {
    this.#status = status;
    this.#headers = [];
    for (let at = 0; at + 1 < headers.length; at += 2) {
      const name = headers[at] ?? '';
      if (name !== 'content-length') this.#headers.push(name, headers[at + 1] ?? '');
      else if (Number(headers[at + 1]) > this.maxBytes) this.#refuse();
    }
  }

  write(piece: Buffer): boolean {
    if (this.#bytes + piece.length > this.maxBytes) this.#refuse();
    if (this.destroyed) return false;
    // Copied: a piece is a window into a far larger buffer of the socket, which it would keep alive.
    this.#grow(this.#bytes + piece.length);
    piece.copy(this.#room, this.#bytes);
    this.#bytes += piece.length;
    return true;
  }

  end(piece?: Buffer | string, encoding?: 'latin1'): void {
    if (piece !== undefined) this.write(typeof piece === 'string' ? Buffer.from(piece, encoding) : piece);
  }

  /** Never told: the collector takes everything or is destroyed. */
  once(): void {}

  off(): void {}

  destroy(): void {
    this.destroyed = true;
    this.#room = Buffer.alloc(0);
  }

  /** The answer, once it is complete. */
  answer(seconds: number, renewed: boolean): WholeAnswer {
    const all = this.#room.subarray(0, this.#bytes);
    const body = this.#room.length - this.#bytes > SLACK ? Buffer.from(all) : all;
    return { status: this.#status, headers: this.#headers, body, seconds, renewed };
  }

  #grow(needed: number): void {
    if (needed <= this.#room.length) return;
    const size = Math.min(this.maxBytes, Math.max(needed, Math.min(2 * needed, FIRST_ROOM), 2 * this.#room.length));
    const room = Buffer.allocUnsafeSlow(size);
    this.#room.copy(room, 0, 0, this.#bytes);
    this.#room = room;
  }

  #refuse(): void {
    this.tooLong = true;
    this.destroy();
  }
}
