import '../reflect-metadata.ts';
import { randomBytes, webcrypto } from 'node:crypto';
import * as x509 from '@peculiar/x509';
import { exportJWK, type JWK } from 'jose';
import type { RotationStep } from './ports.ts';

const DAY = 86_400_000;
const RSA = {
  name: 'RSASSA-PKCS1-v1_5',
  hash: 'SHA-256',
  publicExponent: new Uint8Array([1, 0, 1]),
  modulusLength: 2048,
};

/** One key for both protocols, with its self-signed certificate. */
export interface SigningKey {
  readonly kid: string;
  /** Private, with kid, alg and use. */
  readonly jwk: JWK;
  /** PKCS #8. */
  readonly keyPem: string;
  readonly certPem: string;
}

/** The keys of the identity provider: one signs, one or two are published. */
export interface KeyRing {
  readonly signing: SigningKey;
  readonly published: readonly SigningKey[];
  /** Signs the SAML metadata and stays when the others change. */
  readonly metadata: SigningKey;
  /** Throws RangeError when the step does not follow the one before. */
  rotate(step: RotationStep): Promise<void>;
}

/** Makes an RSA-2048 key with a self-signed certificate of one year. */
export async function createSigningKey(commonName = 'Demo identity provider'): Promise<SigningKey> {
  const keys = await webcrypto.subtle.generateKey(RSA, true, ['sign', 'verify']);
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: `01${randomBytes(15).toString('hex')}`,
    subject: [{ CN: [commonName] }],
    issuer: [{ CN: [commonName] }],
    notBefore: new Date(Date.now() - DAY),
    notAfter: new Date(Date.now() + 365 * DAY),
    signingAlgorithm: RSA,
    publicKey: keys.publicKey,
    signingKey: keys.privateKey,
  });
  const kid = randomBytes(8).toString('hex');
  const pkcs8 = await webcrypto.subtle.exportKey('pkcs8', keys.privateKey);
  return {
    kid,
    jwk: { ...(await exportJWK(keys.privateKey)), kid, alg: 'RS256', use: 'sig' },
    keyPem: x509.PemConverter.encode(pkcs8, 'PRIVATE KEY'),
    certPem: certificate.toString('pem'),
  };
}

/** Starts a key ring with one key. */
export async function createKeyRing(): Promise<KeyRing> {
  let signing = await createSigningKey();
  const metadata = await createSigningKey('Demo metadata');
  let next: SigningKey | null = null;
  let published: readonly SigningKey[] = [signing];
  return {
    metadata,
    get signing() {
      return signing;
    },
    get published() {
      return published;
    },
    async rotate(step) {
      if (step === 'announce') {
        next = await createSigningKey();
        published = [signing, next];
        return;
      }
      if (next === null) throw new RangeError(`${step}: announce a key first`);
      signing = next;
      if (step === 'switch') return;
      published = [next];
      next = null;
    },
  };
}
