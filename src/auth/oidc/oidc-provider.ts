import { buildEndSessionUrl, fetchUserInfo, randomNonce, randomState, type TokenEndpointResponse } from 'openid-client';
import type { OidcConfig } from '../../config/index.ts';
import { type Clock, GatewayError, type WebAnswer, type WebRequest } from '../../kernel/index.ts';
import type { Report } from '../../observe/index.ts';
import type { Flow, Flows, Provider, ProviderSession, SignedIn, UsedOnce } from '../sign-in.ts';
import { signInFailed } from '../sign-in-failed.ts';
import { callbackParameters } from './callback-parameters.ts';
import { attributesOf } from './claims.ts';
import { configurationOf } from './configuration.ts';
import { createDiscovery } from './discovery.ts';
import { checkIdToken, type IdTokenClaims } from './id-token.ts';
import { createKeySet } from './key-set.ts';
import { checkLogoutToken, type LogoutToken, sessionKey } from './logout-token.ts';
import { createProviderCalls } from './provider-calls.ts';
import { reasonOf } from './reason.ts';
import { type Remembered, sendOut, takeBack } from './strategy.ts';
import { providerUnavailable, unreachableIn } from './unreachable.ts';

/** What an OIDC provider needs. */
export interface OidcProviderOptions {
  readonly config: OidcConfig;
  /** URL of the gateway as browsers see it, without a slash at the end. */
  readonly publicUrl: string;
  readonly flows: Flows;
  readonly usedOnce: UsedOnce;
  readonly clock: Clock;
  readonly report: Pick<Report, 'log' | 'providerReady'>;
  /** Milliseconds for one call to the provider. */
  readonly timeoutMs?: number;
}

const NO_STORE = { 'Cache-Control': 'no-store' };
/** A longer ID token makes a logout URL that servers refuse; logout then goes by the client id alone. */
const MAX_HINT = 4096;

/**
 * Creates an OIDC provider (authorization code flow with PKCE); see {@link Provider}. Discovery is read in the background
 * at once and again at use. Throws TlsFileError when the CA bundle cannot be used.
 */
export function createOidcProvider(options: OidcProviderOptions): Provider {
  const { config, flows, clock, report } = options;
  const { name } = config;
  const publicUrl = options.publicUrl.replace(/\/$/, '');
  const calls = createProviderCalls({ caFile: config.caFile, clock, report, timeoutMs: options.timeoutMs });
  const discovery = createDiscovery({
    issuer: config.issuer,
    calls,
    clock,
    onState: (ready, fault) => noteState(options, ready || discovery.held, fault),
  });
  const keys = createKeySet({ url: async () => (await discovery.get()).jwks_uri, calls, clock });
  const configuration = async () => configurationOf(config, await discovery.get(), calls, clock);
  const legOf = { redirectUri: `${publicUrl}/oidc/${name}/callback`, scopes: config.scopes.join(' ') };
  const guarded = <T>(work: () => Promise<T>): Promise<T> => guard(name, work);
  discovery.get().catch(() => undefined);

  const verify = async (tokens: TokenEndpointResponse, nonce: string): Promise<Vouched> => {
    const idToken = tokens.id_token ?? '';
    const claims = await checkIdToken(idToken, nonce, config, keys, clock);
    if (!config.userinfo) return { idToken, claims };
    const more = await fetchUserInfo(await configuration(), tokens.access_token, claims.sub);
    return { idToken, claims: { ...more, ...claims } };
  };

  return {
    name,
    label: config.label ?? name,
    type: 'oidc',
    begin: (request, returnTo) =>
      guarded(async () => {
        const leg = { ...legOf, configuration: await configuration(), nonce: randomNonce() };
        const { location, remembered } = await sendOut(leg, config.prompt);
        const flow = await flows.start(request, { provider: name, returnTo, facts: { ...remembered } });
        location.searchParams.set('state', flow.state);
        return { kind: 'redirect', location: location.href, flow };
      }),
    finish: (request) =>
      guarded(async () => {
        const { params, state } = callbackParameters(request);
        // Before the flow is taken, so that a reload of the page helps once the provider is back.
        const conf = await configuration();
        const flow = await flows.take(request, state, name);
        if (flow === null) throw signInFailed('no sign-in of this browser waits for this answer');
        const remembered = rememberedIn(flow);
        const leg = { ...legOf, configuration: conf, nonce: remembered.nonce, params };
        const check = (tokens: TokenEndpointResponse) => verify(tokens, remembered.nonce);
        const vouched = await takeBack({ ...leg, verify: check }, remembered, state);
        return signedIn(config, vouched, flow);
      }),
    async logout(session) {
      const metadata = await discovery.get().catch(() => null);
      if (metadata?.end_session_endpoint === undefined) return null;
      const { hint } = session.providerSession;
      const url = buildEndSessionUrl(await configuration(), {
        ...(hint === '' ? {} : { id_token_hint: hint }),
        post_logout_redirect_uri: `${publicUrl}/signed-out`,
        state: randomState(),
      });
      return { kind: 'redirect', location: url.href };
    },
    takeLogout: createTakeLogout(options, (request) => checkLogoutToken(request, config, keys, clock)),
    metadata: () => null,
    state: () => ({
      ready: discovery.held,
      reason: discovery.held ? null : (discovery.fault ?? 'the discovery document was not read yet'),
    }),
    [Symbol.asyncDispose]: () => calls[Symbol.asyncDispose](),
  };
}

