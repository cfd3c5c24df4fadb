import './reflect-metadata.ts';
import { createHash, X509Certificate as NodeCertificate, randomBytes, webcrypto } from 'node:crypto';
import { isIP } from 'node:net';
import * as x509 from '@peculiar/x509';

const DAY = 86_400_000;
const SIGNING = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
const RSA_1024 = {
  name: 'RSASSA-PKCS1-v1_5',
  hash: 'SHA-256',
  publicExponent: new Uint8Array([1, 0, 1]),
  modulusLength: 1024,
};

/** A certificate for a TLS server or client, with its key. */
export interface Leaf {
  /** The certificate, followed by its intermediate when there is one; PEM. */
  readonly certPem: string;
  /** PKCS #8, PEM. */
  readonly keyPem: string;
  /** `sha256/<base64>` over the SubjectPublicKeyInfo, as in RFC 7469. */
  readonly spkiPin: string;
}

/** What may be asked of a leaf; every default is what a good server certificate has. */
export interface LeafOptions {
  /** DNS names and IP addresses of the subjectAltName; default localhost, 127.0.0.1, ::1. */
  readonly hosts?: readonly string[];
  /** Subject CN; default the first host. */
  readonly commonName?: string;
  /** False: no subjectAltName at all, the name stands in CN only. */
  readonly altNames?: boolean;
  readonly validity?: 'now' | 'expired' | 'not-yet';
  /** Days from now to the end of `validity: now`; default 30. */
  readonly days?: number;
  /** The extended key usage; `client` on a server is the wrong one. */
  readonly usage?: 'server' | 'client';
  /** Who signs: the authority, an intermediate of it (sent along), the leaf itself, or another leaf, which must not. */
  readonly issuer?: 'authority' | 'intermediate' | 'self' | 'leaf';
  readonly keyType?: 'ec-p256' | 'rsa-1024';
  /** Keep the key of this leaf, so that the pin stays. */
  readonly reuseKey?: Leaf;
}

/** A certificate authority made for one run. */
export interface Authority {
  readonly certPem: string;
  leaf(options?: LeafOptions): Promise<Leaf>;
  /** A certificate revocation list that names these leaves; PEM. */
  revocationList(revoked: readonly Leaf[]): Promise<string>;
}

interface Issuer {
  readonly certificate: x509.X509Certificate;
  readonly key: CryptoKey;
}

type CryptoKey = webcrypto.CryptoKey;
type KeyPair = webcrypto.CryptoKeyPair;

const newKeys = (type: LeafOptions['keyType']): Promise<KeyPair> =>
  type === 'rsa-1024'
    ? webcrypto.subtle.generateKey(RSA_1024, true, ['sign', 'verify'])
    : (webcrypto.subtle.generateKey(SIGNING, true, ['sign', 'verify']) as Promise<KeyPair>);

const serial = (): string => `01${randomBytes(15).toString('hex')}`;

async function readKeys(leaf: Leaf): Promise<KeyPair> {
  const der = Buffer.from(leaf.keyPem.replace(/-----[^-]+-----|\s/g, ''), 'base64');
  const privateKey = await webcrypto.subtle.importKey('pkcs8', der, SIGNING, true, ['sign']);
  const spki = new NodeCertificate(leaf.certPem).publicKey.export({ type: 'spki', format: 'der' });
  const publicKey = await webcrypto.subtle.importKey('spki', spki, SIGNING, true, ['verify']);
  return { privateKey, publicKey };
}

async function keyPem(key: CryptoKey): Promise<string> {
  const der = await webcrypto.subtle.exportKey('pkcs8', key);
  return x509.PemConverter.encode(der, 'PRIVATE KEY');
}

/** The pin of a certificate: `sha256/` and the base64 of SHA-256 over its SubjectPublicKeyInfo (RFC 7469). */
export function spkiPin(certPem: string): string {
  const spki = new NodeCertificate(certPem).publicKey.export({ type: 'spki', format: 'der' });
  return `sha256/${createHash('sha256').update(spki).digest('base64')}`;
}

function period(options: LeafOptions): { notBefore: Date; notAfter: Date } {
  const now = Date.now();
  if (options.validity === 'expired') return { notBefore: new Date(now - 30 * DAY), notAfter: new Date(now - DAY) };
  if (options.validity === 'not-yet') return { notBefore: new Date(now + DAY), notAfter: new Date(now + 30 * DAY) };
  return { notBefore: new Date(now - DAY), notAfter: new Date(now + (options.days ?? 30) * DAY) };
}

