import type { Person } from './people.ts';

/** What the identity provider does wrong on demand; change the fields of {@link Idp.faults} at any time. */
export interface Faults {
  /** Connections are cut. */
  down: boolean;
  /** Paths that match are answered with 503; for example /^\/jwks/. */
  refuse: RegExp | null;
  /** Other claims for the ID token, before it is signed anew with the same header. */
  idToken: ((claims: Record<string, unknown>) => Record<string, unknown>) | null;
  /** Other XML for the SAML response, before it is signed. */
  response: ((xml: string) => string) | null;
  /** Other XML for the SAML response, after it was signed. */
  signed: ((xml: string) => string) | null;
  /** No signature on the assertion or on the response. */
  unsigned: 'assertion' | 'response' | null;
}

export const NO_FAULTS: Readonly<Faults> = {
  down: false,
  refuse: null,
  idToken: null,
  response: null,
  signed: null,
  unsigned: null,
};

/** The steps of a key change: publish the next beside the current, sign with it, publish only it. */
export type RotationStep = 'announce' | 'switch' | 'retire';

/** A bearer token that {@link Idp.accessToken} makes. */
export interface AccessTokenOptions {
  readonly audience?: string | readonly string[];
  readonly scope?: string;
  /** Seconds from now; default 300. */
  readonly expiresIn?: number;
  /** Header typ; default at+jwt (RFC 9068). */
  readonly typ?: string;
  readonly claims?: Readonly<Record<string, unknown>>;
}

export interface IdpOptions {
  /** Address to listen on; default 127.0.0.1. */
  readonly host?: string;
  /** Default 0: a free one. */
  readonly port?: number;
  /** How browsers and gateways reach it; default http://<host>:<port>. */
  readonly url?: string;
  /** URLs of gateways as browsers see them; can be added later by {@link Idp.register}. */
  readonly gateways?: readonly string[];
  /** Names of the OIDC providers in the gateway's configuration; default `oidc`. */
  readonly oidcNames?: readonly string[];
  /** Names of the SAML providers in the gateway's configuration; default `saml`. */
  readonly samlNames?: readonly string[];
  /** How this process reaches a gateway, when that differs from its public URL. */
  readonly reach?: (publicUrl: string) => string;
  readonly people?: readonly Person[];
  /** Encrypt SAML assertions. */
  readonly encrypt?: boolean;
  /** Milliseconds that its clock is ahead in SAML messages and in tokens of {@link Idp.accessToken}; may be negative. */
  readonly clockOffset?: number;
  /** Access tokens of the code flow become JWTs (RFC 9068) for this audience, a URI; otherwise they are opaque. */
  readonly accessTokenAudience?: string;
  readonly faults?: Partial<Faults>;
}

/** A running identity provider. */
export interface Idp extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  readonly issuer: string;
  readonly samlMetadataUrl: string;
  /** Certificate of the signature on the SAML metadata, PEM; a gateway needs it when the URL is http. */
  readonly metadataCertPem: string;
  /** Entity id in SAML. */
  readonly entityId: string;
  readonly clientId: string;
  readonly clientSecret: string;
  readonly people: readonly Person[];
  readonly faults: Faults;
  /** May be changed while it runs; the meanings of {@link IdpOptions}. */
  readonly knobs: { clockOffset: number; encrypt: boolean };
  /** Lets another gateway use it, or one whose URL was not known at the start. */
  register(publicUrl: string): void;
  /** One step of a change of the OIDC signing key and the SAML certificate. */
  rotateKeys(step: RotationStep): Promise<void>;
  /** A signed access token of a person, as the code flow with `accessTokenAudience` gives it. */
  accessToken(person: string, options?: AccessTokenOptions): Promise<string>;
  /** An access token of a person that only introspection (/token/introspection) understands. */
  opaqueToken(person: string, options?: Pick<AccessTokenOptions, 'audience' | 'scope'>): Promise<string>;
  /** The current signing key and certificate, PEM, for forgers. */
  signingKey(): { readonly keyPem: string; readonly certPem: string; readonly kid: string };
}
