import { cleanText } from './clean-text.ts';
import { errorFields } from './error-fields.ts';
import type { LogFields, RequestRecord } from './report.ts';

/** A flat log line without time, level and message: the names of the Elastic Common Schema where it has one. */
export type FlatLine = Record<string, string | number | boolean>;

/** How one field of {@link LogFields} or {@link RequestRecord} gets into the log. */
export interface FieldRule<K extends string = string> {
  readonly from: K;
  readonly name: string;
  readonly type: 'string' | 'number' | 'boolean';
  readonly meaning: string;
}

type Rules<T> = readonly FieldRule<keyof T & string>[];

/** The allow-list of events: what is not a row here never reaches the log. `error` becomes four fields of its own. */
export const EVENT_FIELDS: Rules<Omit<LogFields, 'error'>> = [
  { from: 'event', name: 'event.action', type: 'string', meaning: 'What happened, as a stable word.' },
  { from: 'reason', name: 'event.reason', type: 'string', meaning: 'Why.' },
  { from: 'queue', name: 'vovgw.queue', type: 'string', meaning: 'Queue of the configuration.' },
  { from: 'account', name: 'vovgw.account', type: 'string', meaning: 'vovserver account.' },
  { from: 'user', name: 'user.name', type: 'string', meaning: 'User in the company’s terms.' },
  {
    from: 'subject',
    name: 'user.id',
    type: 'string',
    meaning: 'Subject of the identity, unique over all ways of signing in.',
  },
  { from: 'provider', name: 'vovgw.provider', type: 'string', meaning: 'Identity provider of the configuration.' },
  { from: 'session_id', name: 'vovgw.session_id', type: 'string', meaning: 'Public id of a session.' },
  { from: 'token_id', name: 'vovgw.token_id', type: 'string', meaning: 'Public id of an access token.' },
  { from: 'request_id', name: 'http.request.id', type: 'string', meaning: 'X-Request-Id of the request.' },
  { from: 'address', name: 'client.ip', type: 'string', meaning: 'Address of the caller.' },
  { from: 'host', name: 'server.address', type: 'string', meaning: 'Host of the other side, or listened on.' },
  { from: 'port', name: 'server.port', type: 'number', meaning: 'Its port.' },
  { from: 'file', name: 'file.path', type: 'string', meaning: 'File that was read.' },
  { from: 'code', name: 'error.code', type: 'string', meaning: 'GW_… code, or the system’s code of an error.' },
  { from: 'seconds', name: 'vovgw.seconds', type: 'number', meaning: 'Duration in seconds.' },
  { from: 'count', name: 'vovgw.count', type: 'number', meaning: 'How many.' },
  { from: 'dry_run', name: 'vovgw.dry_run', type: 'boolean', meaning: 'True when nothing was to be done (X-Dry-Run).' },
  { from: 'level_tls', name: 'vovgw.tls_level', type: 'number', meaning: 'TLS level towards vovserver: 1, 2 or 3.' },
  { from: 'version', name: 'vovgw.version', type: 'string', meaning: 'A version.' },
];

