import { X509Certificate } from 'node:crypto';
import { isIP, Socket } from 'node:net';
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

/**
 * A TCP connection, under TLS or not. While an answer is awaited it ends with a reset (RFC 9293, 3.10.5): an orderly end
 * would still deliver what the kernel holds of a request that was given up, perhaps minutes later and after its repeat.
 */
export class Wire extends Socket {
  awaitsAnswer = false;
  #cause: Error | undefined;

  override destroy(error?: Error): this {
    // A reset is refused while an orderly end is under way.
    if (!this.awaitsAnswer || this.destroyed || this.writableEnded) return super.destroy(this.#cause ?? error);
    this.awaitsAnswer = false;
    this.#cause = error;
    // Comes back here.
    return this.resetAndDestroy();
  }
}

/** A connection that satisfies its policy; `seen` is null for plain HTTP. */
export interface Opened {
  /** The TLS connection, or the TCP connection itself. */
  readonly socket: Socket;
  readonly wire: Wire;
  readonly seen: SeenCertificate | null;
}

type Done = (error: UpstreamFailure | null, opened: Opened | null) => void;

/** Errors that say that the peer went away rather than that it failed the policy. */
const GONE: ReadonlySet<string> = new Set(['ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'ECONNABORTED']);

const hostOf = (url: URL): string => url.hostname.replace(/^\[|\]$/g, '');

/** Over a connection of our own, since a TLSSocket cannot reset the one that it makes. */
function startTls({ url, policy, context }: Destination, wire: Wire): TLSSocket {
  const host = hostOf(url);
  const name = policy.serverName ?? (isIP(host) === 0 ? host : undefined);
  return connectTls({
    socket: wire,
    host,
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
  const wire = new Wire();
  let socket: Socket = wire;
  let open = true;
  let reachedTls = false;
  const end = (error: UpstreamFailure | null, opened: Opened | null): void => {
    if (!open) return;
    open = false;
    timer[Symbol.dispose]();
    if (error !== null) socket.destroy();
    done(error, opened);
  };
  const timer = to.clock.after(to.timeout, () => {
    const phase = reachedTls ? 'TLS handshake' : 'connection';
    end(new UpstreamFailure('connect', `no ${phase} within ${to.timeout} ms`), null);
  });
  const watch = (one: Socket): void => {
    one.on('error', (error) => end(failureOf(error, reachedTls), null));
    one.on('close', () => end(new UpstreamFailure('connect', 'closed before it was open'), null));
  };
  watch(wire);
  wire.setNoDelay(true).setKeepAlive(true, 60_000);
  wire.on('connect', () => {
    if (!secure) {
      end(null, { socket: wire, wire, seen: null });
      return;
    }
    reachedTls = true;
    const tls = startTls(to, wire);
    socket = tls;
    watch(tls);
    tls.on('secureConnect', () => {
      const verdict = judge(to.policy, tls);
      if (typeof verdict === 'string') end(new UpstreamFailure('tls', verdict), null);
      else end(null, { socket: tls, wire, seen: verdict });
    });
  });
  wire.connect({ host: hostOf(to.url), port: Number(to.url.port || (secure ? 443 : 80)) });
  return () => end(new UpstreamFailure('aborted', 'given up'), null);
}
