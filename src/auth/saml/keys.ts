import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { SamlConfig } from '../../config/index.ts';
import { messageOf } from '../../kernel/index.ts';
import { TlsFileError } from '../../platform/index.ts';

/** A key of the gateway with its certificate. */
export interface OwnKey {
  /** PKCS #8, PEM. */
  readonly pem: string;
  readonly key: KeyObject;
  readonly certificate: X509Certificate;
}

/** The gateway's keys at one provider. */
export interface OwnKeys {
  readonly current: OwnKey;
  /** Opens assertions that were encrypted before the last change; never signs. */
  readonly previousKey: KeyObject | null;
  readonly previousCertificate: X509Certificate | null;
}

const SMALLEST_RSA = 2048;

function read(file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (error) {
    throw new TlsFileError(file, `cannot be read: ${messageOf(error)}`, error);
  }
}

function readKey(file: string): KeyObject {
  const pem = read(file);
  let key: KeyObject;
  try {
    key = createPrivateKey(pem);
  } catch {
    // Without the cause: it could quote the file.
    throw new TlsFileError(file, 'holds no private key in PEM without a passphrase');
  }
  if (key.asymmetricKeyType !== 'rsa' || (key.asymmetricKeyDetails?.modulusLength ?? 0) < SMALLEST_RSA)
    throw new TlsFileError(file, `must be an RSA key of at least ${SMALLEST_RSA} bits, as SAML providers expect it`);
  return key;
}

function readCertificate(file: string): X509Certificate {
  try {
    return new X509Certificate(read(file));
  } catch (error) {
    if (error instanceof TlsFileError) throw error;
    throw new TlsFileError(file, `holds no certificate in PEM: ${messageOf(error)}`, error);
  }
}

function checkPair(certificate: X509Certificate, key: KeyObject, certFile: string, keyFile: string): void {
  if (!certificate.checkPrivateKey(key)) throw new TlsFileError(keyFile, `is not the key of ${certFile}`);
}

/** Reads the gateway's keys of a provider. Throws {@link TlsFileError}. */
export function readOwnKeys(config: SamlConfig): OwnKeys {
  const { keyFile, certFile, previousKeyFile, previousCertFile } = config;
  const key = readKey(keyFile);
  const certificate = readCertificate(certFile);
  checkPair(certificate, key, certFile, keyFile);
  const previousKey = previousKeyFile === undefined ? null : readKey(previousKeyFile);
  const previousCertificate = previousCertFile === undefined ? null : readCertificate(previousCertFile);
  if (previousKey !== null && previousCertificate !== null)
    checkPair(previousCertificate, previousKey, previousCertFile ?? '', previousKeyFile ?? '');
  const pem = key.export({ type: 'pkcs8', format: 'pem' }).toString();
  return { current: { pem, key, certificate }, previousKey, previousCertificate };
}

/** The certificates of a PEM file, for signatures that must be by one of them. */
export const readTrusted = (file: string): X509Certificate[] => [readCertificate(file)];
