import { hkdfSync } from 'node:crypto';
import { Secret } from '../../kernel/index.ts';
import { createSealer, type Sealer } from '../../platform/index.ts';
import type { RandomBytes } from '../token-format.ts';

/** The two halves of a session cookie: the id finds the record, the secret opens it. */
export interface SessionCookie {
  readonly id: string;
  readonly secret: Buffer;
}

const ID_BYTES = 16;
const SECRET_BYTES = 32;
const FORM = /^([A-Za-z0-9_-]{22})\.([A-Za-z0-9_-]{43})$/;

/** Makes the halves of a new cookie: 16 and 32 random bytes. */
export function mintCookie(random: RandomBytes): SessionCookie {
  return { id: random(ID_BYTES).toString('base64url'), secret: random(SECRET_BYTES) };
}

export function writeCookie({ id, secret }: SessionCookie): string {
  return `${id}.${secret.toString('base64url')}`;
}

/** Null for anything but the one canonical spelling, so that no two texts open the same session. */
export function parseCookie(text: string): SessionCookie | null {
  const found = FORM.exec(text);
  if (found?.[1] === undefined || found[2] === undefined) return null;
  const cookie = { id: found[1], secret: Buffer.from(found[2], 'base64url') };
  const canonical = Buffer.from(found[1], 'base64url').toString('base64url') === found[1];
  return canonical && writeCookie(cookie) === text ? cookie : null;
}

/** What only the browser's cookie can open, as the tickets of oauth2-proxy: AES-256-GCM under a key from its secret. */
export function sealerOf({ secret }: SessionCookie, publicId: string): Sealer {
  const key = derive(secret, publicId, 'record').toString('base64');
  return createSealer({ current: new Secret(key) });
}

/** The token that forms of this session carry; the same over its whole life, and of no use to find its cookie. */
export function csrfOf({ secret }: SessionCookie, publicId: string): string {
  return derive(secret, publicId, 'csrf').toString('base64url');
}

function derive(secret: Buffer, publicId: string, purpose: string): Buffer {
  return Buffer.from(hkdfSync('sha256', secret, publicId, `vov-gateway session ${purpose}`, 32));
}