interface Vouched {
  readonly idToken: string;
  readonly claims: IdTokenClaims;
}

function noteState({ config, report }: OidcProviderOptions, ready: boolean, fault: string | null): void {
  report.providerReady(config.name, ready);
  if (fault === null) return;
  const fields = { event: 'provider', provider: config.name, reason: fault };
  report.log.warn(fields, 'the discovery document of an identity provider could not be read');
}

/** Every failure becomes the one public refusal, an absent provider, or stays what it was when it is the gateway's own. */
async function guard<T>(name: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof GatewayError) throw error;
    const unreachable = unreachableIn(error);
    throw unreachable === null ? signInFailed(reasonOf(error), error) : providerUnavailable(name, unreachable);
  }
}

function rememberedIn(flow: Flow): Remembered {
  const { codeVerifier, nonce } = flow.facts;
  if (codeVerifier === undefined || nonce === undefined)
    throw signInFailed('the sign-in was begun by another protocol');
  return { codeVerifier, nonce };
}

function signedIn(config: OidcConfig, { idToken, claims }: Vouched, { returnTo, session }: Flow): SignedIn {
  const { sub, sid } = claims;
  const keys = [sessionKey.sub(sub), ...(typeof sid === 'string' && sid !== '' ? [sessionKey.sid(sid)] : [])];
  const providerSession: ProviderSession = { keys, hint: idToken.length > MAX_HINT ? '' : idToken };
  const assertion = { provider: config.name, issuer: config.issuer, attributes: attributesOf(claims) };
  return { assertion, providerSession, returnTo, until: null, ...(session === undefined ? {} : { before: session }) };
}

type Check = (request: WebRequest) => Promise<LogoutToken>;

const refusal: WebAnswer = { kind: 'json', status: 400, headers: NO_STORE, body: { error: 'invalid_request' } };

function createTakeLogout({ config, usedOnce, report }: OidcProviderOptions, check: Check): Provider['takeLogout'] {
  const { name } = config;
  const refuse = (reason: string, request: WebRequest) => {
    const fields = {
      event: 'provider_logout',
      provider: name,
      address: request.address,
      request_id: request.requestId,
    };
    report.log.warn({ ...fields, reason }, 'logout by the identity provider refused');
    return { ended: [], answer: refusal };
  };
  return async (request, endSessions) => {
    let token: LogoutToken;
    try {
      token = await check(request);
    } catch (error) {
      const unreachable = unreachableIn(error);
      if (unreachable !== null) throw providerUnavailable(name, unreachable);
      return refuse(reasonOf(error), request);
    }
    const { jti, keys, lifeMs } = token;
    const done = await usedOnce.complete(`oidc-logout:${name}`, jti, lifeMs, () => endSessions(keys));
    if (!done) return refuse('this logout token was used before', request);
    return { ended: keys, answer: { kind: 'empty', status: 200, headers: NO_STORE } };
  };
}
