import type { Config } from '../config/index.ts';
import { GatewayError, Secret } from '../kernel/index.ts';
import { invalidToken } from './credential.ts';
import type { AccessTokens, Caller } from './ports.ts';
import { looksLikeToken, tokenIdOf, tokenText } from './token-text.ts';

/** The form of the vendor's token endpoint, read but not yet believed. */
export interface LoginForm {
  readonly username: string;
  readonly password: Secret;
  /** Id of the access token in `password`, for counting attempts. */
  readonly tokenId: string | null;
}

/** What a sign-in gave. */
export interface Granted {
  readonly caller: Caller;
  readonly json: { readonly token_type: 'Bearer'; readonly access_token: string };
  readonly headers: Readonly<Record<string, string>>;
}

/**
 * Exchanges a caller's own vovserver user name and password once; gives when that sign-in ends (milliseconds since the
 * epoch), or null when vovserver refused or the queue does not take passwords.
 */
export type Passthrough = (queue: string, username: string, password: Secret) => Promise<number | null>;

/** The vendor's token endpoint, `POST /api/v3/token`. */
export interface TokenEndpoint {
  /** Reads the form. Throws GW_UNSUPPORTED_MEDIA_TYPE or GW_BAD_BODY with what to send instead. */
  parse(contentType: string | undefined, body: Buffer): LoginForm;
  /** Throws GW_UNAUTHENTICATED, with the same text for every reason. */
  exchange(form: LoginForm, queue: string): Promise<Granted>;
}

const FORM_TYPE = 'application/x-www-form-urlencoded';
/** A well-formed token of nobody: looking it up takes as long as looking up a wrong one. */
const NOBODY = tokenText({ id: '0'.repeat(12), secret: '0'.repeat(32) });

function field(form: URLSearchParams, name: string): string {
  const [value, ...more] = form.getAll(name);
  if (value === undefined || value === '') {
    throw new GatewayError('GW_BAD_BODY', `The form field ${name} is missing; send username and password.`);
  }
  if (more.length > 0) throw new GatewayError('GW_BAD_BODY', `The form field ${name} stands there more than once.`);
  return value;
}

/** Creates the {@link TokenEndpoint}. */
export function createTokenEndpoint(options: {
  readonly tokens: AccessTokens;
  readonly config: () => Pick<Config, 'accessTokens'>;
  readonly passthrough: Passthrough;
  readonly now: () => number;
}): TokenEndpoint {
  const { tokens, config, passthrough, now } = options;

  const withToken = async (form: LoginForm): Promise<Granted> => {
    const caller = await tokens.authenticate(form.tokenId === null ? NOBODY : form.password.reveal());
    if (caller.identity.user !== form.username) throw invalidToken();
    const { token } = await tokens.derive(caller, form.username, config().accessTokens.derivedLife);
    return { caller, json: { token_type: 'Bearer', access_token: token.reveal() }, headers: {} };
  };

  const withPassword = async (form: LoginForm, queue: string): Promise<Granted> => {
    const endsAt = await passthrough(queue, form.username, form.password);
    if (endsAt === null) {
      await tokens.authenticate(NOBODY);
      throw invalidToken();
    }
    const life = Math.min(config().accessTokens.derivedLife, endsAt - now());
    const { token } = await tokens.derive(null, form.username, life);
    const caller = await tokens.authenticate(token.reveal());
    // RFC 9745: passwords in scripts are what the gateway is there to end.
    const headers = { Deprecation: '@1764547200' };
    return { caller, json: { token_type: 'Bearer', access_token: token.reveal() }, headers };
  };

  return {
    parse(contentType, body) {
      const type = contentType?.split(';', 1)[0]?.trim().toLowerCase();
      if (type !== FORM_TYPE) {
        throw new GatewayError('GW_UNSUPPORTED_MEDIA_TYPE', `Send a form: Content-Type: ${FORM_TYPE}.`);
      }
      const form = new URLSearchParams(body.toString('utf8'));
      const password = field(form, 'password');
      return { username: field(form, 'username'), password: new Secret(password), tokenId: tokenIdOf(password) };
    },
    exchange: (form, queue) => (looksLikeToken(form.password.reveal()) ? withToken(form) : withPassword(form, queue)),
  };
}
