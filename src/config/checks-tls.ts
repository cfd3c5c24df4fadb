import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import type { Check, CheckFinding } from './checks.ts';
import { waysOf } from './checks-mapping.ts';
import type { Draft } from './draft.ts';
import { codeOf, type Files, fileMend, unreadable } from './files.ts';

/** The PEM files of one TLS section; each may be missing. */
interface TlsSection {
  readonly certFile?: string | undefined;
  readonly keyFile?: string | undefined;
  readonly caFile?: string | undefined;
  readonly crlFile?: string | undefined;
  /** A key without a certificate of its own. */
  readonly loneKeyFile?: string | undefined;
}

/** How a section differs from one of TLS. */
interface Reading {
  /** Names of the keys that hold what those of a TLS section hold. */
  readonly names?: Partial<Record<keyof TlsSection, string>>;
  readonly key?: (text: string) => Read<KeyObject>;
}

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;
const REVOCATIONS = /-----BEGIN X509 CRL-----([^-]+)-----END X509 CRL-----/;
/** RFC 7468, section 11, and the older form of RFC 1421. */
const ENCRYPTED_KEY = /-----BEGIN ENCRYPTED PRIVATE KEY-----|Proc-Type: 4,ENCRYPTED/;

const SHORTEST_RSA = 2048;

const MENDS = {
  cert: 'Name a file in PEM that begins with -----BEGIN CERTIFICATE-----; from DER: openssl x509 -inform der -in FILE.',
  key: 'Name a file in PEM that holds a private key (-----BEGIN PRIVATE KEY-----), complete and without a passphrase.',
  crl: 'Name a file in PEM that begins with -----BEGIN X509 CRL-----; from DER: openssl crl -inform der -in FILE.',
} as const;

/** Why a PEM file cannot be used, or what was found in it. Never with the parser's message: it could quote the file. */
type Read<T> = { readonly value: T } | { readonly problem: string };

const certificates = (text: string): Read<X509Certificate> => {
  const blocks = text.match(CERTIFICATE) ?? [];
  let first: X509Certificate | undefined;
  for (const [index, block] of blocks.entries()) {
    try {
      const parsed = new X509Certificate(block);
      first ??= parsed;
    } catch {
      return { problem: `holds a damaged certificate (number ${index + 1} of ${blocks.length})` };
    }
  }
  return first === undefined ? { problem: 'holds no certificate in PEM' } : { value: first };
};

const privateKey = (text: string): Read<KeyObject> => {
  try {
    return { value: createPrivateKey(text) };
  } catch {
    const encrypted = ENCRYPTED_KEY.test(text);
    return { problem: encrypted ? 'holds a private key with a passphrase' : 'holds no private key in PEM' };
  }
};

/** Signatures of XML and keys of encrypted assertions are RSA with every provider. */
const rsaKey = (text: string): Read<KeyObject> => {
  const read = privateKey(text);
  if ('problem' in read) return read;
  const { asymmetricKeyType, asymmetricKeyDetails } = read.value;
  const isLong = (asymmetricKeyDetails?.modulusLength ?? 0) >= SHORTEST_RSA;
  return asymmetricKeyType === 'rsa' && isLong ? read : { problem: `holds no RSA key of ${SHORTEST_RSA} bits or more` };
};

/** Length in bytes of the DER sequence (X.690, section 8.1) that begins here, or -1. */
const sequenceLength = (der: Buffer): number => {
  const [tag, short = 0] = der;
  if (tag !== 0x30) return -1;
  if (short < 0x80) return 2 + short;
  const bytes = short - 0x80;
  return bytes < 1 || bytes > 4 || der.length < 2 + bytes ? -1 : 2 + bytes + der.readUIntBE(2, bytes);
};

const revocations = (text: string): Read<true> => {
  const body = REVOCATIONS.exec(text)?.[1];
  if (body === undefined) return { problem: 'holds no certificate revocation list in PEM' };
  const der = Buffer.from(body, 'base64');
  return sequenceLength(der) === der.length ? { value: true } : { problem: 'holds a damaged revocation list' };
};

const belongs = (certificate: X509Certificate, key: KeyObject): boolean => {
  try {
    return certificate.checkPrivateKey(key);
  } catch {
    return false;
  }
};

function* contentFaults(tls: TlsSection, path: string, files: Files, reading: Reading): Generator<CheckFinding> {
  const { names = {}, key: readKey = privateKey } = reading;
  const faults: CheckFinding[] = [];
  const look = <T>(key: keyof TlsSection, parse: (text: string) => Read<T>, mend: string): T | undefined => {
    const file = tls[key];
    // A file that is missing or closed is the business of “files can be read”.
    if (file === undefined || unreadable(files, file) !== null) return undefined;
    const at = { path: `${path}.${names[key] ?? key}`, file };
    try {
      const read = parse(files.read(file));
      if ('value' in read) return read.value;
      faults.push({ ...at, reason: `${file} ${read.problem}`, mend });
    } catch (error) {
      faults.push({ ...at, reason: `${file} cannot be read: ${codeOf(error)}`, mend: fileMend(codeOf(error)) });
    }
    return undefined;
  };
  const certificate = look('certFile', certificates, MENDS.cert);
  const key = look('keyFile', readKey, MENDS.key);
  look('caFile', certificates, MENDS.cert);
  look('crlFile', revocations, MENDS.crl);
  look('loneKeyFile', privateKey, MENDS.key);
  yield* faults;
  if (certificate === undefined || key === undefined || belongs(certificate, key)) return;
  yield {
    path: `${path}.${names.keyFile ?? 'keyFile'}`,
    reason: `${tls.keyFile} is not the key of the first certificate in ${tls.certFile}`,
    mend: 'Name the key that the certificate was made for; in a chain the own certificate stands first.',
    ...(tls.keyFile !== undefined && { file: tls.keyFile }),
  };
}

type Section = readonly [path: string, tls: TlsSection, reading?: Reading];

const SAML = { key: rsaKey };
const PREVIOUS = { names: { certFile: 'previousCertFile', keyFile: 'previousKeyFile' }, key: rsaKey };
const METADATA = { names: { certFile: 'metadataCertFile' } };
const CLIENT = { names: { loneKeyFile: 'clientKeyFile' } };

function* signInSections(draft: Draft): Generator<Section> {
  for (const [path, way] of waysOf(draft)) {
    yield [path, { caFile: way.caFile }];
    if (way.type === 'oidc') yield [path, { loneKeyFile: way.clientKeyFile }, CLIENT];
    if (way.type !== 'saml') continue;
    yield [path, { certFile: way.certFile, keyFile: way.keyFile }, SAML];
    yield [path, { certFile: way.previousCertFile, keyFile: way.previousKeyFile }, PREVIOUS];
    yield [path, { certFile: way.metadataCertFile }, METADATA];
  }
}

function* sections(draft: Draft): Generator<Section> {
  const { server, queues, redis } = draft;
  if (server?.tls !== undefined) yield ['server.tls', server.tls];
  for (const [index, queue] of (queues ?? []).entries()) {
    if (queue?.tls !== undefined) yield [`queues[${index}].tls`, queue.tls];
  }
  if (redis?.tls !== undefined) yield ['redis.tls', redis.tls];
  yield* signInSections(draft);
}

/** Rules of what TLS files hold. */
export const TLS_CHECKS: readonly Check[] = [
  {
    name: 'TLS files hold what their keys say',
    *run(draft, { files }) {
      for (const [path, tls, reading = {}] of sections(draft)) yield* contentFaults(tls, path, files, reading);
    },
  },
];
