/** One answer of vovserver, before it is put on the wire. */
export interface Reply {
  readonly status: number;
  readonly contentType: string;
  readonly body: string | Buffer;
  /** Reads that walk over many rows are heavy: they cost by row and only a few run at once. */
  readonly rows?: number;
  readonly headers?: Readonly<Record<string, string>>;
}

const JSON_TYPE = 'application/json';

export const jsonReply = (status: number, value: unknown): Reply => ({
  status,
  contentType: JSON_TYPE,
  body: JSON.stringify(value),
});

/** The error body of the token endpoint, which the tutorial's getToken.py reads. */
export const errorReply = (status: number, error: string): Reply => jsonReply(status, { error });

export const htmlReply = (status: number, title: string): Reply => ({
  status,
  contentType: 'text/html',
  body: `<!DOCTYPE html><html><head><title>${title}</title></head><body><h1>${title}</h1></body></html>\n`,
});

/** Thrown inside a route to end it with an answer. */
export class Refusal extends Error {
  readonly reply: Reply;

  constructor(reply: Reply) {
    super(`refused with ${reply.status}`);
    this.reply = reply;
  }
}
