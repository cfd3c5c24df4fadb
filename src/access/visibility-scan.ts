import { GatewayError } from '../kernel/index.ts';

/** What is in the way of filtering an answer of vovserver. */
export const invalid = (what: string): GatewayError =>
  new GatewayError('GW_UPSTREAM_INVALID', `The answer of vovserver cannot be filtered: ${what}.`);

/** Bytes of a reply without its rows, and of one row. */
const MOST_HEAD = 1_048_576;
const MOST_ROW = 4_194_304;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPEN = 0x5b;
const CLOSE = 0x5d;
const BRACE = 0x7b;
const UNBRACE = 0x7d;
const COLON = 0x3a;
const COMMA = 0x2c;

const isBlank = (byte: number): boolean => byte === 0x20 || (byte >= 0x09 && byte <= 0x0d);

/** Told of each row as soon as it is complete. */
export interface RowListener {
  /** `head` is the reply up to its rows, as text that lacks `]}`. */
  begin(head: string): void;
  /** Bytes of the row as they came, one character for each byte. */
  row(text: string): void;
}

/**
 * Takes the top-level list `rows` out of a reply to a query, piece by piece, without holding it. Bytes are characters (Latin-1)
 * throughout, so that a row can go on as it came. Throws GW_UPSTREAM_INVALID for what is no such reply.
 */
export class RowScanner {
  readonly #listener: RowListener;
  /** The reply without the content of `rows`. */
  #rest = '';
  #row = '';
  #place: 'around' | 'rows' | 'row' = 'around';
  #depth = 0;
  #inString = false;
  #escaped = false;
  /** The last string at depth 1, and whether a colon came after it. */
  #string = '';
  #isKey = false;
  #seen = false;

  constructor(listener: RowListener) {
    this.#listener = listener;
  }

  feed(piece: Buffer): void {
    let start = 0;
    for (let at = 0; at < piece.length; at += 1) {
      const byte = piece[at] ?? 0;
      const before = this.#place;
      if (before === 'rows') this.#between(byte);
      else if (before === 'row') this.#inRow(byte);
      else this.#around(byte, piece, at, start);
      const after = this.#place;
      if (before === after) continue;
      this.#cut(piece, start, at, before, after);
      start = after === 'row' ? at : at + 1;
      if (before === 'rows' && after === 'around') start = at;
    }
    this.#keep(piece, start, piece.length, this.#place);
  }

  /** The reply with `rows` empty, once everything was fed. Throws GW_UPSTREAM_INVALID when it broke off. */
  end(): string {
    if (this.#place !== 'around' || this.#depth !== 0 || this.#rest.trim() === '')
      throw invalid('it is no JSON object');
    return this.#rest;
  }

  #cut(piece: Buffer, start: number, at: number, before: string, after: string): void {
    if (before === 'around') {
      this.#keep(piece, start, at + 1, before);
      this.#listener.begin(this.#rest);
    } else if (before === 'row') {
      this.#keep(piece, start, at + 1, before);
      const text = this.#row;
      this.#row = '';
      this.#listener.row(text);
    } else if (after === 'around') this.#string = '';
  }

  #keep(piece: Buffer, start: number, end: number, place: string): void {
    if (place === 'rows' || end <= start) return;
    const text = piece.toString('latin1', start, end);
    if (place === 'row') this.#row += text;
    else this.#rest += text;
    if (this.#row.length > MOST_ROW) throw invalid('a row is too long');
    if (this.#rest.length > MOST_HEAD) throw invalid('it is too long without its rows');
  }

  /** True for a byte within a string, its quotes included. */
  #within(byte: number): boolean {
    if (!this.#inString) {
      this.#inString = byte === QUOTE;
      return this.#inString;
    }
    if (this.#escaped) this.#escaped = false;
    else if (byte === BACKSLASH) this.#escaped = true;
    else if (byte === QUOTE) this.#inString = false;
    return true;
  }

  #around(byte: number, piece: Buffer, at: number, start: number): void {
    const inString = this.#inString;
    if (this.#within(byte)) {
      if (this.#depth === 1 && this.#inString && !inString) this.#string = '';
      else if (this.#depth === 1 && this.#inString && this.#string.length < 8)
        this.#string += String.fromCharCode(byte);
      return;
    }
    if (byte === COLON) this.#isKey = this.#depth === 1;
    else if (byte === COMMA) this.#isKey = false;
    else if (byte === UNBRACE || byte === CLOSE) this.#depth -= 1;
    else if (byte === BRACE || byte === OPEN) {
      if (byte === OPEN && this.#depth === 1 && this.#isKey && this.#string === 'rows') this.#open();
      else this.#depth += 1;
    } else return;
    if (this.#depth < 0) throw invalid(`it is no JSON at byte ${start + at} of ${piece.length}`);
  }

  #open(): void {
    if (this.#seen) throw invalid('it has rows twice');
    this.#seen = true;
    this.#place = 'rows';
  }

  #between(byte: number): void {
    if (byte === OPEN) {
      this.#place = 'row';
      this.#depth += 1;
    } else if (byte === CLOSE) this.#place = 'around';
    else if (byte !== COMMA && !isBlank(byte)) throw invalid('a row is no list');
  }

  #inRow(byte: number): void {
    if (this.#within(byte)) return;
    if (byte === OPEN || byte === BRACE) this.#depth += 1;
    else if (byte === CLOSE || byte === UNBRACE) this.#depth -= 1;
    if (this.#depth === 1) this.#place = 'rows';
  }
}
