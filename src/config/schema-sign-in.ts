import { z } from 'zod';
import { duration, name, path, secret } from './values.ts';

const attribute = () => z.string().min(1).max(256);

const httpsUrl = () => z.url({ protocol: /^https?$/, error: 'must be an http:// or https:// URL' });

/** How what a provider says becomes a subject, a user name and groups. `id` and `user` are the provider type's defaults. */
const mapping = (id: string, user: string) => ({
  realm: name()
    .optional()
    .describe(
      'Namespace of the subjects; without it the name of the provider. Two providers over one directory share a realm when their subject attributes hold the same values; then they know the same people.',
    ),
  subject: attribute()
    .default(id)
    .describe('Attribute that never changes for a person and is never given to another; must have exactly one value.'),
  user: z
    .strictObject({
      attribute: attribute().default(user).describe('Attribute that holds the user name; must have exactly one value.'),
      pattern: z
        .string()
        .default('(.+)')
        .describe('Regular expression for the whole value; without a match nobody is signed in.'),
      template: z.string().default('$1').describe('The user name; $1, $2, … stand for the groups of pattern.'),
    })
    .prefault({})
    .describe('The user name in the company’s terms, input of the account rules.'),
  groups: z
    .strictObject({
      attribute: attribute().optional().describe('Attribute that lists the groups; without it there are none.'),
      pattern: z
        .string()
        .default('(.+)')
        .describe(
          'Regular expression for the whole value, for example CN=([^,]+),.*; values without a match are dropped.',
        ),
      template: z.string().default('$1').describe('The group; $1, $2, … stand for the groups of pattern.'),
    })
    .prefault({})
    .describe('Groups; those of identity.groups are added by user name.'),
  allowGroups: z
    .array(z.string())
    .default([])
    .describe('Only members of one of these groups are let in; empty: everyone whom the provider vouches for.'),
});

const providerBase = {
  name: name().describe('Short name; part of the provider’s URLs at the gateway, so it should stay.'),
  label: z.string().min(1).max(64).optional().describe('Text of the button on the sign-in page; without it the name.'),
  caFile: path().optional().describe('CA bundle for calls to the provider, PEM; without it the system’s authorities.'),
  clockSkew: duration().default(60_000).describe('Tolerated difference between the clocks, at most 5m.'),
};

const samlProvider = z.strictObject({
  type: z.literal('saml'),
  ...providerBase,
  metadataUrl: httpsUrl().optional().describe('Metadata of the identity provider; this or metadataFile.'),
  metadataFile: path().optional().describe('Metadata of the identity provider as a file; re-read when it changes.'),
  metadataRefresh: duration()
    .default(3_600_000)
    .describe('metadataUrl is read this often, sooner when its validUntil or cacheDuration says so.'),
  metadataCertFile: path()
    .optional()
    .describe('Certificate whose signature the metadata must carry; needed for a metadataUrl with http://.'),
  idpEntityId: z
    .string()
    .optional()
    .describe('Entity id of the identity provider; needed when the metadata describes several.'),
  entityId: z
    .string()
    .optional()
    .describe('Entity id of the gateway; without it the URL of its metadata, <publicUrl>/saml/<name>/metadata.'),
  keyFile: path().describe('Key that signs requests and opens encrypted assertions, PEM.'),
  certFile: path().describe('Its certificate, PEM; self-signed is usual.'),
  previousKeyFile: path().optional().describe('Key before the last change: still opens assertions, never signs.'),
  previousCertFile: path().optional().describe('Its certificate; stays in the metadata.'),
  binding: z.enum(['redirect', 'post']).default('redirect').describe('How requests travel to the identity provider.'),
  nameIdFormat: z
    .string()
    .optional()
    .describe(
      'NameID format to ask for; without it the provider chooses, but a transient one is refused as a subject.',
    ),
  authnContext: z.array(z.string()).default([]).describe('Authentication context classes to ask for.'),
  forceAuthn: z.boolean().default(false).describe('Ask the provider to authenticate again each time.'),
  allowIdpInitiated: z
    .boolean()
    .default(false)
    .describe('Accept a response that nobody asked for. Off, since such a response can be planted in another browser.'),
  requireEncryption: z.boolean().default(false).describe('Refuse assertions that are not encrypted.'),
  ...mapping('NameID', 'NameID'),
});

const ALGORITHMS = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA'] as const;

const algorithms = () =>
  z
    .array(z.enum(ALGORITHMS))
    .min(1)
    .default(['RS256', 'PS256', 'ES256', 'EdDSA'])
    .describe('Signature algorithms that are accepted.');

