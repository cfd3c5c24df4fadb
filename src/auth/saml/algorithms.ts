import { constants, createHash, type KeyObject, verify } from 'node:crypto';
import { OWN_DIGEST, OWN_SIGNATURE } from './names.ts';
import type { Algorithms } from './signature-shape.ts';

interface SignatureMethod {
  readonly hash: string;
  readonly kind: 'rsa' | 'pss' | 'ecdsa';
}

const MORE = 'http://www.w3.org/2001/04/xmldsig-more#';

/** RFC 9231 names with SHA-256 or better. */
const SIGNATURES: ReadonlyMap<string, SignatureMethod> = new Map([
  [OWN_SIGNATURE, { hash: 'sha256', kind: 'rsa' }],
  [`${MORE}rsa-sha384`, { hash: 'sha384', kind: 'rsa' }],
  [`${MORE}rsa-sha512`, { hash: 'sha512', kind: 'rsa' }],
  ['http://www.w3.org/2007/05/xmldsig-more#sha256-rsa-MGF1', { hash: 'sha256', kind: 'pss' }],
  [`${MORE}ecdsa-sha256`, { hash: 'sha256', kind: 'ecdsa' }],
  [`${MORE}ecdsa-sha384`, { hash: 'sha384', kind: 'ecdsa' }],
  [`${MORE}ecdsa-sha512`, { hash: 'sha512', kind: 'ecdsa' }],
]);

const DIGESTS: ReadonlyMap<string, string> = new Map([
  [OWN_DIGEST, 'sha256'],
  [`${MORE}sha384`, 'sha384'],
  ['http://www.w3.org/2001/04/xmlenc#sha512', 'sha512'],
]);

/** What the gateway's own verification takes: metadata and logout. */
export const ALGORITHMS: Algorithms = { signatures: new Set(SIGNATURES.keys()), digests: new Set(DIGESTS.keys()) };

/** What node-saml can verify too, which must agree on every response. */
export const LIBRARY_ALGORITHMS: Algorithms = {
  signatures: new Set([...SIGNATURES.keys()].filter((name) => /rsa-sha256|rsa-sha512|rsa-MGF1/.test(name))),
  digests: new Set([...DIGESTS.keys()].filter((name) => !name.endsWith('sha384'))),
};

const KEY_TYPES: Readonly<Record<SignatureMethod['kind'], readonly string[]>> = {
  rsa: ['rsa'],
  pss: ['rsa', 'rsa-pss'],
  ecdsa: ['ec'],
};

const SMALLEST_RSA = 2048;

/** Verifies by an algorithm's URI; false for an unknown one, and for a key that does not suit it or is too short. */
export function verifies(algorithm: string, data: Buffer, key: KeyObject, signature: Buffer): boolean {
  const method = SIGNATURES.get(algorithm);
  if (method === undefined || !KEY_TYPES[method.kind].includes(key.asymmetricKeyType ?? '')) return false;
  if (method.kind === 'ecdsa') return verify(method.hash, data, { key, dsaEncoding: 'ieee-p1363' }, signature);
  if ((key.asymmetricKeyDetails?.modulusLength ?? 0) < SMALLEST_RSA) return false;
  if (method.kind === 'rsa') return verify(method.hash, data, key, signature);
  const saltLength = constants.RSA_PSS_SALTLEN_DIGEST;
  return verify(method.hash, data, { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength }, signature);
}

/** The digest by an algorithm's URI, base64. */
export function digestOf(algorithm: string, text: string): string {
  return createHash(DIGESTS.get(algorithm) ?? 'sha256')
    .update(text, 'utf8')
    .digest('base64');
}

export const digestNames = (): string[] => [...DIGESTS.keys()];
