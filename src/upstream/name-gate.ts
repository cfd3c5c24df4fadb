import { type Clock, GatewayError } from '../kernel/index.ts';
import { Outage } from './outage.ts';
import type { LoginAnswer, UpstreamToken } from './ports.ts';
import { judgeName, type NameVerdict } from './queue-name.ts';
import type { SmallAnswer } from './small-call.ts';
import type { Enough, Strangers } from './strangers.ts';

/** Whoever asks a server for its name: the caller's own JWT, renewed once when vovserver rejects it. */
export interface Asker {
  readonly token: UpstreamToken;
  /** Throws GatewayError when there is no other JWT. */
  renew(): Promise<UpstreamToken>;
}

/** What the question is asked with. */
export type NameToken = Pick<UpstreamToken, 'tokenType' | 'accessToken'>;

/** Knows whether the server told the right queue name. */
export interface NameGate {
  /** True while the server is trusted. */
  readonly open: boolean;
  /** Why it is not used right now, or null. */
  readonly wrong: GatewayError | null;
  /** True when the name was asked over the key with this pin; always true on plain HTTP (null). */
  knows(pin: string | null): boolean;
  /** The next call asks again. `forget` also drops the keys that were asked before. */
  close(forget: boolean): void;
  /** Why no further account goes to a server that people chose and that turned several away, or null. */
  readonly resting: GatewayError | null;
  /** Lets it rest. */
  rest(): void;
  /** Throws while the server is left alone because of `wrong` or `resting`. */
  throwIfLeftAlone(): void;
  /** Asks unless the gate is open; callers that come meanwhile wait for the same answer. Throws GatewayError. */
  admit(asker: Asker): Promise<void>;
  /** Asks without any credential. False when the server is another one or not well; true when it wants to know who asks. */
  look(): Promise<boolean>;
  /**
   * Logs an account in. While the server is not known, one at a time does, and the JWT that it bought asks for the name:
   * no second password goes to a server that is another queue. Throws GatewayError.
   */
  introduce(account: string, post: PasswordPost): Promise<LoginAnswer>;
}

/** Posts the password of an account. `sent`: the server may have it now. */
export type PasswordPost = () => Promise<{ readonly answer: LoginAnswer; readonly sent: boolean }>;

/** Why the server cannot be used; `resting` is no reason to use another one. */
export type NameTrouble = 'wrong' | 'unwell' | 'unproven' | 'resting';

export interface NameGateOptions {
  readonly name: string;
  /** False: every server is trusted. */
  readonly check: boolean;
  readonly clock: Clock;
  /** Set when the queue has several candidates, so that this one may be another queue. */
  readonly strangers: Strangers | null;
  /** Asks the server with this JWT. */
  ask(token: NameToken | null): Promise<SmallAnswer>;
  /** The gate opened or closed. */
  changed(): void;
  /** The server is another queue, or no vovserver. */
  refused(error: GatewayError): void;
  trouble(why: NameTrouble): void;
}

/** Milliseconds between two questions to a server that gave another name. */
const RECHECK = 5000;

/** True when `ms` have gone by since `at`, by `Clock.elapsed`. */
export function isDue(clock: Clock, at: number, ms: number): boolean {
  return clock.elapsed() - at >= ms;
}

const failed = (error: GatewayError): LoginAnswer => ({ kind: 'failed', error });

class AskingGate implements NameGate {
  readonly #options: NameGateOptions;
  readonly #known = new Set<string>();
  #wrong: { readonly error: GatewayError; readonly at: number } | null = null;
  #asking: Promise<void> | null = null;
  #introducing: Promise<unknown> | null = null;
  /** How often the server was left alone because it got enough without telling its name. */
  #leftAlone = 0;
  #restsUntil = Number.NEGATIVE_INFINITY;
  open: boolean;

  constructor(options: NameGateOptions) {
    this.#options = options;
    this.open = !options.check;
  }

  get wrong(): GatewayError | null {
    return this.#wrong?.error ?? null;
  }

  get resting(): GatewayError | null {
    const left = this.#restsUntil - this.#options.clock.elapsed();
    return this.open || left <= 0 ? null : restingError(left);
  }

  rest(): void {
    const { strangers, clock } = this.#options;
    if (strangers === null || this.open || this.resting !== null) return;
    this.#restsUntil = clock.elapsed() + strangers.rest();
  }

  knows(pin: string | null): boolean {
    return !this.#options.check || pin === null || this.#known.has(pin);
  }

