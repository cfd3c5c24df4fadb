import { GatewayError } from '../kernel/index.ts';

const NAME = 'idempotency-key';
const KEY = /^[\x21-\x7e]{1,255}$/;
/** Without what parts or ends a structured field, so that two headers that a proxy joined are not taken for one key. */
const BARE = /^[^",;\\]+$/;
const QUOTED = /^"((?:[^"\\]|\\["\\])*)"$/;

const bad = (detail: string): GatewayError => new GatewayError('GW_BAD_REQUEST', detail);

/** Throws GW_BAD_REQUEST for a key that is not 1 to 255 visible ASCII characters. */
export function checkKey(key: string): string {
  if (!KEY.test(key)) throw bad('Idempotency-Key must hold 1 to 255 visible ASCII characters, for example a UUID.');
  return key;
}

/**
 * The key of a request by its raw headers (name, value, …), null without one: a string as in
 * draft-ietf-httpapi-idempotency-key-header-07 (`"…"`) or the bare text. Throws GW_BAD_REQUEST for anything else, and for
 * more than one.
 */
export function readIdempotencyKey(rawHeaders: readonly string[]): string | null {
  const values = rawHeaders.filter((_, at) => at % 2 === 1 && rawHeaders[at - 1]?.toLowerCase() === NAME);
  const [value, ...more] = values;
  if (value === undefined) return null;
  if (more.length > 0) throw bad('Idempotency-Key was sent more than once; send one.');
  const text = value.trim();
  const quoted = QUOTED.exec(text)?.[1];
  if (quoted !== undefined) return checkKey(quoted.replace(/\\(["\\])/g, '$1'));
  if (text !== '' && !BARE.test(text)) throw bad('Idempotency-Key must be one string in double quotes, or one word.');
  return checkKey(text);
}
