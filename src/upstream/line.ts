import type { SecureContext } from 'node:tls';
import type { Client } from 'undici';
import type { QueueConfig } from '../config/index.ts';
import { type Clock, GatewayError } from '../kernel/index.ts';
import type { Report } from '../observe/index.ts';
import { UpstreamFailure } from './failure.ts';
import {
  type Asker,
  createNameGate,
  isDue,
  type NameGate,
  type NameToken,
  type NameTrouble,
  type PasswordPost,
} from './name-gate.ts';
import { type Opened, openSocket } from './open-socket.ts';
import { createPool, type Pool } from './pool.ts';
import type { LoginAnswer, QueueStatus, UpstreamToken } from './ports.ts';
import { judgeName, NAME_PATH } from './queue-name.ts';
import { callOnce, type Opener, type SmallAnswer } from './small-call.ts';
import type { Strangers } from './strangers.ts';
import { levelOf, type SeenCertificate, type TlsPolicy } from './tls-policy.ts';

export interface LineOptions {
  readonly queue: QueueConfig;
  readonly url: URL;
  readonly policy: TlsPolicy;
  readonly context: SecureContext | null;
  readonly client: Client.Options;
  readonly clock: Clock;
  readonly report: Report;
  /** Set when the queue has several candidates. */
  readonly strangers: Strangers | null;
  /** The number of open connections changed. */
  counted(): void;
  /** The server cannot be used, for this reason. */
  trouble(why: LineTrouble): void;
  /** The line became ready. */
  ready(): void;
}

/** Why a server cannot be used: not reachable, refused by the TLS policy, or as the name gate says. */
export type LineTrouble = 'connect' | 'tls' | NameTrouble;

type OpenDone = Parameters<Opener>[0];

/** Milliseconds between two looks at a server that failed its policy, while calls ask for it. */
const RECHECK_TLS = 1000;
/** Milliseconds between two questions whether a JWT is dead … */
const REDOUBT = 5000;
/** … and after one was renewed for it: an account that may not even read the project must not log in with every call. */
const REDOUBT_RENEWED = 60_000;

/** One server of a queue under one TLS policy: its connections and what is known of it. */
export class Line {
  readonly origin: string;
  readonly policy: TlsPolicy;
  readonly pool: Pool;
  /** True when calls may go without asking: the one flag that the hot path tests. */
  ready = false;
  readonly #options: LineOptions;
  readonly #name: NameGate;
  #refusal: { readonly reason: string; readonly at: number } | null = null;
  #down: string | null = null;
  #met = false;
  #seen: SeenCertificate | null = null;
  #lastHandshake = Number.NEGATIVE_INFINITY;
  #retired = false;
  readonly #doubted = new WeakMap<UpstreamToken, { readonly at: number; readonly wait: number }>();
  #probing: Promise<void> | null = null;
  #probeTimer: Disposable | null = null;

