import { X509Certificate } from 'node:crypto';
import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { connect as connectTls, type SecureContext, type TLSSocket } from 'node:tls';
import { type Clock, messageOf } from '../kernel/index.ts';
import { codeOf, UpstreamFailure } from './failure.ts';
import { judge, needsAuthority, refuseOtherName, type SeenCertificate, type TlsPolicy } from './tls-policy.ts';

/** Where to connect and what the server must prove. */
export interface Destination {
  readonly url: URL;
  readonly policy: TlsPolicy;
  /** Null for plain HTTP. */
  readonly context: SecureContext | null;
  /** Milliseconds for TCP and TLS together. */
  readonly timeout: number;
  readonly clock: Clock;
}

/** A connection that satisfies its policy; `seen` is null for plain HTTP. */
export interface Opened {
  readonly socket: Socket;
  readonly seen: SeenCertificate | null;
}

type Done = (error: UpstreamFailure | null, opened: Opened | null) => void;

/** Errors that say that the peer went away rather than that it failed the policy. */
const GONE: ReadonlySet<string> = new Set(['ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'ECONNABORTED']);

const hostOf = (url: URL): string => url.hostname.replace(/^\[|\]$/g, '');

function startTls({ url, policy, context }: Destination): TLSSocket {
  const host = hostOf(url);
  const name = policy.serverName ?? (isIP(host) === 0 ? host : undefined);
  return connectTls({
    host,
    port: Number(url.port || 443),
    ALPNProtocols: ['http/1.1'],
    rejectUnauthorized: needsAuthority(policy),
    checkServerIdentity: (_host, peer) =>
      needsAuthority(policy) ? refuseOtherName(name ?? host, new X509Certificate(peer.raw)) : undefined,
    ...(name === undefined ? {} : { servername: name }),
    ...(context === null ? {} : { secureContext: context }),
  });
}

function failureOf(error: unknown, reachedTls: boolean): UpstreamFailure {
  const code = codeOf(error);
  const reason = code === '' ? messageOf(error) : `${code}: ${messageOf(error)}`;
  return new UpstreamFailure(reachedTls && !GONE.has(code) ? 'tls' : 'connect', reason);
}

/**
 * Opens one connection and calls `done` exactly once: with the socket after TCP and TLS are done and the policy is
 * satisfied, else with a failure of kind `connect` (unreachable, too slow) or `tls` (refused by the policy). Sends
 * nothing. No session is ever resumed. Returns a function that gives up.
 */
export function openSocket(to: Destination, done: Done): () => void {
  const secure = to.policy.verify !== 'http';
  const host = hostOf(to.url);
  const socket = secure ? startTls(to) : connectTcp({ host, port: Number(to.url.port || 80) });
  let open = true;
  let reachedTls = false;
  const end = (error: UpstreamFailure | null, seen: SeenCertificate | null): void => {
    if (!open) return;
    open = false;
    timer[Symbol.dispose]();
    if (error === null) {
      done(null, { socket, seen });
      return;
    }
    socket.destroy();
    done(error, null);
  };
  const timer = to.clock.after(to.timeout, () => {
    const phase = reachedTls ? 'TLS handshake' : 'connection';
    end(new UpstreamFailure('connect', `no ${phase} within ${to.timeout} ms`), null);
  });
  socket.setNoDelay(true).setKeepAlive(true, 60_000);
  socket.on('error', (error) => end(failureOf(error, reachedTls), null));
  socket.on('close', () => end(new UpstreamFailure('connect', 'closed before it was open'), null));
  socket.on('connect', () => {
    if (secure) reachedTls = true;
    else end(null, null);
  });
  socket.on('secureConnect', () => {
    const verdict = judge(to.policy, socket as TLSSocket);
    if (typeof verdict === 'string') end(new UpstreamFailure('tls', verdict), null);
    else end(null, verdict);
  });
  return () => end(new UpstreamFailure('aborted', 'given up'), null);
}
