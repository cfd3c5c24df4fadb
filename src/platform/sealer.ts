import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';
import type { Secret } from '../kernel/index.ts';
import type { Sealer } from './key-value.ts';

const VERSION = 's1';
const CIPHER = 'aes-256-gcm';
const KEY_BYTES = 32;
/** 96 bits, the length that NIST SP 800-38D recommends for GCM. */
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const KEY_ID_BYTES = 8;

interface Key {
  readonly id: string;
  readonly bytes: Buffer;
}

function toKey(secret: Secret, which: string): Key {
  const bytes = Buffer.from(secret.reveal(), 'base64');
  if (bytes.length !== KEY_BYTES) throw new RangeError(`the ${which} sealing key must be 32 bytes in base64`);
  const id = hkdfSync('sha256', bytes, '', 'vov-gateway sealing key id', KEY_ID_BYTES);
  return { id: Buffer.from(id).toString('base64url'), bytes };
}

/** Starts with the envelope's own header, so that version and key id are authenticated too. */
const additionalData = (keyId: string, aad: string): Buffer => Buffer.from(`${VERSION}.${keyId}.${aad}`);

function encrypt(key: Key, nonce: Buffer, plain: string, aad: string): Buffer {
  const cipher = createCipheriv(CIPHER, key.bytes, nonce, { authTagLength: TAG_BYTES });
  cipher.setAAD(additionalData(key.id, aad));
  const body = Buffer.concat([cipher.update(plain, 'utf8'), cipher.final()]);
  return Buffer.concat([nonce, body, cipher.getAuthTag()]);
}

function decrypt(key: Key, bytes: Buffer, aad: string): string | null {
  const decipher = createDecipheriv(CIPHER, key.bytes, bytes.subarray(0, NONCE_BYTES), { authTagLength: TAG_BYTES });
  decipher.setAAD(additionalData(key.id, aad));
  decipher.setAuthTag(bytes.subarray(-TAG_BYTES));
  try {
    const body = decipher.update(bytes.subarray(NONCE_BYTES, -TAG_BYTES));
    return Buffer.concat([body, decipher.final()]).toString('utf8');
  } catch {
    return null;
  }
}

/** Base64url in its one canonical form; null for anything else, so that no two texts open alike. */
function decode(text: string): Buffer | null {
  const bytes = Buffer.from(text, 'base64url');
  const long = bytes.length >= NONCE_BYTES + TAG_BYTES;
  return long && bytes.toString('base64url') === text ? bytes : null;
}

/**
 * Creates a {@link Sealer}: `s1.<key id>.<base64url of nonce, ciphertext, tag>`, sealed with `current`, opened with
 * either key. Keys are 32 bytes in base64; throws RangeError otherwise. The random nonce allows 2^32 seals for each
 * key (NIST SP 800-38D, 8.3).
 */
export function createSealer(
  keys: { current: Secret; previous?: Secret | undefined },
  random: (bytes: number) => Buffer = randomBytes,
): Sealer {
  const current = toKey(keys.current, 'current');
  const ring = new Map([[current.id, current]]);
  if (keys.previous !== undefined) {
    const previous = toKey(keys.previous, 'previous');
    ring.set(previous.id, previous);
  }
  return {
    seal(plain, aad) {
      const bytes = encrypt(current, random(NONCE_BYTES), plain, aad);
      return `${VERSION}.${current.id}.${bytes.toString('base64url')}`;
    },
    open(sealed, aad) {
      const [version, keyId, text, ...rest] = sealed.split('.');
      if (version !== VERSION || keyId === undefined || text === undefined || rest.length > 0) return null;
      const key = ring.get(keyId);
      const bytes = decode(text);
      return key === undefined || bytes === null ? null : decrypt(key, bytes, aad);
    },
    isCurrent: (sealed) => sealed.startsWith(`${VERSION}.${current.id}.`),
  };
}
