import { createHash } from 'node:crypto';
import { createSecureContext } from 'node:tls';
import type { Client } from 'undici';
import type { QueueConfig } from '../config/index.ts';
import { type Clock, GatewayError } from '../kernel/index.ts';
import type { Report } from '../observe/index.ts';
import { createTlsMaterial, type TlsMaterial } from '../platform/index.ts';
import type { Exchange } from './exchange.ts';
import { isSafe } from './failure.ts';
import type { Hint } from './hints.ts';
import { createLine, type Line, type LineTrouble } from './line.ts';
import { AWAY, Outage, secondsLeft, UNNAMED } from './outage.ts';
import type { QueueStatus, SwitchedTo, UpstreamCall } from './ports.ts';
import { Running } from './running.ts';
import { createSearch, type Search } from './search.ts';
import { createStrangers } from './strangers.ts';
import { levelOf, needsPin, policyOf } from './tls-policy.ts';
import { createWaiters } from './waiters.ts';

/** What of a call decides whether it waits for a server. */
export type Patience = Pick<UpstreamCall, 'method' | 'class' | 'signal' | 'identity' | 'waitMs'>;

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
  /** False while another server is searched for: then `admit` comes before everything else. */
  readonly steady: boolean;
  /**
   * Returns when there is a server to try. Waits for the first round of a search, and a safe call that wants to wait for
   * more; for a kill there is a look at once. Throws the error of the outage.
   */
  admit(patience: Patience | null): Promise<void>;
  /** What a caller is told while no server can be used. */
  downError(): GatewayError;
  /** See `Upstream.switchTo`. */
  switchTo(url: string | null): Promise<SwitchedTo>;
  /** True when people chose the candidate in use. */
  readonly isChosen: boolean;
  /** What another replica says of a candidate. */
  hear(hint: Hint): void;
  status(): QueueStatus;
  /** Ends the link; connections whose key the next configuration refuses are cut, others finish their answer. */
  retire(next: QueueConfig | null): void;
}

export interface LinkOptions {
  readonly config: QueueConfig;
  readonly clock: Clock;
  readonly report: Report;
  /** 0 ≤ x < 1. */
  readonly random: () => number;
  /** The link that this one replaces: its candidate is the one to begin with; the first without it. */
  readonly former?: Pick<QueueLink, 'line' | 'isChosen'> | undefined;
  /** Milliseconds that a caller may wait for a server, whatever it wants. */
  longestWait(): number;
  /** Tells the other replicas. */
  tell(hint: Hint): void;
}

