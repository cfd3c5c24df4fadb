import { GatewayError, Secret } from '../kernel/index.ts';
import { tokenIdOf } from './token-format.ts';

/** The vendor's login form. */
export interface LoginForm {
  readonly username: string;
  readonly password: Secret;
  /** Id of the access token in the password, for counting attempts; null when it holds none. */
  readonly tokenId: string | null;
}

const FORM_TYPE = 'application/x-www-form-urlencoded';

/**
 * Reads `username` and `password` from a form-encoded body (the vendor's tutorial, page 20). Throws
 * GW_UNSUPPORTED_MEDIA_TYPE for any other type and GW_BAD_BODY naming the field; never shows a value.
 */
export function readLoginForm(contentType: string | undefined, body: Buffer): LoginForm {
  const type = contentType?.split(';', 1)[0]?.trim().toLowerCase() ?? '';
  if (type !== FORM_TYPE) {
    throw new GatewayError('GW_UNSUPPORTED_MEDIA_TYPE', `Send the fields username and password as ${FORM_TYPE}.`);
  }
  const fields = readFields(body);
  const username = required(fields, 'username');
  const password = required(fields, 'password');
  return { username, password: new Secret(password), tokenId: tokenIdOf(password) };
}

function readFields(body: Buffer): ReadonlyMap<string, string> {
  const fields = new Map<string, string>();
  for (const [index, pair] of decodeUtf8(body).split('&').entries()) {
    if (pair === '') continue;
    const equals = pair.indexOf('=');
    const name = decodeField(equals === -1 ? pair : pair.slice(0, equals), index);
    if (fields.has(name)) throw badBody(`The form holds ${known(name)} more than once.`);
    fields.set(name, decodeField(equals === -1 ? '' : pair.slice(equals + 1), index));
  }
  return fields;
}

function decodeUtf8(body: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(body);
  } catch {
    throw badBody('The form is not UTF-8.');
  }
}

function decodeField(text: string, index: number): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    throw badBody(`Field ${index + 1} of the form is not percent-encoded UTF-8.`);
  }
}

function required(fields: ReadonlyMap<string, string>, name: string): string {
  const value = fields.get(name);
  if (value === undefined) throw badBody(`The form lacks the field "${name}".`);
  if (value === '') throw badBody(`The field "${name}" of the form is empty.`);
  return value;
}

/** A name that the caller sent is shown only when it is one of ours: anything else may be a misplaced secret. */
const known = (name: string): string => (['username', 'password'].includes(name) ? `the field "${name}"` : 'a field');

const badBody = (detail: string): GatewayError => new GatewayError('GW_BAD_BODY', detail);
