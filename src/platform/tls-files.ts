import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createSecureContext } from 'node:tls';
import { messageOf } from '../kernel/index.ts';

/** PEM files of one TLS party; certificate and key only together. */
export interface TlsFiles {
  readonly certFile?: string | undefined;
  readonly keyFile?: string | undefined;
  readonly caFile?: string | undefined;
  readonly crlFile?: string | undefined;
}

/** The content of the files, under the names that node:tls uses. */
export interface TlsBuffers {
  readonly cert?: Buffer;
  readonly key?: Buffer;
  readonly ca?: Buffer;
  readonly crl?: Buffer;
}

/** A TLS file that cannot be used; the message names it and says what to do. */
export class TlsFileError extends Error {
  readonly file: string;

  constructor(file: string, problem: string, cause?: unknown) {
    super(`${file}: ${problem}`, cause === undefined ? undefined : { cause });
    this.name = 'TlsFileError';
    this.file = file;
  }
}

/** RFC 7468, section 11, and the older form of RFC 1421. */
const ENCRYPTED_KEY = /-----BEGIN ENCRYPTED PRIVATE KEY-----|Proc-Type: 4,ENCRYPTED/;
const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

function read(file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (error) {
    throw new TlsFileError(file, `cannot be read: ${messageOf(error)}`, error);
  }
}

/** All certificates of a bundle; at least one, and each must parse. */
function certificatesOf(file: string, pem: Buffer): [X509Certificate, ...X509Certificate[]] {
  const [first, ...others] = pem.toString('latin1').match(CERTIFICATE) ?? [];
  if (first === undefined) throw new TlsFileError(file, 'holds no PEM certificate (-----BEGIN CERTIFICATE-----)');
  const parse = (text: string, index: number): X509Certificate => {
    try {
      return new X509Certificate(text);
    } catch (error) {
      throw new TlsFileError(file, `certificate ${index + 1} does not parse: ${messageOf(error)}`, error);
    }
  };
  return [parse(first, 0), ...others.map((text, index) => parse(text, index + 1))];
}

function privateKeyOf(file: string, pem: Buffer): KeyObject {
  try {
    return createPrivateKey(pem);
  } catch {
    const encrypted = ENCRYPTED_KEY.test(pem.toString('latin1'));
    const problem = encrypted ? 'is encrypted; store the key without a passphrase' : 'holds no private key in PEM';
    // Without the cause: it could quote the file.
    throw new TlsFileError(file, problem);
  }
}

function readPair({ certFile, keyFile }: TlsFiles): Pick<TlsBuffers, 'cert' | 'key'> {
  if (certFile === undefined && keyFile === undefined) return {};
  if (certFile === undefined) throw new TlsFileError(keyFile ?? '', 'needs its certificate; set certFile too');
  if (keyFile === undefined) throw new TlsFileError(certFile, 'needs its private key; set keyFile too');
  const cert = read(certFile);
  const key = read(keyFile);
  const [leaf] = certificatesOf(certFile, cert);
  if (!leaf.checkPrivateKey(privateKeyOf(keyFile, key))) {
    throw new TlsFileError(keyFile, `is not the key of the first certificate in ${certFile}`);
  }
  return { cert, key };
}

function readAuthorities({ caFile }: TlsFiles): Pick<TlsBuffers, 'ca'> {
  if (caFile === undefined) return {};
  const ca = read(caFile);
  certificatesOf(caFile, ca);
  return { ca };
}

/** OpenSSL has the last word: it also refuses what parses, for example a key that is too short. */
function accepted<T extends TlsBuffers>(file: string | undefined, buffers: T): T {
  try {
    createSecureContext(buffers);
    return buffers;
  } catch (error) {
    throw new TlsFileError(file ?? 'TLS files', `is refused by OpenSSL: ${messageOf(error)}`, error);
  }
}

function readRevocations({ crlFile }: TlsFiles): Pick<TlsBuffers, 'crl'> {
  return crlFile === undefined ? {} : { crl: read(crlFile) };
}

/** Reads and checks the files. Throws {@link TlsFileError} for the first one that cannot be used. */
export function readTlsFiles(files: TlsFiles): TlsBuffers {
  return {
    ...accepted(files.certFile, readPair(files)),
    ...accepted(files.caFile, readAuthorities(files)),
    ...accepted(files.crlFile, readRevocations(files)),
  };
}