/** The allow-list of the request line. `traceparent` becomes `trace.id`, `aborted` is written when true. */
export const REQUEST_FIELDS: Rules<Omit<RequestRecord, 'traceparent' | 'aborted'>> = [
  { from: 'requestId', name: 'http.request.id', type: 'string', meaning: 'X-Request-Id of the request.' },
  {
    from: 'door',
    name: 'vovgw.door',
    type: 'string',
    meaning: 'Door of the gateway: api, token, login, callback, portal, oauth, vendor, other.',
  },
  { from: 'method', name: 'http.request.method', type: 'string', meaning: 'Method.' },
  { from: 'route', name: 'vovgw.route', type: 'string', meaning: 'Template of the route, `other` or `none`.' },
  { from: 'path', name: 'url.path', type: 'string', meaning: 'Path without the query.' },
  { from: 'status', name: 'http.response.status_code', type: 'number', meaning: 'Status sent; 0 when none was.' },
  { from: 'bytesOut', name: 'http.response.body.bytes', type: 'number', meaning: 'Bytes of the body sent.' },
  { from: 'seconds', name: 'vovgw.seconds', type: 'number', meaning: 'Duration in seconds.' },
  { from: 'upstreamSeconds', name: 'vovgw.upstream_seconds', type: 'number', meaning: 'Of these, spent on vovserver.' },
  { from: 'address', name: 'client.ip', type: 'string', meaning: 'Address of the caller.' },
  { from: 'queue', name: 'vovgw.queue', type: 'string', meaning: 'Queue of the configuration.' },
  { from: 'user', name: 'user.name', type: 'string', meaning: 'User in the company’s terms.' },
  { from: 'account', name: 'vovgw.account', type: 'string', meaning: 'vovserver account.' },
  { from: 'tokenId', name: 'vovgw.token_id', type: 'string', meaning: 'Public id of the access token.' },
  { from: 'tokenLabel', name: 'vovgw.token_label', type: 'string', meaning: 'Label of the access token.' },
  { from: 'code', name: 'error.code', type: 'string', meaning: 'GW_… code when the gateway itself answered.' },
  { from: 'internal', name: 'event.reason', type: 'string', meaning: 'Internal reason of that answer.' },
];

const TRACEPARENT = /^[0-9a-f]{2}-([0-9a-f]{32})-/;

function take<T extends object>(line: FlatLine, source: T, rules: Rules<T>): void {
  for (const rule of rules) {
    const value: unknown = source[rule.from];
    if (typeof value !== rule.type) continue;
    if (typeof value === 'string') line[rule.name] = cleanText(value);
    else if (typeof value === 'boolean' || (typeof value === 'number' && Number.isFinite(value)))
      line[rule.name] = value;
  }
}

/** The log line of an event. */
export function eventLine(fields: LogFields): FlatLine {
  const line: FlatLine = {};
  take(line, fields, EVENT_FIELDS);
  if (fields.error === undefined) return line;
  const error = errorFields(fields.error);
  line['error.type'] = error.type;
  line['error.message'] = error.message;
  if (error.code !== undefined) line['error.code'] ??= error.code;
  if (error.stack !== undefined) line['error.stack_trace'] = error.stack;
  return line;
}

/** Short texts that come again with most requests (methods, routes, users), cleaned and quoted once. */
const QUOTED = 4096;
const QUOTED_LENGTH = 64;

/** Quotes a text for a JSON line, cleaned; remembers what is likely to come again. */
export function createQuote(): (text: string) => string {
  const known = new Map<string, string>();
  return (text) => {
    const found = known.get(text);
    if (found !== undefined) return found;
    const quoted = JSON.stringify(cleanText(text));
    if (text.length > QUOTED_LENGTH) return quoted;
    if (known.size >= QUOTED) known.clear();
    known.set(text, quoted);
    return quoted;
  };
}

/** Texts like a UUID hold nothing to clean, and each comes once: they are not worth remembering. */
const PLAIN = /^[0-9a-f-]{1,64}$/;
const REQUEST_ROWS = REQUEST_FIELDS.map(({ from, name, type }) => ({
  from,
  start: `,${JSON.stringify(name)}:`,
  type,
}));

/**
 * The fields of a finished request as the inside of a JSON object, beginning with a comma. Put together by hand, since it
 * is written for every request: through an object and pino it costs three times as much.
 */
export function requestText(record: RequestRecord, quote: (text: string) => string): string {
  let text = ',"event.action":"request"';
  for (const { from, start, type } of REQUEST_ROWS) {
    const value = record[from];
    if (typeof value !== type) continue;
    if (typeof value === 'string') text += start + (PLAIN.test(value) ? `"${value}"` : quote(value));
    else if (typeof value === 'number' && Number.isFinite(value)) text += start + value;
  }
  const trace = typeof record.traceparent === 'string' ? TRACEPARENT.exec(record.traceparent)?.[1] : undefined;
  if (trace !== undefined) text += `,"trace.id":"${trace}"`;
  return record.aborted === true ? `${text},"vovgw.aborted":true` : text;
}
