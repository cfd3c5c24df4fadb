import { inflateRaw } from 'node:zlib';
import { SamlFault } from './fault.ts';

/** A message may hold this much XML. */
export const MESSAGE_BYTES = 128 * 1024;
/** A logout message. */
export const LOGOUT_BYTES = 32 * 1024;

const BASE64 = /^[A-Za-z0-9+/]+={0,2}$/;

/** Decodes canonical base64; line breaks, as some senders put them in, are passed over. Refused above `limit` octets. */
export function decodeBase64(text: string, limit: number): Buffer {
  // With a line break for every 60 characters at most.
  if (text.length > (limit * 4) / 3 + (limit * 4) / 90 + 64) throw new SamlFault('message: too large');
  const packed = text.replace(/[\r\n]/g, '');
  if (!BASE64.test(packed)) throw new SamlFault('message: no base64');
  const bytes = Buffer.from(packed, 'base64');
  if (bytes.length > limit) throw new SamlFault('message: too large');
  // Nothing but the canonical form gives itself back: padding, unused bits and length are checked by this.
  if (bytes.toString('base64') !== packed) throw new SamlFault('message: no base64');
  return bytes;
}

/** UTF-8 to text with line ends as XML wants them (XML 1.0, section 2.11). */
export function decodeText(bytes: Buffer): string {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (error) {
    throw new SamlFault('message: no UTF-8', error);
  }
  return text.replace(/\r\n?/g, '\n');
}

/** Inflates what the redirect binding deflated, to at most `limit` octets. */
export function inflate(bytes: Buffer, limit: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    inflateRaw(bytes, { maxOutputLength: limit }, (error, inflated) => {
      if (error) reject(new SamlFault('message: cannot be inflated', error));
      else resolve(inflated);
    });
  });
}