const oidcProvider = z.strictObject({
  type: z.literal('oidc'),
  ...providerBase,
  issuer: httpsUrl().describe('Issuer, exactly as the provider writes it; its discovery document lies below it.'),
  clientId: z.string().min(1).describe('Client id at the provider.'),
  clientSecret: secret().optional().describe('Client secret; not with clientAuth none or private_key_jwt.'),
  clientAuth: z
    .enum(['client_secret_basic', 'client_secret_post', 'private_key_jwt', 'none'])
    .default('client_secret_basic')
    .describe(
      'How the gateway proves itself to the provider. client_secret_post suits secrets with special characters.',
    ),
  clientKeyFile: path().optional().describe('Private key for private_key_jwt, PEM (PKCS #8).'),
  scopes: z.array(z.string()).default(['openid', 'profile', 'email']).describe('Scopes to ask for.'),
  userinfo: z.boolean().default(false).describe('Also read claims from the userinfo endpoint.'),
  algorithms: algorithms(),
  prompt: z.enum(['login', 'consent', 'select_account']).optional().describe('Value of prompt to send.'),
  ...mapping('sub', 'preferred_username'),
});

/** An identity provider that people sign in at. */
export const providerSchema = z.discriminatedUnion('type', [samlProvider, oidcProvider]);

const bearerBase = {
  name: name().describe('Short name, for logs and rules.'),
  caFile: path().optional().describe('CA bundle for calls to the provider, PEM; without it the system’s authorities.'),
  scopes: z
    .array(z.enum(['read', 'submit', 'control']))
    .min(1)
    .default(['read', 'submit', 'control'])
    .describe('What such a token may do at most.'),
  scopeNames: z
    .record(z.string(), z.enum(['read', 'submit', 'control']))
    .optional()
    .describe('Words of the token’s scope claim that grant these; without it every token may do all of `scopes`.'),
};

/** A way to accept access tokens of the company's identity provider from programs. */
export const bearerSchema = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('jwt'),
    ...bearerBase,
    issuer: httpsUrl().describe('The iss that tokens must carry, exactly.'),
    audience: z.array(z.string().min(1)).min(1).describe('One of these must be in aud.'),
    jwksUrl: httpsUrl().optional().describe('Key set; without it found by the discovery document below the issuer.'),
    algorithms: algorithms(),
    tokenType: z
      .enum(['at+jwt', 'any'])
      .default('at+jwt')
      .describe('RFC 9068 wants typ at+jwt; any for providers that write JWT, when audience sets their tokens apart.'),
    clockSkew: duration().default(60_000).describe('Tolerated difference between the clocks, at most 5m.'),
    ...mapping('sub', 'preferred_username'),
  }),
  z.strictObject({
    type: z.literal('introspection'),
    ...bearerBase,
    url: httpsUrl().describe('Introspection endpoint (RFC 7662).'),
    issuer: z.string().optional().describe('The iss that an answer must carry when it has one.'),
    audience: z.array(z.string().min(1)).min(1).describe('One of these must be in aud.'),
    clientId: z.string().min(1).describe('Client id at the provider.'),
    clientSecret: secret().describe('Client secret.'),
    clientAuth: z
      .enum(['client_secret_basic', 'client_secret_post'])
      .default('client_secret_basic')
      .describe('How the gateway proves itself.'),
    cache: duration().default(30_000).describe('An answer is kept this long, at most until the token ends.'),
    ...mapping('sub', 'username'),
  }),
]);

export const signInSchema = z.strictObject({
  providers: z
    .array(providerSchema)
    .default([])
    .describe('Identity providers that people sign in at, several of both kinds.'),
  default: z.string().optional().describe('Provider that the sign-in page offers first; without it the first one.'),
  bearers: z
    .array(bearerSchema)
    .default([])
    .describe('Access tokens of the company’s identity provider that programs may use in place of the gateway’s.'),
  session: z
    .strictObject({
      idle: duration()
        .default(8 * 3_600_000)
        .describe('A session ends when it was not used for this long.'),
      life: duration()
        .default(24 * 3_600_000)
        .describe('A session ends after this, used or not.'),
    })
    .prefault({})
    .describe('Sessions of the browser.'),
  flowLife: duration()
    .default(10 * 60_000)
    .describe('Time to come back from the identity provider.'),
  device: z
    .strictObject({
      life: duration()
        .default(10 * 60_000)
        .describe('Time to approve a code.'),
      interval: duration().default(5000).describe('`vovgw login` asks this often.'),
      scopes: z
        .array(z.enum(['read', 'submit', 'control']))
        .min(1)
        .default(['read', 'submit', 'control'])
        .describe('What a token of `vovgw login` may do at most.'),
      tokenLife: duration()
        .default(7 * 86_400_000)
        .describe('Life of such a token, at most accessTokens.maxLife.'),
    })
    .prefault({})
    .describe('`vovgw login` on submit hosts (RFC 8628).'),
});

export const docsSchema = z.strictObject({
  explorer: z.boolean().default(true).describe('Serve the API explorer to signed-in people.'),
  vendorPages: z
    .boolean()
    .default(false)
    .describe(
      'Serve vovserver’s own documentation page (/html/vovrest.html) to signed-in people. Its scripts come from vovserver and run with the session of whoever opens it.',
    ),
});