  close(forget: boolean): void {
    if (!this.#options.check) return;
    if (forget) this.#known.clear();
    this.open = false;
    this.#options.changed();
  }

  async admit(asker: Asker): Promise<void> {
    const leftAlone = this.#leftAlone;
    while (!this.open) {
      this.throwIfLeftAlone();
      if (this.#leftAlone !== leftAlone) throw keptFrom();
      if (this.#asking === null) {
        this.#asking = this.#askOnce(asker).finally(() => {
          this.#asking = null;
        });
        return this.#asking;
      }
      await this.#asking.catch((error: unknown) => {
        // What only the other account met says nothing about this one, which then asks by itself.
        if (error instanceof GatewayError && error.code !== 'GW_CREDENTIAL_UNAVAILABLE') throw error;
      });
    }
  }

  async look(): Promise<boolean> {
    if (this.open) return true;
    return this.#judge(await this.#options.ask(null)).kind !== 'refused';
  }

  async introduce(account: string, post: PasswordPost): Promise<LoginAnswer> {
    const leftAlone = this.#leftAlone;
    while (!this.open) {
      this.throwIfLeftAlone();
      // Who waited for his turn does not go to a server that got enough meanwhile.
      if (this.#leftAlone !== leftAlone) return failed(keptFrom());
      if (this.#introducing !== null) {
        await this.#introducing.catch(() => undefined);
        continue;
      }
      const introduction = this.#introduceOnce(account, post).finally(() => {
        this.#introducing = null;
      });
      this.#introducing = introduction;
      return await introduction;
    }
    return (await post()).answer;
  }

  throwIfLeftAlone(): void {
    if (this.#wrong !== null && !isDue(this.#options.clock, this.#wrong.at, RECHECK)) throw this.#wrong.error;
    const { resting } = this;
    if (resting !== null) throw resting;
  }

  async #introduceOnce(account: string, post: PasswordPost): Promise<LoginAnswer> {
    const { strangers, ask } = this.#options;
    if (strangers?.hasRejected(account) === true) throw new UnknownThere();
    const { answer, sent } = await post();
    if (answer.kind === 'rejected' && strangers !== null && !this.open) {
      // A server that may be another queue is no judge of passwords.
      this.#turnedAway(strangers.rejected(account));
      return failed(new UnknownThere());
    }
    const asked = answer.kind === 'ok' && !this.open ? this.#judge(await ask(answer)) : null;
    // Whatever it answered, it has the password and has not said who it is.
    if (sent && strangers !== null && !this.open) {
      this.#turnedAway(asked?.kind === 'unauthorized' ? strangers.unproven() : strangers.strange());
    }
    return asked?.kind === 'refused' && asked.hold ? failed(asked.error) : answer;
  }

  #turnedAway(enough: Enough): void {
    if (enough === null) return;
    this.#leftAlone += 1;
    if (enough === 'rest') this.rest();
    this.#options.trouble(enough === 'rest' ? 'resting' : 'unproven');
  }

  /** Draws the consequences of an answer. */
  #judge(answer: SmallAnswer): NameVerdict {
    const { name, clock, strangers, changed, refused, trouble } = this.#options;
    const verdict = judgeName(name, answer);
    if (verdict.kind === 'confirmed') {
      if (answer.kind === 'answer' && answer.pin !== null) this.#known.add(answer.pin);
      this.#wrong = null;
      this.open = true;
      strangers?.known();
      changed();
    } else if (verdict.kind === 'refused') {
      if (verdict.hold) {
        this.#wrong = { error: verdict.error, at: clock.elapsed() };
        refused(verdict.error);
      }
      trouble(verdict.hold ? 'wrong' : 'unwell');
    }
    return verdict;
  }

  async #askOnce(asker: Asker): Promise<void> {
    const { ask } = this.#options;
    let token = asker.token;
    for (let tries = 0; tries < 2; tries += 1) {
      const verdict = this.#judge(await ask(token));
      if (verdict.kind === 'confirmed') return;
      if (verdict.kind === 'refused') throw verdict.error;
      if (tries > 0) break;
      token = await this.#renewed(asker);
      // The login that renewed it has asked, too.
      if (this.open) return;
      this.throwIfLeftAlone();
    }
    throw unusableJwt();
  }

  async #renewed(asker: Asker): Promise<UpstreamToken> {
    try {
      return await asker.renew();
    } catch (error) {
      const { strangers } = this.#options;
      if (!this.open && strangers !== null) {
        // The login that failed counted by itself; twice is too much for a server that one account must not take away.
        const isCounted = error instanceof UnknownThere || error instanceof Outage;
        if (!(strangers.chosen && isCounted)) this.#turnedAway(strangers.unproven());
      }
      throw error;
    }
  }
}

/** Creates the gate; closed at first when names are checked. */
export function createNameGate(options: NameGateOptions): NameGate {
  return new AskingGate(options);
}

/** The answer to an account whose password a server without a name rejected: an error of this account only. */
class UnknownThere extends GatewayError {
  constructor() {
    const detail =
      'The server has not told its queue name yet and does not know this account; its password is kept from it.';
    super('GW_CREDENTIAL_UNAVAILABLE', detail, { retryAfter: 5 });
    this.name = 'UnknownThere';
  }
}

function keptFrom(): GatewayError {
  const detail =
    'The server has not told its queue name yet and does not know several accounts; no other one goes there.';
  return new GatewayError('GW_UPSTREAM_DOWN', detail, { retryAfter: 5 });
}

/** An outage, so that no account waits longer than the rest. */
function restingError(left: number): Outage {
  const detail =
    'The server chosen for this queue has not told its queue name yet and does not know several accounts; for a while no ' +
    'other one goes there. Nothing was executed.';
  return new Outage(detail, Math.ceil(left / 1000));
}

/** The answer to a caller whose JWT vovserver rejected twice: never vovserver's own 401, which would blame his token. */
export function unusableJwt(): GatewayError {
  const detail = 'vovserver rejected two JWTs of this account one after the other.';
  return new GatewayError('GW_CREDENTIAL_UNAVAILABLE', detail, { retryAfter: 5 });
}