/** Milliseconds for which a candidate is left alone that is another queue, or that turned several accounts away. */
const WRONG_PAUSE = 300_000;
const UNPROVEN_PAUSE = 20_000;

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
  readonly #strangers;
  readonly #material: TlsMaterial;
  readonly #lines = new Set<Line>();
  readonly #search: Search;
  /** Lines to candidates that are not in use, while they are looked at. */
  readonly #standby = new Map<number, Line>();
  /** Why each candidate could not be used when it was last tried. */
  readonly #why = new Map<number, { readonly kind: LineTrouble; readonly reason: string }>();
  readonly #waiters;
  #active = 0;
  /** The candidate that people chose, as long as no other takes its place. */
  #chosen: number | null = null;
  /** Since when, by `Clock.elapsed`, no server was known to work; null while one is. */
  #since: number | null = null;
  /** A whole round found no server. */
  #down = false;

  constructor(options: LinkOptions) {
    const { config, clock, report, random } = options;
    this.#options = options;
    this.config = config;
    this.client = clientOptions(config);
    this.#urls = config.urls.map((url) => new URL(url));
    this.#strangers = this.#urls.map((_url, at) =>
      this.#urls.length > 1 ? createStrangers({ clock, isChosen: () => this.#chosen === at }) : null,
    );
    this.#waiters = createWaiters(clock);
    this.#search = createSearch({
      candidates: this.#urls.length,
      probe: config.failover.probe,
      clock,
      random,
      look: (at) => this.#look(at),
      found: (at) => this.#found(at),
      missed: () => this.#missed(),
    });
    this.#material = createTlsMaterial(config.tls, {
      clock,
      onError: (error) => {
        const fields = { event: 'tls_files_bad', queue: config.name, file: error.file, reason: error.message };
        report.log.error(fields, 'changed TLS files cannot be used; the last good ones stay');
      },
    });
    this.#material.onChange(() => this.#renewLine());
    this.#active = Math.max(
      0,
      this.#urls.findIndex(({ origin }) => origin === options.former?.line.origin),
    );
    this.line = this.#open(this.#active);
    this.epoch = epochOf(this.line.origin);
    const { former } = options;
    if (former?.isChosen === true && former.line.origin === this.line.origin) this.#chosen = this.#active;
  }

  get isChosen(): boolean {
    return this.#chosen === this.#active;
  }

  get steady(): boolean {
    return this.#search.round === null;
  }

  async admit(patience: Patience | null): Promise<void> {
    if (!this.#down) await this.#search.round;
    if (this.steady) return;
    const { method = '', signal, identity, waitMs = 0 } = patience ?? {};
    if (patience?.class === 'control' && (await this.#search.hurry(this.#unreachable()))) return;
    const wait = Math.min(waitMs, this.#options.longestWait());
    if (signal !== undefined && isSafe(method) && (await this.#waiters.wait(wait, signal, identity))) return;
    throw this.downError();
  }

  downError(): GatewayError {
    const { clock, random, config } = this.#options;
    const reasons = [...this.#why.values()];
    if (this.#why.size === this.#urls.length && reasons.every(({ kind }) => kind === 'tls')) {
      const detail = 'Every server of this queue failed its TLS policy; nothing was sent.';
      return new GatewayError('GW_UPSTREAM_TLS', detail, { retryAfter: 5 });
    }
    const now = clock.elapsed();
    const isThere = reasons.some(({ kind }) => kind === 'unproven');
    const expected = Math.min(config.failover.expected, isThere ? UNPROVEN_PAUSE : Number.POSITIVE_INFINITY);
    const span = { since: this.#since ?? now, expected };
    const internal = this.#urls
      .map(({ origin }, at) => {
        const { kind, reason } = this.#why.get(at) ?? { kind: 'not tried', reason: '' };
        return `${origin}: ${reason === '' ? kind : reason}`;
      })
      .join('; ');
    return new Outage(isThere ? UNNAMED : AWAY, secondsLeft(span, now, random()), internal);
  }

  async switchTo(url: string | null): Promise<SwitchedTo> {
    const { config } = this;
    const origins = this.#urls.map(({ origin }) => origin);
    const listed = `The candidates of queue ${config.name} are ${origins.join(', ')}.`;
    const wanted = url === null ? null : origins.indexOf(URL.parse(url)?.origin ?? '');
    if (wanted === -1) throw new GatewayError('GW_NOT_FOUND', `This URL is no candidate. ${listed}`);
    if (wanted === this.#active && this.steady) return this.#choose(wanted);
    const refusals: string[] = [];
    for (const at of wanted === null ? this.#order().slice(1) : [wanted]) {
      const line = at === this.#active ? this.line : this.#lineTo(at);
      if (await line.look()) {
        this.#search.end();
        return this.#choose(at);
      }
      refusals.push(`${line.origin}: ${line.detail === '' ? 'it is not well' : line.detail}`);
      if (this.steady) this.#endStandby();
    }
    const why = refusals.length === 0 ? 'There is no other candidate.' : `Refused: ${refusals.join('; ')}.`;
    throw new GatewayError('GW_UPSTREAM_DOWN', `${why} ${listed} Nothing was changed.`, { retryAfter: 5 });
  }

  hear({ kind, origin }: Hint): void {
    const at = this.#urls.findIndex((url) => url.origin === origin);
    if (at < 0) return;
    if (kind === 'works') this.#search.hint(at);
    else if (at !== this.#active) this.#search.putOff(at, kind === 'wrong' ? WRONG_PAUSE : UNPROVEN_PAUSE);
    else if (this.line.ready) return;
    else if (this.isChosen && kind === 'unproven') this.line.rest();
    else this.#trouble(this.line, kind, true);
  }

  status(): QueueStatus {
    const { line, config } = this;
    // A server that answers may be left alone all the same.
    const isAlone = this.#down && (line.state === 'up' || line.state === 'unknown');
    return {
      queue: config.name,
      url: line.origin,
      tlsLevel: levelOf(line.policy),
      state: isAlone ? 'down' : line.state,
      detail: isAlone && line.detail === '' ? this.downError().detail : line.detail,
      certificateNotAfter: line.notAfter,
    };
  }

  retire(next: QueueConfig | null): void {
    this.#material[Symbol.dispose]();
    this.#search.end();
    this.#waiters.wake();
    const policy = next === null ? null : policyOf(next, new URL(this.line.origin));
    const refuses = (pin: string | null): boolean =>
      policy !== null && pin !== null && needsPin(policy) && !policy.pins.has(pin);
    for (const line of [...this.#lines]) this.#end(line, refuses);
  }

  /** Candidates of which nothing worse is known than that they could not be reached. */
  #unreachable(): number[] {
    return this.#order().filter((at) => this.#why.get(at)?.kind === 'connect');
  }

  /** The candidates by preference: the one in use, then those after it. */
  #order(): number[] {
    return this.#urls.map((_url, nth) => (this.#active + nth) % this.#urls.length);
  }

  async #look(at: number): Promise<boolean> {
    const line = at === this.#active ? this.line : this.#lineTo(at);
    return await line.look();
  }

  #lineTo(at: number): Line {
    const line = this.#standby.get(at) ?? this.#open(at);
    this.#standby.set(at, line);
    return line;
  }

  /** Uses a candidate because people want it; it is kept as long as it answers and gives no other name. */
  #choose(at: number): SwitchedTo {
    this.#chosen = at;
    this.#found(at);
    const { origin, named } = this.line;
    return { origin, ...(named ? {} : { unnamed: true }) };
  }

  #found(at: number): void {
    const line = this.#standby.get(at);
    if (at !== this.#active && line !== undefined) {
      this.#standby.delete(at);
      this.#use(at, line);
    }
    this.#endStandby();
    this.#down = false;
    this.#waiters.wake();
    if (this.line.ready) this.#ready(this.line);
  }

  #use(at: number, line: Line): void {
    const { report, config } = this.#options;
    const old = this.line;
    this.#active = at;
    this.line = line;
    this.epoch = epochOf(line.origin);
    this.#end(old);
    const fields = { event: 'upstream_candidate', queue: config.name, host: line.origin };
    if (this.#chosen === null || this.#chosen === at) {
      report.log.warn(fields, 'another candidate URL of the queue is used');
    } else {
      this.#chosen = null;
      report.log.error(fields, 'the server chosen for the queue cannot be used: another candidate URL is used');
    }
  }

  #missed(): void {
    const { report, config } = this.#options;
    this.#down = true;
    const fields = { event: 'upstream_outage', queue: config.name };
    report.log.warn(fields, 'no server of the queue can be used; calls are answered 503 until one is found');
  }

  #ready(line: Line): void {
    if (line !== this.line || this.#since === null) return;
    this.#since = null;
    this.#why.clear();
    this.#search.works(this.#active);
    const { report, config, tell } = this.#options;
    tell({ kind: 'works', queue: config.name, origin: line.origin });
    report.log.info({ event: 'upstream_found', queue: config.name, host: line.origin }, 'a server of the queue works');
  }

  /** `heard` from another replica: what everybody knows is not told again, or it would go round for ever. */
  #trouble(line: Line, why: LineTrouble, heard = false): void {
    const at = this.#urls.findIndex(({ origin }) => origin === line.origin);
    this.#why.set(at, { kind: why, reason: line.detail });
    if ((why === 'wrong' || why === 'unproven') && !heard) {
      this.#options.tell({ kind: why, queue: this.config.name, origin: line.origin });
    }
    // With one candidate there is nothing else to try: whoever calls meets the very fault.
    if (this.#urls.length === 1 && why !== 'connect') return;
    const pause = why === 'wrong' ? WRONG_PAUSE : why === 'unproven' ? UNPROVEN_PAUSE : undefined;
    // What only a look at another one met, the search itself puts off.
    if (line !== this.line && pause === undefined) return;
    if (why !== 'connect') this.#search.putOff(at, pause);
    if (line !== this.line) return;
    this.#since ??= this.#options.clock.elapsed();
    void this.#search.begin(this.#order());
  }

  /** A chosen server got enough without telling its name: it stays in use, and nobody goes there for a while. */
  #rests(line: Line): void {
    const { report, config, tell } = this.#options;
    tell({ kind: 'unproven', queue: config.name, origin: line.origin });
    const fields = { event: 'upstream_unnamed', queue: config.name, host: line.origin, reason: line.detail };
    report.log.error(
      fields,
      'the server chosen for the queue knows none of the accounts that called: it rests for a while',
    );
  }

  #open(at: number): Line {
    const { config, clock, report } = this.#options;
    const url = this.#urls[at] ?? new URL(config.urls[0] ?? 'http://localhost');
    const policy = policyOf(config, url);
    const { minVersion } = config.tls;
    const context = policy.verify === 'http' ? null : createSecureContext({ ...this.#material.current(), minVersion });
    const line: Line = createLine({
      queue: config,
      url,
      policy,
      context,
      client: this.client,
      clock,
      report,
      strangers: this.#strangers[at] ?? null,
      counted: () => this.#count(),
      trouble: (why) => (why === 'resting' ? this.#rests(line) : this.#trouble(line, why)),
      ready: () => this.#ready(line),
    });
    this.#lines.add(line);
    return line;
  }

  /** New files make a new line; if the server fails with them, what the old line still carries is cut. */
  #renewLine(): void {
    const { report, config } = this.#options;
    report.log.info({ event: 'tls_files_changed', queue: config.name }, 'changed TLS files of the queue are in use');
    const old = this.line;
    this.#endStandby();
    this.line = this.#open(this.#active);
    const { line } = this;
    old.retire();
    void line.probe().then(() => this.#end(old, () => line.state === 'tls_refused'));
  }

  #endStandby(): void {
    for (const line of this.#standby.values()) this.#end(line);
    this.#standby.clear();
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
