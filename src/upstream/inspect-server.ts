import type { X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { connect } from 'node:tls';
import { type Clock, messageOf } from '../kernel/index.ts';
import { codeOf } from './failure.ts';
import { pinOf, refuseOtherName } from './tls-policy.ts';

/** What a server shows to somebody who trusts nothing yet. */
export interface InspectedServer {
  readonly certificate: X509Certificate;
  /** For example `TLSv1.3`. */
  readonly protocol: string;
  readonly pin: string;
  /** Why `verify: ca` would refuse it with the authorities of this machine, or null when it would pass. */
  readonly caRefusal: string | null;
}

export interface InspectOptions {
  readonly clock: Clock;
  /** Name to send and to check instead of the host of the URL. */
  readonly serverName?: string | undefined;
  /** Milliseconds for TCP and TLS together. */
  readonly timeout: number;
}

/**
 * Shakes hands with an https: URL without verifying anything, sends nothing and hangs up. Rejects when there is no
 * handshake within the time. For people who look, never for calls.
 */
export function inspectServer(url: URL, { clock, serverName, timeout }: InspectOptions): Promise<InspectedServer> {
  return new Promise((resolve, reject) => {
    const host = url.hostname.replace(/^\[|\]$/g, '');
    const name = serverName ?? host;
    const socket = connect({
      host,
      port: Number(url.port || 443),
      rejectUnauthorized: false,
      ALPNProtocols: ['http/1.1'],
      ...(isIP(name) === 0 ? { servername: name } : {}),
      // Asked below: Node asks only when the chain is good.
      checkServerIdentity: () => undefined,
    });
    const timer = clock.after(timeout, () => socket.destroy(new Error(`no TLS handshake within ${timeout} ms`)));
    socket.on('close', () => timer[Symbol.dispose]());
    socket.on('error', (error) => {
      const code = codeOf(error);
      reject(code === '' ? error : new Error(`${code}: ${messageOf(error)}`));
    });
    socket.on('secureConnect', () => {
      try {
        const certificate = socket.getPeerX509Certificate();
        if (certificate === undefined) throw new Error('the server showed no certificate');
        const otherName = refuseOtherName(name, certificate);
        const reasons = [
          ...(socket.authorized ? [] : [String(socket.authorizationError)]),
          ...(otherName === undefined ? [] : [otherName.message]),
        ];
        const protocol = socket.getProtocol() ?? 'TLS';
        const caRefusal = reasons.length === 0 ? null : reasons.join('; ');
        resolve({ certificate, protocol, pin: pinOf(certificate), caRefusal });
      } catch (error) {
        reject(error);
      }
      socket.destroy();
    });
  });
}
