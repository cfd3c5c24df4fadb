import { randomBytes } from 'node:crypto';
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { decodeJwt, decodeProtectedHeader, importJWK, SignJWT } from 'jose';
import { type Context, Provider } from 'oidc-provider';
import { createMemoryAdapter } from 'oidc-provider/lib/adapters/memory_adapter.js';
import type { KeyRing } from './keys.ts';
import type { Logins } from './logins.ts';
import { confirmLogoutPage, errorPage, signedOutPage } from './pages.ts';
import { claimsOf, type Person } from './people.ts';
import type { AccessTokenOptions, Faults } from './ports.ts';
import { CLIENT_ID } from './registrations.ts';

const SCOPE = 'openid profile email groups offline_access';
const API_SCOPE = 'read submit control';

export interface OidcParts {
  readonly issuer: string;
  readonly people: readonly Person[];
  readonly keys: KeyRing;
  readonly logins: Logins;
  readonly faults: Faults;
  readonly accessTokenAudience: string | null;
  /** Callback, back-channel and post-logout URLs of the gateways of now. */
  readonly client: () => Readonly<Record<string, unknown>>;
  /** Called when oidc-provider's own logout has ended; gives where to go first, null: nowhere. */
  readonly afterLogout: (request: IncomingMessage, response: ServerResponse, onward: string) => string | null;
}

/** The OpenID Connect half. */
export interface Oidc {
  readonly handle: RequestListener;
  /** Takes over keys and client of now; sessions and tokens stay. */
  renew(): void;
  /** /interaction/<uid>: goes on when this browser has a login, else gives the path of the login page. */
  interact(request: IncomingMessage, response: ServerResponse, path: string): Promise<string | null>;
  /** Ends the OIDC session of this browser and tells its clients by back-channel; gives those that did not take it. */
  logout(request: IncomingMessage, response: ServerResponse): Promise<string[]>;
  opaqueToken(person: Person, options: Pick<AccessTokenOptions, 'audience' | 'scope'>): Promise<string>;
}

/** Signs the ID token anew with other claims, as a provider that goes wrong would. */
async function tamperIdToken(context: Context, parts: OidcParts): Promise<void> {
  const { body } = context;
  if (parts.faults.idToken === null || context.oidc?.route !== 'token') return;
  if (typeof body !== 'object' || body === null || !('id_token' in body)) return;
  const old = String(body.id_token);
  const key = await importJWK(parts.keys.signing.jwk, 'RS256');
  const signed = new SignJWT(parts.faults.idToken(decodeJwt(old)));
  const header = { ...decodeProtectedHeader(old), alg: 'RS256' };
  context.body = { ...body, id_token: await signed.setProtectedHeader(header).sign(key) };
}

/** After the logout that a gateway asked for, the SAML side is told too, before the browser goes back. */
function leadOn(context: Context, parts: OidcParts): void {
  if (context.oidc?.route !== 'end_session_confirm' || context.status !== 303) return;
  const first = parts.afterLogout(context.req, context.res, context.response.get('location'));
  if (first !== null) context.set('location', first);
}

const resourceServer = (audience: string) => ({
  scope: API_SCOPE,
  audience,
  accessTokenTTL: 300,
  accessTokenFormat: 'jwt',
  jwt: { sign: { alg: 'RS256' } },
});

function featuresOf(parts: OidcParts) {
  const audience = parts.accessTokenAudience;
  return {
    devInteractions: { enabled: false },
    backchannelLogout: { enabled: true },
    introspection: { enabled: true, allowedPolicy: () => true },
    revocation: { enabled: true },
    rpInitiatedLogout: {
      enabled: true,
      logoutSource: async (context: Context, form: string) => {
        context.body = confirmLogoutPage(form);
      },
      postLogoutSuccessSource: async (context: Context) => {
        context.body = signedOutPage([]);
      },
    },
    resourceIndicators: {
      enabled: audience !== null,
      defaultResource: () => audience ?? undefined,
      useGrantedResource: () => true,
      getResourceServerInfo: (_context: Context, resource: string) => resourceServer(resource),
    },
  };
}

/** Nobody is asked for consent: the only client is the company's own. */
async function grantAll(context: Context, audience: string | null) {
  const { provider, client, session } = context.oidc;
  const { accountId } = session;
  if (client === undefined || accountId === undefined) return undefined;
  const known = session.grantIdFor(client.clientId);
  const grant = known === undefined ? undefined : await provider.Grant.find(known);
  if (grant !== undefined) return grant;
  const made = new provider.Grant({ accountId, clientId: client.clientId });
  made.addOIDCScope(SCOPE);
  if (audience !== null) made.addResourceScope(audience, API_SCOPE);
  await made.save();
  return made;
}

