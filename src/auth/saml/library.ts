import {
  type CacheProvider,
  type PassportSamlConfig,
  SAML,
  Strategy,
  ValidateInResponseTo,
  type VerifyWithoutRequest,
} from '@node-saml/passport-saml';
import type { Request, Response } from 'express';
import passport, { type Strategy as AnyStrategy } from 'passport';
import type { SamlConfig } from '../../config/index.ts';
import { SamlFault } from './fault.ts';
import type { OwnAddresses } from './sp-metadata.ts';

/** What node-saml is told of both sides. */
export interface Parties {
  readonly config: SamlConfig;
  readonly addresses: OwnAddresses;
  /** The gateway's key and certificate, PEM. */
  readonly own: { readonly key: string; readonly certificate: string };
  /** Entity id of the provider. */
  readonly issuer: string;
}

/** A request to the provider. */
export interface AuthnRequest {
  readonly id: string;
  readonly relayState: string;
  readonly destination: string;
}

/** A response that passed the guard, and what is needed to verify it. */
export interface LibraryCheck {
  readonly xml: string;
  /** Id of our request; null: nobody asked. */
  readonly requestId: string | null;
  /** PEM. */
  readonly certificates: readonly string[];
  /** Opens the assertion, PEM; null when it is in clear. */
  readonly decryptionKey: string | null;
}

/** Knows exactly one request: that of the flow, which the key-value store gave out once. */
const cacheOf = (requestId: string | null): CacheProvider => ({
  saveAsync: async (_key, value) => ({ value, createdAt: Date.now() }),
  getAsync: async (key) => (requestId !== null && key === requestId ? new Date().toISOString() : null),
  removeAsync: async (key) => key,
});

/**
 * Every option that decides about security is set here and nowhere else. The library compares times with the process's
 * clock and has one skew for all; `-1` leaves times to the checks behind it, which take the clock of the gateway.
 */
function optionsOf({ config, addresses, own, issuer }: Parties, requestId: string | null): PassportSamlConfig {
  return {
    issuer: addresses.entityId,
    audience: addresses.entityId,
    callbackUrl: addresses.acs,
    idpIssuer: issuer,
    // Replaced where a response is verified; for a request the library only wants to see one.
    idpCert: [own.certificate],
    privateKey: own.key,
    publicCert: own.certificate,
    signatureAlgorithm: 'sha256',
    digestAlgorithm: 'sha256',
    wantAuthnResponseSigned: true,
    wantAssertionsSigned: true,
    acceptedClockSkewMs: -1,
    validateInResponseTo: requestId === null ? ValidateInResponseTo.ifPresent : ValidateInResponseTo.always,
    cacheProvider: cacheOf(requestId),
    identifierFormat: config.nameIdFormat ?? null,
    disableRequestedAuthnContext: config.authnContext.length === 0,
    authnContext: config.authnContext,
    forceAuthn: config.forceAuthn,
  };
}

const requestOptions = (parties: Parties, request: AuthnRequest): PassportSamlConfig => ({
  ...optionsOf(parties, request.id),
  entryPoint: request.destination,
  generateUniqueId: () => request.id,
});

/** What passport made of a request: somebody, or where it would send the browser. */
type Outcome = { readonly user: unknown } | { readonly location: string };

/** Runs passport's middleware on a request and response of our own; sessions are off. */
function authenticate(strategy: Strategy, parts: { query?: object; body?: object }): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const request = { query: {}, body: {}, headers: {}, url: '/', ...parts };
    let location = '';
    const response = {
      statusCode: 200,
      setHeader(name: string, value: string) {
        if (name.toLowerCase() === 'location') location = value;
      },
      end: () => resolve({ location }),
    };
    const done = (error: unknown, user?: unknown): void => {
      if (error) reject(error);
      else if (user) resolve({ user });
      else reject(new SamlFault('node-saml: nobody'));
    };
    // The strategy's types are those of another Express; what passport calls of it is the same.
    const passable = strategy as unknown as AnyStrategy;
    const middleware = new passport.Authenticator().authenticate(passable, { session: false }, done);
    middleware(request as unknown as Request, response as unknown as Response, done);
  });
}

const onSignOn: VerifyWithoutRequest = (profile, done) => {
  const xml = profile?.getAssertionXml?.();
  if (xml === undefined) done(null);
  else done(null, { xml });
};

const onLogout: VerifyWithoutRequest = (_profile, done) =>
  done(new SamlFault('node-saml: a logout message at the wrong endpoint'));

const createStrategy = (options: PassportSamlConfig): Strategy => new Strategy(options, onSignOn, onLogout);

/** The URL that takes a signed request to the provider (redirect binding). */
export async function redirectRequest(parties: Parties, request: AuthnRequest): Promise<string> {
  const strategy = createStrategy(requestOptions(parties, request));
  const outcome = await authenticate(strategy, { query: { RelayState: request.relayState } });
  if (!('location' in outcome)) throw new Error('passport signed somebody in where it should send them away');
  return outcome.location;
}

/** The fields that take a signed request to the provider (POST binding). */
export async function postRequest(parties: Parties, request: AuthnRequest): Promise<Record<string, string>> {
  // Passport's way for POST writes a page of its own; the fields are what the portal's page needs.
  const saml = new SAML({
    ...requestOptions(parties, request),
    authnRequestBinding: 'HTTP-POST',
    skipRequestCompression: true,
  });
  const fields = await saml.getAuthorizeMessageAsync(request.relayState);
  return { SAMLRequest: String(fields.SAMLRequest), RelayState: request.relayState };
}

const hasXml = (user: unknown): user is { readonly xml: string } =>
  typeof user === 'object' && user !== null && 'xml' in user && typeof user.xml === 'string';

/** Has passport and node-saml verify a response; gives the assertion that they verified. Throws {@link SamlFault}. */
export async function verifiedAssertion(parties: Parties, check: LibraryCheck): Promise<string> {
  const strategy = createStrategy({
    ...optionsOf(parties, check.requestId),
    idpCert: [...check.certificates],
    ...(check.decryptionKey !== null && { decryptionPvk: check.decryptionKey }),
  });
  const body = { SAMLResponse: Buffer.from(check.xml, 'utf8').toString('base64') };
  let outcome: Outcome;
  try {
    outcome = await authenticate(strategy, { body });
  } catch (error) {
    throw error instanceof SamlFault ? error : new SamlFault('node-saml refused it', error);
  }
  if (!('user' in outcome) || !hasXml(outcome.user)) throw new SamlFault('node-saml: nobody');
  return outcome.user.xml;
}