async function leafExtensions(options: LeafOptions, hosts: readonly string[], keys: KeyPair, issuerKey: CryptoKey) {
  const usage = options.usage === 'client' ? x509.ExtendedKeyUsage.clientAuth : x509.ExtendedKeyUsage.serverAuth;
  const extensions: x509.Extension[] = [
    new x509.BasicConstraintsExtension(false, undefined, true),
    new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
    new x509.ExtendedKeyUsageExtension([usage]),
    await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    await x509.AuthorityKeyIdentifierExtension.create(issuerKey),
  ];
  if (options.altNames !== false) {
    const names = hosts.map((value) => ({ type: isIP(value) === 0 ? ('dns' as const) : ('ip' as const), value }));
    extensions.push(new x509.SubjectAlternativeNameExtension(names));
  }
  return extensions;
}

async function makeLeaf(options: LeafOptions, issuer: Issuer | null, chain: string): Promise<Leaf & Issuer> {
  const hosts = options.hosts ?? ['localhost', '127.0.0.1', '::1'];
  const keys = options.reuseKey === undefined ? await newKeys(options.keyType) : await readKeys(options.reuseKey);
  const subject: x509.JsonName = [{ CN: [options.commonName ?? hosts[0] ?? 'localhost'] }];
  const issuerKey = issuer === null ? keys.publicKey : await issuer.certificate.publicKey.export();
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: serial(),
    subject,
    issuer: issuer === null ? subject : issuer.certificate.subjectName.toJSON(),
    ...period(options),
    publicKey: keys.publicKey,
    signingKey: issuer === null ? keys.privateKey : issuer.key,
    signingAlgorithm: issuer === null && options.keyType === 'rsa-1024' ? RSA_1024 : SIGNING,
    extensions: await leafExtensions(options, hosts, keys, issuerKey),
  });
  const certPem = `${certificate.toString('pem')}\n${chain}`;
  return {
    certPem,
    keyPem: await keyPem(keys.privateKey),
    spkiPin: spkiPin(certPem),
    certificate,
    key: keys.privateKey,
  };
}

async function makeIssuer(name: string, parent: Issuer | null): Promise<Issuer> {
  const keys = await newKeys('ec-p256');
  const subject: x509.JsonName = [{ CN: [name] }];
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: serial(),
    subject,
    issuer: parent === null ? subject : parent.certificate.subjectName.toJSON(),
    ...period({ days: 365 }),
    publicKey: keys.publicKey,
    signingKey: parent === null ? keys.privateKey : parent.key,
    signingAlgorithm: SIGNING,
    extensions: [
      new x509.BasicConstraintsExtension(true, parent === null ? 1 : 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return { certificate, key: keys.privateKey };
}

const asLeaf = ({ certPem, keyPem, spkiPin }: Leaf): Leaf => ({ certPem, keyPem, spkiPin });

async function issueLeaf(root: Issuer, options: LeafOptions): Promise<Leaf> {
  if (options.issuer === 'self') return asLeaf(await makeLeaf(options, null, ''));
  if (options.issuer === 'intermediate') {
    const intermediate = await makeIssuer('Stand-in intermediate', root);
    return asLeaf(await makeLeaf(options, intermediate, `${intermediate.certificate.toString('pem')}\n`));
  }
  if (options.issuer === 'leaf') {
    const signer = await makeLeaf({ hosts: ['signer.invalid'] }, root, '');
    return asLeaf(await makeLeaf(options, signer, signer.certPem));
  }
  return asLeaf(await makeLeaf(options, root, ''));
}

async function revocationList(root: Issuer, revoked: readonly Leaf[]): Promise<string> {
  const list = await x509.X509CrlGenerator.create({
    issuer: root.certificate.subjectName.toJSON(),
    thisUpdate: new Date(Date.now() - DAY),
    nextUpdate: new Date(Date.now() + 30 * DAY),
    entries: revoked.map((leaf) => ({ serialNumber: new NodeCertificate(leaf.certPem).serialNumber })),
    signingAlgorithm: SIGNING,
    signingKey: root.key,
  });
  return `${x509.PemConverter.encode(list.rawData, 'X509 CRL')}\n`;
}

/** Makes a certificate authority (EC P-256, one year) with a key of its own. */
export async function createAuthority(name = 'Stand-in authority'): Promise<Authority> {
  const root = await makeIssuer(name, null);
  return {
    certPem: `${root.certificate.toString('pem')}\n`,
    leaf: (options = {}) => issueLeaf(root, options),
    revocationList: (revoked) => revocationList(root, revoked),
  };
}

/** Makes a self-signed leaf, as vovserver does at its start when it is given no certificate. */
export async function createSelfSigned(options: Omit<LeafOptions, 'issuer'> = {}): Promise<Leaf> {
  return asLeaf(await makeLeaf(options, null, ''));
}
