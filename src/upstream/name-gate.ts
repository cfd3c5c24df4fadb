import { type Clock, GatewayError } from '../kernel/index.ts';
import type { UpstreamToken } from './ports.ts';
import { judgeName } from './queue-name.ts';
import type { SmallAnswer } from './small-call.ts';

/** Whoever asks a server for its name: the caller's own JWT, renewed once when vovserver rejects it. */
export interface Asker {
  readonly token: UpstreamToken;
  /** Throws GatewayError when there is no other JWT. */
  renew(): Promise<UpstreamToken>;
}

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
  /** Throws while the server is left alone because of `wrong`. */
  throwIfWrong(): void;
  /** Asks unless the gate is open; callers that come meanwhile wait for the same answer. Throws GatewayError. */
  admit(asker: Asker): Promise<void>;
}

export interface NameGateOptions {
  readonly name: string;
  /** False: every server is trusted. */
  readonly check: boolean;
  readonly clock: Clock;
  /** Asks the server with this JWT. */
  ask(token: UpstreamToken): Promise<SmallAnswer>;
  /** The gate opened or closed. */
  changed(): void;
  /** The server is another queue, or no vovserver. */
  refused(error: GatewayError): void;
}

/** Milliseconds between two questions to a server that gave another name. */
const RECHECK = 5000;

/** True when `ms` have gone by since `at`; also when the clock was set back, which must not prolong a wait. */
export function isDue(clock: Clock, at: number, ms: number): boolean {
  const gone = clock.now() - at;
  return gone < 0 || gone >= ms;
}

class AskingGate implements NameGate {
  readonly #options: NameGateOptions;
  readonly #known = new Set<string>();
  #wrong: { readonly error: GatewayError; readonly at: number } | null = null;
  #asking: Promise<void> | null = null;
  open: boolean;

  constructor(options: NameGateOptions) {
    this.#options = options;
    this.open = !options.check;
  }

  get wrong(): GatewayError | null {
    return this.#wrong?.error ?? null;
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
    while (!this.open) {
      this.throwIfWrong();
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

  throwIfWrong(): void {
    if (this.#wrong !== null && !isDue(this.#options.clock, this.#wrong.at, RECHECK)) throw this.#wrong.error;
  }

  async #askOnce(asker: Asker): Promise<void> {
    const { name, clock, ask, changed, refused } = this.#options;
    let token = asker.token;
    for (let tries = 0; tries < 2; tries += 1) {
      const answer = await ask(token);
      const verdict = judgeName(name, answer);
      if (verdict.kind === 'confirmed') {
        if (answer.kind === 'answer' && answer.pin !== null) this.#known.add(answer.pin);
        this.#wrong = null;
        this.open = true;
        return changed();
      }
      if (verdict.kind === 'refused') {
        if (verdict.hold) {
          this.#wrong = { error: verdict.error, at: clock.now() };
          refused(verdict.error);
        }
        throw verdict.error;
      }
      if (tries === 0) token = await asker.renew();
    }
    throw unusableJwt();
  }
}

/** Creates the gate; closed at first when names are checked. */
export function createNameGate(options: NameGateOptions): NameGate {
  return new AskingGate(options);
}

/** The answer to a caller whose JWT vovserver rejected twice: never vovserver's own 401, which would blame his token. */
export function unusableJwt(): GatewayError {
  const detail = 'vovserver rejected two JWTs of this account one after the other.';
  return new GatewayError('GW_CREDENTIAL_UNAVAILABLE', detail, { retryAfter: 5 });
}
