import { createHash, type X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { checkServerIdentity, type TLSSocket } from 'node:tls';
import type { QueueConfig } from '../config/index.ts';

/** How a server must prove itself. Fixed for the life of a pool: a changed policy makes new pools. */
export interface TlsPolicy {
  readonly verify: 'http' | 'none' | 'ca' | 'pin' | 'ca+pin';
  /** `sha256/…`; empty unless verify names pins. */
  readonly pins: ReadonlySet<string>;
  /** Name to send and to verify instead of the host of the URL. */
  readonly serverName: string | undefined;
}

/** What a handshake showed. */
export interface SeenCertificate {
  /** `sha256/` and the base64 of SHA-256 over the DER SubjectPublicKeyInfo (RFC 7469 §2.4). */
  readonly pin: string;
  /** Milliseconds since the epoch. */
  readonly notAfter: number;
}

/** The policy of one URL of a queue: `http:` has none, whatever `tls` says. */
export function policyOf(queue: QueueConfig, url: URL): TlsPolicy {
  const { verify, pins, serverName } = queue.tls;
  if (url.protocol === 'http:') return { verify: 'http', pins: new Set(), serverName: undefined };
  return { verify, serverName, pins: new Set(verify === 'pin' || verify === 'ca+pin' ? pins : []) };
}

/** The tutorial's level ("HTTPS Security Considerations"): 1 plain HTTP, 2 unverified TLS, 3 verified. */
export function levelOf(policy: TlsPolicy): 1 | 2 | 3 {
  if (policy.verify === 'http') return 1;
  return policy.verify === 'none' ? 2 : 3;
}

/** True when the chain and the host name decide. */
export function needsAuthority(policy: TlsPolicy): boolean {
  return policy.verify === 'ca' || policy.verify === 'ca+pin';
}

/** True when the public key decides. */
export function needsPin(policy: TlsPolicy): boolean {
  return policy.verify === 'pin' || policy.verify === 'ca+pin';
}

/** The pin of a certificate. Throws when its key cannot be read. */
export function pinOf(certificate: X509Certificate): string {
  const spki = certificate.publicKey.export({ type: 'spki', format: 'der' });
  return `sha256/${createHash('sha256').update(spki).digest('base64')}`;
}

/**
 * Refuses a certificate that does not name the host: beyond Node's own check, a certificate without subjectAltName
 * (Node accepts its CN) and wildcards for a part of a label (RFC 9525 §6.3 and §6.4) are refused.
 */
export function refuseOtherName(host: string, certificate: X509Certificate): Error | undefined {
  if (certificate.subjectAltName === undefined) {
    return new Error(`the certificate has no subjectAltName, only the subject ${certificate.subject}`);
  }
  const named =
    isIP(host) === 0
      ? certificate.checkHost(host, { subject: 'never', partialWildcards: false, multiLabelWildcards: false })
      : certificate.checkIP(host);
  return named === undefined
    ? new Error(`the certificate is for ${certificate.subjectAltName}, not for ${host}`)
    : checkServerIdentity(host, certificate.toLegacyObject());
}

/**
 * Judges a finished handshake: gives what was seen, or the reason why the policy refuses it. Runs after every
 * handshake; a resumed session is refused, because it shows no fresh proof.
 */
export function judge(policy: TlsPolicy, socket: TLSSocket): SeenCertificate | string {
  if (socket.isSessionReused()) return 'the TLS session was resumed';
  if (needsAuthority(policy) && !socket.authorized)
    return `the certificate is not trusted: ${socket.authorizationError}`;
  const certificate = socket.getPeerX509Certificate();
  if (certificate === undefined) return 'the server showed no certificate';
  let pin: string;
  try {
    pin = pinOf(certificate);
  } catch {
    return 'the public key of the certificate cannot be read';
  }
  if (needsPin(policy) && !policy.pins.has(pin)) return `the key ${pin} is not among the pins`;
  return { pin, notAfter: certificate.validToDate.getTime() };
}
