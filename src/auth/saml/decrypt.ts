import { constants, createDecipheriv, type KeyObject, privateDecrypt } from 'node:crypto';
import { everyElement, only, optional, required, textOf } from './elements.ts';
import { decodeBase64, decodeText, MESSAGE_BYTES } from './encoding.ts';
import { SamlFault } from './fault.ts';
import { NS } from './names.ts';
import type { XmlElement } from './parse-xml.ts';

interface ContentCipher {
  readonly cipher: 'aes-128-gcm' | 'aes-256-gcm' | 'aes-128-cbc' | 'aes-256-cbc';
  readonly keyBytes: number;
}

/** What a content may be encrypted with. CBC is safe here only because the response's signature is verified first. */
const CONTENT: ReadonlyMap<string, ContentCipher> = new Map([
  ['http://www.w3.org/2009/xmlenc11#aes128-gcm', { cipher: 'aes-128-gcm', keyBytes: 16 }],
  ['http://www.w3.org/2009/xmlenc11#aes256-gcm', { cipher: 'aes-256-gcm', keyBytes: 32 }],
  [`${NS.encryption}aes128-cbc`, { cipher: 'aes-128-cbc', keyBytes: 16 }],
  [`${NS.encryption}aes256-cbc`, { cipher: 'aes-256-cbc', keyBytes: 32 }],
]);

/** OAEP with SHA-1, which is sound here; PKCS #1 v1.5 is not (XML Encryption, section 5.5.1). */
const KEY_TRANSPORT = `${NS.encryption}rsa-oaep-mgf1p`;
const OAEP_DIGEST = `${NS.signature}sha1`;
const GCM_IV = 12;
const GCM_TAG = 16;
const BLOCK = 16;

/** An assertion in clear, and the key that opened it. */
export interface Decrypted {
  readonly xml: string;
  readonly key: KeyObject;
}

const cipherValue = (element: XmlElement): Buffer =>
  decodeBase64(
    textOf(only(only(element, NS.encryption, 'CipherData'), NS.encryption, 'CipherValue')).replace(/\s/g, ''),
    MESSAGE_BYTES,
  );

function encryptedKeyOf(encrypted: XmlElement): XmlElement {
  const keys = [...everyElement(encrypted)].filter(({ name }) => name === 'EncryptedKey');
  const [key, second] = keys;
  if (key === undefined || key.namespace !== NS.encryption) throw new SamlFault('encryption: no EncryptedKey');
  if (second !== undefined) throw new SamlFault('encryption: several EncryptedKeys');
  return key;
}

function checkTransport(encryptedKey: XmlElement): void {
  const method = only(encryptedKey, NS.encryption, 'EncryptionMethod');
  const digest = optional(method, NS.signature, 'DigestMethod');
  const digestFits = digest === null || required(digest, 'Algorithm') === OAEP_DIGEST;
  if (required(method, 'Algorithm') !== KEY_TRANSPORT || !digestFits)
    throw new SamlFault('encryption: a key transport that is not allowed');
}

function openKey(wrapped: Buffer, keys: readonly KeyObject[], bytes: number): [Buffer, KeyObject] {
  for (const key of keys) {
    try {
      const opened = privateDecrypt({ key, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha1' }, wrapped);
      if (opened.length === bytes) return [opened, key];
    } catch {
      // Of the other key, perhaps.
    }
  }
  throw new SamlFault('encryption: none of our keys opens it');
}

function openContent({ cipher }: ContentCipher, key: Buffer, sealed: Buffer): Buffer {
  if (cipher === 'aes-128-gcm' || cipher === 'aes-256-gcm') {
    if (sealed.length <= GCM_IV + GCM_TAG) throw new SamlFault('encryption: too short');
    const opener = createDecipheriv(cipher, key, sealed.subarray(0, GCM_IV), { authTagLength: GCM_TAG });
    opener.setAuthTag(sealed.subarray(-GCM_TAG));
    return Buffer.concat([opener.update(sealed.subarray(GCM_IV, -GCM_TAG)), opener.final()]);
  }
  if (sealed.length <= BLOCK) throw new SamlFault('encryption: too short');
  const opener = createDecipheriv(cipher, key, sealed.subarray(0, BLOCK)).setAutoPadding(false);
  const padded = Buffer.concat([opener.update(sealed.subarray(BLOCK)), opener.final()]);
  // Only the last octet counts the padding (XML Encryption, section 5.2.1); the others are anything.
  const padding = padded.at(-1) ?? 0;
  if (padding < 1 || padding > BLOCK) throw new SamlFault('encryption: cannot be opened');
  return padded.subarray(0, -padding);
}

/** Opens an EncryptedAssertion of a verified response with one of our keys. Throws {@link SamlFault}. */
export function decryptAssertion(encrypted: XmlElement, keys: readonly KeyObject[]): Decrypted {
  const data = only(encrypted, NS.encryption, 'EncryptedData');
  const content = CONTENT.get(required(only(data, NS.encryption, 'EncryptionMethod'), 'Algorithm'));
  if (content === undefined) throw new SamlFault('encryption: an algorithm that is not allowed');
  const encryptedKey = encryptedKeyOf(encrypted);
  checkTransport(encryptedKey);
  const [secret, key] = openKey(cipherValue(encryptedKey), keys, content.keyBytes);
  let clear: Buffer;
  try {
    clear = openContent(content, secret, cipherValue(data));
  } catch (error) {
    if (error instanceof SamlFault) throw error;
    throw new SamlFault('encryption: cannot be opened', error);
  }
  return { xml: decodeText(clear), key };
}
