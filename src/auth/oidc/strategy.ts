import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Configuration, TokenEndpointResponse } from 'openid-client';
import { type AuthenticateOptions, Strategy } from 'openid-client/passport';
import { type AuthenticateCallback, Passport } from 'passport';
import { signInFailed } from '../sign-in-failed.ts';
import { clean } from './reason.ts';

/** What one sign-in must find again at its callback. */
export interface Remembered {
  readonly codeVerifier: string;
  readonly nonce: string;
}

const SESSION_KEY = 'flow';

type Bag = Record<string, Record<string, unknown> | undefined>;
type StrategyRequest = Parameters<Strategy['currentUrl']>[0];

/**
 * openid-client's strategy for one leg of one sign-in. The strategy wants `req.session`; it gets an object that lives in
 * the flow of the sign-in and nothing else of the request, so that no forwarded header reaches it. Which leg it is, the
 * route decides, not the parameters of the request.
 */
class LegStrategy extends Strategy {
  readonly #leg: Leg;

  constructor(leg: Leg) {
    const { configuration, redirectUri, scopes, verify = async () => false } = leg;
    super(
      { config: configuration, name: 'oidc', sessionKey: SESSION_KEY, callbackURL: redirectUri, scope: scopes },
      (tokens, verified) => {
        verify(tokens).then((user) => verified(null, user as Express.User | false), verified);
      },
    );
    this.#leg = leg;
  }

  override authorizationRequestParams<T extends AuthenticateOptions>(request: StrategyRequest, options: T) {
    const params = new URLSearchParams(super.authorizationRequestParams(request, options));
    params.set('nonce', this.#leg.nonce);
    return params;
  }

  override currentUrl(): URL {
    return new URL(`${this.#leg.redirectUri}?${this.#leg.params?.toString() ?? ''}`);
  }

  override shouldInitiateAuthRequest(): boolean {
    return this.#leg.params === undefined;
  }
}

interface Leg {
  readonly configuration: Configuration;
  readonly redirectUri: string;
  readonly scopes: string;
  readonly nonce: string;
  /** Parameters of the answer; absent on the way out. */
  readonly params?: URLSearchParams;
  readonly verify?: (tokens: TokenEndpointResponse) => Promise<object>;
}

interface Outcome {
  readonly user: unknown;
  readonly info: unknown;
  readonly location: string | null;
}

/** Runs passport over one strategy with a response that only catches the redirect. */
function run(strategy: Strategy, session: Bag, options: AuthenticateOptions): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const done = (user: unknown, info: unknown, location: string | null): void => resolve({ user, info, location });
    const callback: AuthenticateCallback = (error, user, info) => {
      if (error !== null && error !== undefined) reject(error);
      else done(user, info, null);
    };
    let location: string | null = null;
    const response = {
      statusCode: 200,
      setHeader(name: string, value: string) {
        if (name.toLowerCase() === 'location') location = value;
      },
      end: () => done(null, null, location),
    };
    const request = { method: 'GET', session, headers: {} };
    const middleware = new Passport().authenticate(strategy as never, { session: false, ...options }, callback);
    middleware(request as unknown as IncomingMessage, response as unknown as ServerResponse, (error: unknown) =>
      reject(error ?? new Error('the strategy made no decision')),
    );
  });
}

/** The way out: where to send the browser, still without `state`, and what must be found again. */
export async function sendOut(leg: Omit<Leg, 'params' | 'verify'>, prompt: string | undefined) {
  const session: Bag = {};
  const { location } = await run(new LegStrategy(leg), session, prompt === undefined ? {} : { prompt });
  const codeVerifier = session[SESSION_KEY]?.code_verifier;
  if (location === null || typeof codeVerifier !== 'string') throw new Error('the strategy sent nobody away');
  return { location: new URL(location), remembered: { codeVerifier, nonce: leg.nonce } satisfies Remembered };
}

/** The way back: exchanges the code and gives what `verify` makes of the tokens. Throws openid-client's errors. */
export async function takeBack<T extends object>(
  leg: Omit<Leg, 'verify'> & {
    readonly params: URLSearchParams;
    readonly verify: (tokens: TokenEndpointResponse) => Promise<T>;
  },
  remembered: Remembered,
  state: string,
): Promise<T> {
  const session: Bag = {
    [SESSION_KEY]: { code_verifier: remembered.codeVerifier, nonce: remembered.nonce, state },
  };
  const { user, info } = await run(new LegStrategy(leg), session, {});
  if (typeof user === 'object' && user !== null) return user as T;
  throw signInFailed(`the provider refused: ${clean(messageIn(info))}`);
}

function messageIn(info: unknown): string {
  const message: unknown = typeof info === 'object' && info !== null ? Reflect.get(info, 'message') : info;
  return typeof message === 'string' ? message : 'no reason';
}
