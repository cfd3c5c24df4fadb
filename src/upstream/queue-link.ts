import { createHash } from 'node:crypto';
import { createSecureContext } from 'node:tls';
import type { Client } from 'undici';
import type { QueueConfig } from '../config/index.ts';
import { type Clock, GatewayError } from '../kernel/index.ts';
import type { Report } from '../observe/index.ts';
import { createTlsMaterial, type TlsMaterial } from '../platform/index.ts';
import type { Exchange } from './exchange.ts';
import { createLine, type Line } from './line.ts';
import type { QueueStatus } from './ports.ts';
import { Running } from './running.ts';
import { levelOf, needsPin, policyOf } from './tls-policy.ts';

/** Everything that reaches one queue: its candidates in order, of which one is in use. */
export interface QueueLink {
  readonly config: QueueConfig;
  /** The candidate in use. */
  readonly line: Line;
  /** Names the server in use; changes with its scheme, host or port. */
  readonly epoch: string;
  /** Attempts under way. */
  readonly running: Running<Exchange>;
  /** Undici's options for a connection to this queue. */
  readonly client: Client.Options;
  /** Takes the next candidate after `failed` could not be reached; it stays in use from then on. */
  advance(failed: Line): void;
  /** See `Upstream.switchTo`. */
  switchTo(url: string | null): Promise<{ readonly origin: string }>;
  status(): QueueStatus;
  /** Ends the link; connections whose key the next configuration refuses are cut, others finish their answer. */
  retire(next: QueueConfig | null): void;
}

export interface LinkOptions {
  readonly config: QueueConfig;
  readonly clock: Clock;
  readonly report: Report;
}

const clientOptions = ({ timeouts, connections }: QueueConfig): Client.Options => ({
  headersTimeout: Math.ceil(timeouts.headers),
  bodyTimeout: Math.ceil(timeouts.body),
  keepAliveTimeout: Math.max(1, connections.idle),
  // A server's Keep-Alive hint may only shorten it.
  keepAliveMaxTimeout: Math.max(1, connections.idle),
  maxHeaderSize: 16 * 1024,
  useMilo: false,
});

/** Names the server at an origin, for what is kept of it. */
export const epochOf = (origin: string): string => createHash('sha256').update(origin).digest('base64url').slice(0, 8);

class CandidateLink implements QueueLink {
  readonly config: QueueConfig;
  readonly running = new Running<Exchange>();
  readonly client: Client.Options;
  line: Line;
  epoch: string;
  readonly #options: LinkOptions;
  readonly #urls: readonly URL[];
  readonly #material: TlsMaterial;
  readonly #lines = new Set<Line>();
  #active = 0;

  constructor(options: LinkOptions) {
    const { config, clock, report } = options;
    this.#options = options;
    this.config = config;
    this.client = clientOptions(config);
    this.#urls = config.urls.map((url) => new URL(url));
    this.#material = createTlsMaterial(config.tls, {
      clock,
      onError: (error) => {
        const fields = { event: 'tls_files_bad', queue: config.name, file: error.file, reason: error.message };
        report.log.error(fields, 'changed TLS files cannot be used; the last good ones stay');
      },
    });
    this.#material.onChange(() => this.#renewLine());
    this.line = this.#open();
    this.epoch = epochOf(this.line.origin);
  }

  advance(failed: Line): void {
    if (failed !== this.line || this.#urls.length < 2) return;
    this.#active = (this.#active + 1) % this.#urls.length;
    const { report, config } = this.#options;
    this.line = this.#open();
    this.epoch = epochOf(this.line.origin);
    this.#end(failed);
    const fields = { event: 'upstream_candidate', queue: config.name, host: this.line.origin };
    report.log.warn(fields, 'the next candidate URL of the queue is used');
  }

  async switchTo(url: string | null): Promise<{ readonly origin: string }> {
    const origins = this.#urls.map(({ origin }) => origin);
    const listed = `The candidates of ${this.config.name} are ${origins.join(', ')}.`;
    const wanted = url === null ? null : (URL.parse(url)?.origin ?? url);
    if (wanted !== null && !origins.includes(wanted)) {
      throw new GatewayError('GW_NOT_FOUND', `This URL is no candidate of the queue. ${listed}`);
    }
    const others = this.#urls.map((_url, at) => (this.#active + 1 + at) % this.#urls.length).slice(0, -1);
    const tries = wanted === null ? others : [origins.indexOf(wanted)];
    const reasons: string[] = [];
    for (const at of tries) {
      if (at === this.#active) return { origin: this.line.origin };
      const line = this.#open(at);
      await line.probe();
      if (line.state === 'up') {
        const old = this.line;
        this.#active = at;
        this.line = line;
        this.epoch = epochOf(line.origin);
        this.#end(old);
        return { origin: line.origin };
      }
      reasons.push(`${line.origin}: ${line.detail}`);
      this.#end(line);
    }
    const detail = `No other candidate can be used. ${reasons.join('; ')}${reasons.length === 0 ? listed : ''}`;
    throw new GatewayError('GW_UPSTREAM_DOWN', detail, { retryAfter: 5 });
  }

  status(): QueueStatus {
    const { line, config } = this;
    return {
      queue: config.name,
      url: line.origin,
      tlsLevel: levelOf(line.policy),
      state: line.state,
      detail: line.detail,
      certificateNotAfter: line.notAfter,
    };
  }

  retire(next: QueueConfig | null): void {
    this.#material[Symbol.dispose]();
    const policy = next === null ? null : policyOf(next, new URL(this.line.origin));
    const refuses = (pin: string | null): boolean =>
      policy !== null && pin !== null && needsPin(policy) && !policy.pins.has(pin);
    for (const line of [...this.#lines]) this.#end(line, refuses);
  }

  #open(at = this.#active): Line {
    const { config, clock, report } = this.#options;
    const url = this.#urls[at] ?? new URL(config.urls[0] ?? 'http://localhost');
    const policy = policyOf(config, url);
    const { minVersion } = config.tls;
    const context = policy.verify === 'http' ? null : createSecureContext({ ...this.#material.current(), minVersion });
    const line = createLine({
      queue: config,
      url,
      policy,
      context,
      client: this.client,
      clock,
      report,
      counted: () => this.#count(),
    });
    this.#lines.add(line);
    return line;
  }

  /** New files make a new line; if the server fails with them, what the old line still carries is cut. */
  #renewLine(): void {
    const { report, config } = this.#options;
    report.log.info({ event: 'tls_files_changed', queue: config.name }, 'changed TLS files of the queue are in use');
    const old = this.line;
    this.line = this.#open();
    const { line } = this;
    old.retire();
    void line.probe().then(() => this.#end(old, () => line.state === 'tls_refused'));
  }

  #end(line: Line, refuses?: (pin: string | null) => boolean): void {
    line.retire(refuses);
    this.#lines.delete(line);
    this.#count();
  }

  #count(): void {
    let open = 0;
    for (const line of this.#lines) open += line.pool.open;
    this.#options.report.upstreamConnections(this.config.name, open);
  }
}

/** Creates the link to a queue. Throws when its TLS files cannot be read. */
export function createQueueLink(options: LinkOptions): QueueLink {
  return new CandidateLink(options);
}
