import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type Profile, SAML } from '@node-saml/node-saml';
import * as oidc from 'openid-client';
import { createSigningKey, type Idp, type SigningKey } from '../../standin/idp/index.ts';

/** What arrived at the relying party's endpoints. */
interface Seen {
  profile: Profile | null;
  /** RelayState of the last SAML response. */
  relayState: string | null;
  claims: Readonly<Record<string, unknown>> | null;
  tokens: { readonly access_token: string; readonly id_token?: string } | null;
  readonly logoutTokens: string[];
  readonly logoutRequests: Profile[];
  /** Signature or protocol errors. */
  readonly errors: string[];
}

/** A small application that signs people in by both protocols with other libraries than the identity provider's. */
export interface RelyingParty extends AsyncDisposable {
  readonly url: string;
  readonly entityId: string;
  readonly seen: Seen;
  /** Another key for SAML, as after a rollover. */
  changeKey(): Promise<void>;
  samlOptions: Partial<ConstructorParameters<typeof SAML>[0]>;
}

type Handler = (request: IncomingMessage, response: ServerResponse, url: URL, form: URLSearchParams) => Promise<void>;

const redirect = (response: ServerResponse, to: string | URL): void =>
  void response.writeHead(303, { location: String(to) }).end();

const certificateBody = (pem: string): string => pem.replace(/-----[^-]+-----|\s/g, '');

const metadataXml = (entityId: string, url: string, key: SigningKey): string => {
  const certificate = `<KeyInfo xmlns="http://www.w3.org/2000/09/xmldsig#"><X509Data><X509Certificate>${certificateBody(key.certPem)}</X509Certificate></X509Data></KeyInfo>`;
  return `<EntityDescriptor xmlns="urn:oasis:names:tc:SAML:2.0:metadata" entityID="${entityId}"><SPSSODescriptor AuthnRequestsSigned="true" WantAssertionsSigned="true" protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol"><KeyDescriptor use="signing">${certificate}</KeyDescriptor><KeyDescriptor use="encryption">${certificate}</KeyDescriptor><SingleLogoutService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect" Location="${url}/saml/saml/slo"/><AssertionConsumerService index="1" Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST" Location="${url}/saml/saml/acs"/></SPSSODescriptor></EntityDescriptor>`;
};

interface SamlSide {
  readonly saml: () => SAML;
  readonly metadata: () => string;
}

const samlHandlers = ({ saml, metadata }: SamlSide, seen: Seen): Readonly<Record<string, Handler>> => ({
  '/saml/saml/metadata': async (_request, response) => void response.end(metadata()),
  '/saml/saml/login': async (_request, response) =>
    redirect(response, await saml().getAuthorizeUrlAsync('the-relay', undefined, {})),
  '/saml/saml/post-login': async (_request, response) =>
    void response.end(await saml().getAuthorizeFormAsync('by-post')),
  '/saml/saml/acs': async (_request, response, _url, form) => {
    const { profile } = await saml().validatePostResponseAsync(Object.fromEntries(form));
    Object.assign(seen, { profile, relayState: form.get('RelayState') });
    response.end('signed in by SAML');
  },
  '/saml/saml/slo': async (_request, response, url) => {
    const query = Object.fromEntries(url.searchParams);
    const { profile } = await saml().validateRedirectAsync(query, url.search.slice(1));
    if (!url.searchParams.has('SAMLRequest') || profile === null) return void response.end('signed out by SAML');
    seen.logoutRequests.push(profile);
    redirect(response, await saml().getLogoutResponseUrlAsync(profile, query.RelayState ?? '', {}, true));
  },
  '/saml/saml/logout': async (_request, response) => {
    if (seen.profile === null) throw new Error('nobody is signed in');
    redirect(response, await saml().getLogoutUrlAsync(seen.profile, 'bye', {}));
  },
});

async function oidcHandlers(idp: Idp, url: string, seen: Seen): Promise<Readonly<Record<string, Handler>>> {
  const secret = oidc.ClientSecretBasic(idp.clientSecret);
  const insecure = { execute: [oidc.allowInsecureRequests] };
  const config = await oidc.discovery(new URL(idp.issuer), idp.clientId, idp.clientSecret, secret, insecure);
  const verifier = oidc.randomPKCECodeVerifier();
  const challenge = await oidc.calculatePKCECodeChallenge(verifier);
  const authorize = {
    redirect_uri: `${url}/oidc/oidc/callback`,
    scope: 'openid profile email',
    code_challenge: challenge,
    code_challenge_method: 'S256',
    state: 'the-state',
    nonce: 'the-nonce',
  };
  return {
    '/oidc/oidc/login': async (_request, response, { searchParams }) =>
      redirect(response, oidc.buildAuthorizationUrl(config, { ...authorize, ...Object.fromEntries(searchParams) })),
    '/oidc/oidc/callback': async (_request, response, at) => {
      const checks = { pkceCodeVerifier: verifier, expectedState: 'the-state', expectedNonce: 'the-nonce' };
      const tokens = await oidc.authorizationCodeGrant(config, at, checks);
      Object.assign(seen, { tokens, claims: tokens.claims() });
      response.end('signed in by OIDC');
    },
    '/oidc/oidc/logout': async (_request, response) => {
      const parameters = { id_token_hint: seen.tokens?.id_token ?? '', post_logout_redirect_uri: `${url}/signed-out` };
      redirect(response, oidc.buildEndSessionUrl(config, parameters));
    },
    '/oidc/oidc/backchannel-logout': async (_request, response, _at, form) => {
      seen.logoutTokens.push(form.get('logout_token') ?? '');
      response.end();
    },
  };
}

/** Starts a relying party and registers it at the identity provider. */
export async function createRelyingParty(idp: Idp): Promise<RelyingParty> {
  const seen: Seen = {
    profile: null,
    relayState: null,
    claims: null,
    tokens: null,
    logoutTokens: [],
    logoutRequests: [],
    errors: [],
  };
  let key = await createSigningKey('relying party');
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const entityId = `${url}/saml/saml/metadata`;
  idp.register(url);
  const party: RelyingParty = {
    url,
    entityId,
    seen,
    samlOptions: {},
    async changeKey() {
      key = await createSigningKey('relying party, later');
    },
    async [Symbol.asyncDispose]() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
  const saml = (): SAML =>
    new SAML({
      callbackUrl: `${url}/saml/saml/acs`,
      issuer: entityId,
      audience: entityId,
      entryPoint: `${idp.url}/saml/sso`,
      logoutUrl: `${idp.url}/saml/slo`,
      idpCert: idp.signingKey().certPem,
      privateKey: key.keyPem,
      publicCert: key.certPem,
      decryptionPvk: key.keyPem,
      signatureAlgorithm: 'sha256',
      digestAlgorithm: 'sha256',
      wantAuthnResponseSigned: true,
      wantAssertionsSigned: true,
      identifierFormat: null,
      ...party.samlOptions,
    });
  const handlers = {
    ...samlHandlers({ saml, metadata: () => metadataXml(entityId, url, key) }, seen),
    ...(await oidcHandlers(idp, url, seen)),
  };
  server.on('request', async (request: IncomingMessage, response: ServerResponse) => {
    const at = new URL(request.url ?? '/', url);
    let body = '';
    for await (const chunk of request) body += String(chunk);
    const handler: Handler | undefined = handlers[at.pathname as keyof typeof handlers];
    try {
      await handler?.(request, response, at, new URLSearchParams(body));
      if (handler === undefined) response.end(`page ${at.pathname}`);
    } catch (error) {
      seen.errors.push(String(error));
      response.writeHead(403).end(String(error));
    }
  });
  return party;
}
