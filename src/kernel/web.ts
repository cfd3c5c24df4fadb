import type { IncomingMessage } from 'node:http';

/** Tells that the caller of a request went away, once. */
export interface CallerLeaving {
  readonly aborted: boolean;
  addEventListener(type: 'abort', listener: { handleEvent(event: Event): void }): void;
  removeEventListener(type: 'abort', listener: { handleEvent(event: Event): void }): void;
}

/** Where a streamed answer is written, until it ends or the caller goes away. */
export interface WebStream {
  write(bytes: string | Buffer): void;
  /** Bytes that were written and that the caller has not taken yet. */
  readonly waiting: number;
  /** Ends the answer; a caller that does not take the rest within some seconds is cut off. */
  end(): void;
}

/** A request to one of the gateway's own pages or endpoints, after its message was checked and its body read. */
export interface WebRequest {
  readonly method: string;
  /** The checked path without the query. */
  readonly path: string;
  /** Named segments of the route's path, decoded. */
  readonly params: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  /** Fields of an `application/x-www-form-urlencoded` body; empty for anything else. */
  readonly form: URLSearchParams;
  /** The body of any other type, at most 64 KiB; empty when there was none. */
  readonly body: Buffer;
  readonly contentType: string;
  readonly cookies: ReadonlyMap<string, string>;
  /** Queue by port or host name. */
  readonly queue: string;
  readonly address: string;
  readonly requestId: string;
  readonly userAgent: string;
  /** For libraries that want the message itself; its body has been read already. */
  readonly raw: IncomingMessage;
  /** For answers that wait. */
  readonly leaving?: CallerLeaving;
}

/** A cookie to set; an empty value removes it. The server adds Path=/, HttpOnly, and Secure with the `__Host-` prefix under https. */
export interface Cookie {
  /** Without the `__Host-` prefix. */
  readonly name: string;
  readonly value: string;
  /** `none` for what must come back with a cross-site POST (a SAML response); under plain http it falls back to `lax`. */
  readonly sameSite: 'lax' | 'none';
  /** Seconds; null: until the browser is closed. */
  readonly maxAge: number | null;
}

interface AnswerParts {
  readonly status?: number;
  readonly cookies?: readonly Cookie[];
  readonly headers?: Readonly<Record<string, string>>;
}

/** What a page or endpoint answers; the server writes it. Without a status: 200, and 303 for a redirect. */
export type WebAnswer = AnswerParts &
  (
    | {
        readonly kind: 'page';
        readonly html: string;
        /** Origins beside the gateway's own that forms of this page may post to, for the content security policy. */
        readonly formActions?: readonly string[];
      }
    | { readonly kind: 'redirect'; readonly location: string }
    | { readonly kind: 'json'; readonly body: unknown }
    | {
        readonly kind: 'bytes';
        readonly contentType: string;
        readonly bytes: Buffer;
        /** Content that never changes under its URL; otherwise no cache may keep the answer. */
        readonly immutable?: boolean;
      }
    /** Written little by little; `open` gets the place to write to once the head is sent, and gives what ends with it. */
    | { readonly kind: 'stream'; readonly contentType: string; open(stream: WebStream): Disposable }
    | { readonly kind: 'empty' }
  );
