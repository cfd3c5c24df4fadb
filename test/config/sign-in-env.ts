type Variables = Readonly<Record<string, string>>;

/** What a key needs beside it: [pattern of its path, variables]. */
type Company = readonly (readonly [RegExp, Variables])[];

const PUBLIC: Variables = { VOVGW_SERVER_PUBLIC_URL: 'https://gw:8443' };

const variables = (prefix: string, values: Variables): Variables =>
  Object.fromEntries(Object.entries(values).map(([key, value]) => [`VOVGW_SIGN_IN_${prefix}_0_${key}`, value]));

const SAML = variables('PROVIDERS', {
  TYPE: 'saml',
  NAME: 'corp',
  KEY_FILE: '/saml-key.pem',
  CERT_FILE: '/saml-cert.pem',
});
const METADATA = variables('PROVIDERS', { METADATA_URL: 'https://idp' });
const OIDC = variables('PROVIDERS', { TYPE: 'oidc', NAME: 'corp', ISSUER: 'https://idp', CLIENT_ID: 'gw' });
const JWT = variables('BEARERS', { TYPE: 'jwt', NAME: 'w', ISSUER: 'https://idp', AUDIENCE: '[gw]' });
const OPAQUE = variables('BEARERS', {
  TYPE: 'introspection',
  NAME: 'w',
  URL: 'https://idp',
  AUDIENCE: '[gw]',
  CLIENT_ID: 'gw',
});

const OIDC_KEYS = 'issuer|client\\w+|scopes|userinfo|algorithms|prompt';
const OPAQUE_KEYS = 'url|client\\w+|cache';
const P0 = '^signIn\\.providers\\.0\\.';
const B0 = '^signIn\\.bearers\\.0\\.';

/** What the keys of sign-in need beside them. */
export const SIGN_IN_COMPANY: Company = [
  [/^signIn\.providers/, PUBLIC],
  [new RegExp(`${P0}(?!(${OIDC_KEYS})\\b)`), SAML],
  [new RegExp(`${P0}(?!(${OIDC_KEYS}|metadataFile)\\b)`), METADATA],
  [
    /previous(Key|Cert)File$/,
    variables('PROVIDERS', { PREVIOUS_KEY_FILE: '/saml-key', PREVIOUS_CERT_FILE: '/saml-cert' }),
  ],
  [new RegExp(`${P0}(${OIDC_KEYS})\\b`), OIDC],
  [
    new RegExp(`${P0}(issuer|clientId|scopes|userinfo|algorithms|prompt)\\b`),
    variables('PROVIDERS', { CLIENT_AUTH: 'none' }),
  ],
  [new RegExp(`${P0}clientKeyFile`), variables('PROVIDERS', { CLIENT_AUTH: 'private_key_jwt' })],
  [new RegExp(`${B0}(?!(${OPAQUE_KEYS})\\b)`), JWT],
  [new RegExp(`${B0}(${OPAQUE_KEYS})\\b`), OPAQUE],
  [new RegExp(`${B0}(?!clientSecret)(${OPAQUE_KEYS})\\b`), variables('BEARERS', { CLIENT_SECRET: 's' })],
  [/^signIn\.default$/, { ...PUBLIC, ...SAML, ...METADATA }],
  [/^signIn\.session\.life$/, { VOVGW_SIGN_IN_SESSION_IDLE: '1s' }],
  [/^identity\.rules\.0\.match\.provider$/, JWT],
  [/^identity\.roles\.\w+\.providers/, JWT],
  [/match\.attribute\.name$/, { VOVGW_IDENTITY_RULES_0_MATCH_ATTRIBUTE_VALUE: 'v' }],
  [/match\.attribute\.(value|pattern)$/, { VOVGW_IDENTITY_RULES_0_MATCH_ATTRIBUTE_NAME: 'n' }],
];

/** Values for keys of sign-in whose form or rules ask for something in particular. */
export const SIGN_IN_VALUES: Variables = {
  'identity.roles.operator.subjects': '[local:x]',
  'identity.roles.operator.subjects.0': 'local:x',
  'identity.roles.operator.providers': '[w]',
  'identity.roles.operator.providers.0': 'w',
  'identity.roles.admin.subjects': '[local:x]',
  'identity.roles.admin.subjects.0': 'local:x',
  'identity.roles.admin.providers': '[w]',
  'identity.roles.admin.providers.0': 'w',
  'signIn.providers': '[{type: oidc, name: e, issuer: "https://i", clientId: c, clientAuth: none}]',
  'signIn.providers.0.type': 'saml',
  'signIn.providers.0.metadataUrl': 'https://w',
  'signIn.providers.0.metadataCertFile': 'tls/cert/w',
  'signIn.providers.0.keyFile': 'saml-key/w',
  'signIn.providers.0.certFile': 'saml-cert/w',
  'signIn.providers.0.previousKeyFile': 'saml-key/w',
  'signIn.providers.0.previousCertFile': 'saml-cert/w',
  'signIn.providers.0.caFile': 'tls/ca/w',
  'signIn.providers.0.clientKeyFile': 'tls/key/w',
  'signIn.providers.0.issuer': 'https://w',
  'signIn.providers.0.scopes': '[openid]',
  'signIn.providers.0.scopes.0': 'openid',
  'signIn.providers.0.algorithms': '[ES512]',
  'signIn.providers.0.user.pattern': '(w+)',
  'signIn.providers.0.groups.pattern': '(w+)',
  'signIn.default': 'corp',
  'signIn.bearers': '[{type: jwt, name: e, issuer: "https://i", audience: [gw]}]',
  'signIn.bearers.0.type': 'jwt',
  'signIn.bearers.0.caFile': 'tls/ca/w',
  'signIn.bearers.0.issuer': 'https://w',
  'signIn.bearers.0.jwksUrl': 'https://w',
  'signIn.bearers.0.url': 'https://w',
  'signIn.bearers.0.scopes': '[read]',
  'signIn.bearers.0.scopeNames': '{w: read}',
  'signIn.bearers.0.algorithms': '[ES512]',
  'signIn.bearers.0.user.pattern': '(w+)',
  'signIn.bearers.0.groups.pattern': '(w+)',
  'signIn.device.scopes': '[read]',
  'identity.rules.0.match.subject': 'local:w',
  'identity.rules.0.match.attribute.pattern': '(w+)',
};