function createProvider(parts: OidcParts, shared: { readonly adapter: unknown; readonly cookieKey: string }): Provider {
  const personOf = (subject: unknown): Person | undefined => parts.people.find((one) => one.subject === subject);
  const provider = new Provider(parts.issuer, {
    adapter: shared.adapter,
    clients: [parts.client()],
    // The key that signs comes first: oidc-provider takes the first that fits.
    jwks: {
      keys: [parts.keys.signing, ...parts.keys.published.filter((k) => k !== parts.keys.signing)].map((k) => k.jwk),
    },
    cookies: { keys: [shared.cookieKey] },
    scopes: SCOPE.split(' '),
    claims: {
      openid: ['sub'],
      profile: [
        'preferred_username',
        'name',
        'groups',
        ...parts.people.flatMap((one) => Object.keys(one.claims ?? {})),
      ],
      email: ['email', 'email_verified'],
      groups: ['groups'],
    },
    // The gateway reads claims from the ID token unless its configuration asks for userinfo.
    conformIdTokenClaims: false,
    pkce: { required: () => true },
    findAccount: (_context: Context, subject: string) => {
      const person = personOf(subject);
      return person && { accountId: subject, claims: () => ({ sub: subject, ...claimsOf(person) }) };
    },
    extraTokenClaims: (_context: Context, token: { readonly accountId?: string }) => {
      const person = personOf(token.accountId);
      return person && { ...claimsOf(person), username: person.name };
    },
    loadExistingGrant: (context: Context) => grantAll(context, parts.accessTokenAudience),
    features: featuresOf(parts),
    ttl: { AccessToken: 300, IdToken: 300, Session: 86_400, Grant: 86_400, Interaction: 3600, RefreshToken: 86_400 },
    renderError: (context: Context, out: Readonly<Record<string, unknown>>) => {
      context.type = 'html';
      context.body = errorPage('That did not work', `${out.error}: ${out.error_description}`);
    },
    // Back-channel logout goes to a gateway on loopback or in a private network, which the default dispatcher forbids.
    fetch: (url: string, options: RequestInit & { dispatcher?: unknown }) => {
      const { dispatcher: _forbids, ...rest } = options;
      return globalThis.fetch(url, rest);
    },
  });
  return provider.use(async (context, next) => {
    await next();
    await tamperIdToken(context, parts);
    leadOn(context, parts);
  });
}

/** Makes the OpenID Connect half on oidc-provider. */
export function createOidc(parts: OidcParts): Oidc {
  const shared = { adapter: createMemoryAdapter(), cookieKey: randomBytes(24).toString('base64url') };
  let provider = createProvider(parts, shared);
  let listener = provider.callback();
  return {
    handle: (request, response) => listener(request, response),
    renew() {
      provider = createProvider(parts, shared);
      listener = provider.callback();
    },
    async interact(request, response, path) {
      const { prompt } = await provider.interactionDetails(request, response);
      const login = parts.logins.of(request);
      const again = prompt.reasons.includes('login_prompt') || prompt.reasons.includes('max_age');
      if (login === null || (again && login.onward !== path)) return `/login?onward=${encodeURIComponent(path)}`;
      const result = { login: { accountId: login.person.subject } };
      await provider.interactionFinished(request, response, result, { mergeWithLastSubmission: false });
      return null;
    },
    async logout(request, response) {
      const session = await provider.Session.get(provider.createContext(request, response));
      const { accountId } = session;
      if (accountId === undefined) return [];
      const failed: string[] = [];
      for (const clientId of Object.keys(session.authorizations ?? {})) {
        const client = await provider.Client.find(clientId);
        if (client?.backchannelLogoutUri === undefined) continue;
        await client
          .backchannelLogout(accountId, session.sidFor(clientId))
          .catch(() => failed.push(client.backchannelLogoutUri ?? clientId));
      }
      await session.destroy();
      return failed;
    },
    async opaqueToken(person, options) {
      const grant = new provider.Grant({ accountId: person.subject, clientId: CLIENT_ID });
      const token = new provider.AccessToken({
        accountId: person.subject,
        client: await provider.Client.find(CLIENT_ID),
        grantId: await grant.save(),
        gty: 'authorization_code',
        scope: options.scope ?? API_SCOPE,
        aud: options.audience,
      });
      return token.save();
    },
  };
}