  constructor(options: LineOptions) {
    const { queue, url, policy, clock, client, report } = options;
    this.#options = options;
    this.origin = url.origin;
    this.policy = policy;
    this.pool = createPool({
      origin: url.origin,
      perAccount: queue.connections.perAccount,
      total: queue.connections.total,
      client,
      open: (done) => this.#openPooled(done),
      counted: options.counted,
    });
    this.#name = createNameGate({
      name: queue.name,
      check: queue.checkName,
      clock,
      strangers: options.strangers,
      ask: (token) => this.#askName(token),
      changed: () => this.#settle(),
      refused: (error) => {
        const fields = { event: 'wrong_queue', queue: queue.name, host: url.host, reason: error.detail };
        report.log.error(fields, 'the server is not the configured queue and is not used');
      },
      trouble: options.trouble,
    });
    this.#settle();
    if (policy.verify === 'http') this.#tellCertificate();
    this.#armProbe(0);
  }

  get state(): QueueStatus['state'] {
    if (this.#refusal !== null) return 'tls_refused';
    if (this.#name.wrong !== null) return 'wrong_queue';
    if (this.#down !== null || this.#name.resting !== null) return 'down';
    return this.#met ? 'up' : 'unknown';
  }

  get detail(): string {
    return this.#refusal?.reason ?? this.#name.wrong?.detail ?? this.#down ?? this.#name.resting?.detail ?? '';
  }

  /** False while the name is asked for and not known yet. */
  get named(): boolean {
    return this.#name.open;
  }

  get notAfter(): number | null {
    return this.#seen?.notAfter ?? null;
  }

  /** Makes the line ready: the TLS policy, then the queue's name. Throws GatewayError. */
  async admit(asker: Asker): Promise<void> {
    await this.#admitTls();
    await this.#name.admit(asker);
  }

  /** Throws GatewayError when the server failed its TLS policy or is known to be another: no password goes there. */
  async admitPassword(): Promise<void> {
    await this.#admitTls();
    this.#name.throwIfLeftAlone();
  }

  /** Posts the password of an account; to a server that is not known yet one at a time. Throws GatewayError. */
  introduce(account: string, post: PasswordPost): Promise<LoginAnswer> {
    return this.#name.introduce(account, post);
  }

  /** Lets a chosen server rest that turned several accounts away. */
  rest(): void {
    this.#name.rest();
  }

  /**
   * Whether calls may go there, as far as can be told without any credential: one handshake, and among several candidates
   * the question for the name. Never rejects.
   */
  async look(): Promise<boolean> {
    await this.probe();
    if (this.#refusal !== null || this.#down !== null) return false;
    return this.#options.strangers === null || (await this.#name.look());
  }

  /**
   * After a 403, which may stand for a missing privilege or for a dead JWT: asks, beside the call, for what every account
   * may read, and has a dead JWT renewed for the calls to come.
   */
  doubt({ token, renew }: Asker): void {
    const { queue, clock } = this.#options;
    const last = this.#doubted.get(token);
    if (!queue.checkName || (last !== undefined && !isDue(clock, last.at, last.wait))) return;
    this.#doubted.set(token, { at: clock.elapsed(), wait: REDOUBT });
    const decide = async (): Promise<void> => {
      if (judgeName(queue.name, await this.#askName(token)).kind !== 'unauthorized') return;
      this.#doubted.set(await renew(), { at: clock.elapsed(), wait: REDOUBT_RENEWED });
    };
    // Whoever calls next meets the same fault in its own call.
    decide().catch(() => undefined);
  }

  /** Opens a connection beside the pool, for calls of the gateway itself. The policy holds there, too. */
  openAside(done: OpenDone): void {
    const { url, policy, context, queue, clock } = this.#options;
    openSocket({ url, policy, context, timeout: queue.timeouts.connect, clock }, (error, opened) => {
      if (opened !== null) this.#accepted(opened);
      else if (error?.kind === 'tls') this.#refuse(error.message);
      else if (error?.kind === 'connect') this.#wentDown(error.message);
      done(error, opened);
    });
  }

  /** Looks at the certificate: one handshake, nothing sent. Never rejects. */
  probe(): Promise<void> {
    this.#probing ??= new Promise<void>((resolve) => {
      this.openAside((_error, opened) => {
        opened?.socket.destroy();
        this.#probing = null;
        resolve();
      });
    });
    return this.#probing;
  }

  /** Ends idle connections now and busy ones after their answer; those that `refuses` names at once. */
  retire(refuses: (pin: string | null) => boolean = () => false): void {
    this.#retired = true;
    this.#probeTimer?.[Symbol.dispose]();
    this.pool.cut(({ pin }) => refuses(pin), new UpstreamFailure('tls', 'the key is no longer accepted'));
    this.pool.retire();
  }

  #settle(): void {
    this.ready = this.#name.open && this.#refusal === null;
    if (this.ready && this.#met) this.#options.ready();
  }

  #openPooled(done: OpenDone): void {
    this.openAside((error, opened) => {
      if (opened === null) return done(error, null);
      if (this.#name.open && this.#name.knows(opened.seen?.pin ?? null)) return done(null, opened);
      this.#name.close(false);
      opened.socket.destroy();
      done(new UpstreamFailure('untrusted', 'the server has not told its queue name yet'), null);
    });
  }

  #askName(token: NameToken | null): Promise<SmallAnswer> {
    const { queue, client, clock } = this.#options;
    const separator = queue.authorization === 'colon' ? ':' : ' ';
    const credential =
      token === null ? [] : ['authorization', `${token.tokenType}${separator}${token.accessToken.reveal()}`];
    return callOnce({
      origin: this.origin,
      open: (done) => this.openAside(done),
      client,
      method: 'GET',
      path: NAME_PATH,
      headers: ['accept', 'application/json', ...credential],
      body: null,
      timeout: queue.timeouts.headers,
      clock,
    });
  }

  async #admitTls(): Promise<void> {
    if (this.#refusal !== null && isDue(this.#options.clock, this.#refusal.at, RECHECK_TLS)) await this.probe();
    if (this.#refusal === null) return;
    const detail = 'vovserver failed the TLS policy of this queue; nothing was sent.';
    throw new GatewayError('GW_UPSTREAM_TLS', detail, { internal: this.#refusal.reason });
  }

  #refuse(reason: string): void {
    const { queue, url, report, clock } = this.#options;
    if (this.#refusal?.reason !== reason) {
      const fields = { event: 'tls_refused', queue: queue.name, host: url.host, reason };
      report.log.error(fields, 'vovserver failed the TLS policy; its connections are cut');
    }
    this.#refusal = { reason, at: clock.elapsed() };
    this.#settle();
    this.pool.cut(() => true, new UpstreamFailure('tls', reason));
    this.#options.trouble('tls');
  }

  #wentDown(reason: string): void {
    const { queue, url, report } = this.#options;
    if (this.#down === null) {
      const fields = { event: 'upstream_down', queue: queue.name, host: url.host, reason };
      report.log.warn(fields, 'vovserver is not reachable');
    }
    this.#down = reason;
    this.#name.close(true);
    this.#options.trouble('connect');
  }

  #accepted(opened: Opened): void {
    const { queue, url, report, clock } = this.#options;
    if (this.#down !== null || this.#refusal !== null) {
      report.log.info({ event: 'upstream_up', queue: queue.name, host: url.host }, 'vovserver is reachable again');
    }
    this.#down = null;
    this.#refusal = null;
    this.#met = true;
    this.#seen = opened.seen;
    this.#lastHandshake = clock.elapsed();
    this.#settle();
    if (opened.seen !== null) this.#tellCertificate();
  }

  #tellCertificate(): void {
    const { queue, url, policy, report } = this.#options;
    const { pin = null, notAfter = null } = this.#seen ?? {};
    report.certificate({ queue: queue.name, host: url.host, level: levelOf(policy), notAfter, pin });
  }

  #armProbe(ms: number): void {
    const { policy, clock, queue } = this.#options;
    if (this.#retired || policy.verify === 'http') return;
    this.#probeTimer = clock.after(ms, () => {
      if (!isDue(clock, this.#lastHandshake, queue.tls.probe)) {
        this.#armProbe(this.#lastHandshake + queue.tls.probe - clock.elapsed());
        return;
      }
      void this.probe().then(() => this.#armProbe(queue.tls.probe));
    });
  }
}

/** Creates the line to one server; looks at its certificate at once and then every `tls.probe`. */
export function createLine(options: LineOptions): Line {
  return new Line(options);
}
