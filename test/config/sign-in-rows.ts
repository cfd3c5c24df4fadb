type Tree = Record<string, unknown>;

/** One row: a check by its name, what to change, and the paths where it must speak. */
export interface Row {
  readonly check: string;
  readonly patch: Tree;
  readonly paths: readonly string[];
  readonly says?: RegExp;
  readonly warns?: true;
}

const SAML = {
  type: 'saml',
  name: 'corp',
  metadataUrl: 'https://idp.example/metadata',
  keyFile: '/saml-key.pem',
  certFile: '/saml-cert.pem',
};
const OIDC = { type: 'oidc', name: 'entra', issuer: 'https://idp.example', clientId: 'gw', clientSecret: 'hunter2' };
const JWT = { type: 'jwt', name: 'programs', issuer: 'https://idp.example', audience: ['gw'] };
const OPAQUE = {
  type: 'introspection',
  name: 'opaque',
  url: 'https://idp.example/introspect',
  audience: ['gw'],
  clientId: 'gw',
  clientSecret: 'hunter2',
};

const people = (...providers: Tree[]) => ({ server: { publicUrl: 'https://gw.example:8443' }, signIn: { providers } });
const saml = (patch: Tree = {}) => people({ ...SAML, ...patch });
const oidc = (patch: Tree = {}) => people({ ...OIDC, ...patch });
const programs = (...bearers: Tree[]) => ({ signIn: { bearers } });
const at = (publicUrl: string | undefined, more: Tree = {}) => ({ ...saml(), server: { publicUrl, ...more } });
const rules = (...entries: unknown[]) => ({ identity: { rules: entries } });
const rule = (match: Tree, more: Tree = { account: 'a' }) => rules({ match, ...more });

const P0 = 'signIn.providers[0]';
const R0 = 'identity.rules[0]';
const IN_CLEAR = 'plain HTTP';

const NAMES: readonly Row[] = [
  {
    check: 'each way of signing in has its own name',
    patch: { ...people(SAML, { ...OIDC, name: 'corp' }) },
    paths: ['signIn.providers[1].name'],
    says: /signIn\.providers\[0\]\.name/,
  },
  {
    check: 'each way of signing in has its own name',
    patch: { server: { publicUrl: 'https://gw' }, signIn: { providers: [SAML], bearers: [{ ...JWT, name: 'corp' }] } },
    paths: ['signIn.bearers[0].name'],
  },
  { check: 'no provider speaks for the administrator', patch: saml({ name: 'local' }), paths: [`${P0}.name`] },
  { check: 'no provider speaks for the administrator', patch: saml({ realm: 'local' }), paths: [`${P0}.realm`] },
  {
    check: 'no provider speaks for the administrator',
    patch: programs({ ...OPAQUE, realm: 'local' }),
    paths: ['signIn.bearers[0].realm'],
  },
  {
    check: 'the default provider exists',
    patch: { ...saml(), signIn: { providers: [SAML], default: 'copr' } },
    paths: ['signIn.default'],
    says: /provider copr/,
  },
];

const URLS: readonly Row[] = [
  { check: 'sign-in has a public URL', patch: at(undefined), paths: ['server.publicUrl'], says: /missing/ },
  { check: 'the public URL is an address, and safe', patch: at('https://gw/sso'), paths: ['server.publicUrl'] },
  { check: 'the public URL is an address, and safe', patch: at('https://gw/?a'), paths: ['server.publicUrl'] },
  { check: 'the public URL is an address, and safe', patch: at('https://u:hunter2@gw'), paths: ['server.publicUrl'] },
  {
    check: 'the public URL is an address, and safe',
    patch: { ...oidc(), server: { publicUrl: 'http://gw.example' } },
    paths: ['server.publicUrl'],
    says: /in clear/,
  },
  {
    check: 'SAML answers arrive with their cookie',
    patch: at('http://gw.example', { allowInsecure: true }),
    paths: ['server.publicUrl'],
    warns: true,
  },
  {
    check: 'providers are asked over TLS',
    patch: oidc({ issuer: 'http://idp.example' }),
    paths: [`${P0}.issuer`],
    says: new RegExp(IN_CLEAR),
  },
  {
    check: 'providers are asked over TLS',
    patch: programs(
      { ...JWT, issuer: 'http://a.example', jwksUrl: 'http://b.example' },
      { ...OPAQUE, url: 'http://c.example' },
    ),
    paths: ['signIn.bearers[0].issuer', 'signIn.bearers[0].jwksUrl', 'signIn.bearers[1].url'],
  },
];

const PROVIDERS: readonly Row[] = [
  {
    check: 'SAML metadata comes from one place',
    patch: saml({ metadataUrl: undefined }),
    paths: [`${P0}.metadataUrl`],
  },
  {
    check: 'SAML metadata comes from one place',
    patch: saml({ metadataFile: '/idp.xml' }),
    paths: [`${P0}.metadataFile`],
  },
  {
    check: 'SAML metadata over plain HTTP is signed',
    patch: saml({ metadataUrl: 'http://idp.example/m' }),
    paths: [`${P0}.metadataUrl`],
    says: /other keys/,
  },
  {
    check: 'a previous SAML key has its certificate',
    patch: saml({ previousKeyFile: '/saml-old-key.pem' }),
    paths: [`${P0}.previousCertFile`],
  },
  {
    check: 'a previous SAML key has its certificate',
    patch: saml({ previousCertFile: '/saml-old-cert.pem' }),
    paths: [`${P0}.previousKeyFile`],
  },
  { check: 'clocks differ by minutes at most', patch: saml({ clockSkew: '301s' }), paths: [`${P0}.clockSkew`] },
  {
    check: 'clocks differ by minutes at most',
    patch: programs({ ...JWT, clockSkew: '1h' }),
    paths: ['signIn.bearers[0].clockSkew'],
  },
  {
    check: 'an OIDC provider is named by its issuer',
    patch: oidc({ issuer: 'https://idp.example/tenant/.well-known/openid-configuration' }),
    paths: [`${P0}.issuer`],
    says: /discovery document/,
  },
  {
    check: 'an OIDC client proves itself in one way',
    patch: oidc({ clientSecret: undefined }),
    paths: [`${P0}.clientSecret`],
    says: /missing/,
  },
  {
    check: 'an OIDC client proves itself in one way',
    patch: oidc({ clientAuth: 'none' }),
    paths: [`${P0}.clientSecret`],
    says: /never used/,
  },
  {
    check: 'an OIDC client proves itself in one way',
    patch: oidc({ clientAuth: 'private_key_jwt' }),
    paths: [`${P0}.clientSecret`, `${P0}.clientKeyFile`],
  },
  {
    check: 'an OIDC client proves itself in one way',
    patch: oidc({ clientKeyFile: '/client-key.pem' }),
    paths: [`${P0}.clientKeyFile`],
    says: /never used/,
  },
  {
    check: 'ID tokens are no bearer tokens',
    patch: {
      ...people(SAML, OIDC),
      signIn: { providers: [SAML, OIDC], bearers: [{ ...JWT, audience: ['api', 'gw'], tokenType: 'any' }] },
    },
    paths: ['signIn.bearers[0].audience[1]'],
    says: /client id of the provider entra/,
  },
  { check: 'OIDC asks for openid', patch: oidc({ scopes: ['profile'] }), paths: [`${P0}.scopes`] },
  {
    check: 'scope names grant what such a token may',
    patch: programs({ ...JWT, scopes: ['read'], scopeNames: { 'jobs.read': 'read', 'jobs.run': 'submit' } }),
    paths: ['signIn.bearers[0].scopeNames.jobs.run'],
    says: /submit/,
  },
];

const MAPPINGS: readonly Row[] = [
  {
    check: 'mapping patterns compile and cannot stall',
    patch: saml({ user: { pattern: '(' }, groups: { pattern: '(a|b)+' } }),
    paths: [`${P0}.user.pattern`, `${P0}.groups.pattern`],
  },
  {
    check: 'mapping patterns compile and cannot stall',
    patch: programs({ ...JWT, user: { pattern: '(.*).*.*.*' }, groups: { pattern: '(.*),.*,.*' } }),
    paths: ['signIn.bearers[0].user.pattern', 'signIn.bearers[0].groups.pattern'],
    says: /too often in a row/,
  },
  {
    check: 'mapping templates have their groups',
    patch: saml({ user: { pattern: '.+' }, groups: { pattern: '(.+)-(.+)', template: '$2$3' } }),
    paths: [`${P0}.user.template`, `${P0}.groups.template`],
  },
  {
    check: 'whoever is let in can exist',
    patch: { ...saml({ allowGroups: ['cad', 'eda'] }), identity: { groups: { eda: ['alice'] } } },
    paths: [`${P0}.allowGroups[0]`],
    warns: true,
  },
];

const LIVES: readonly Row[] = [
  {
    check: 'a session idles no longer than it lives',
    patch: { signIn: { session: { idle: '2d' } } },
    paths: ['signIn.session.idle'],
  },
  {
    check: 'tokens of vovgw login live within the maximum',
    patch: { signIn: { device: { tokenLife: '91d' } } },
    paths: ['signIn.device.tokenLife'],
  },
  { check: 'durations are possible', patch: { signIn: { flowLife: '0s' } }, paths: ['signIn.flowLife'] },
];

const WITHOUT_PEOPLE: readonly Row[] = [
  {
    check: 'who enrols a password can sign in',
    patch: { credentials: [{ type: 'file', dir: '/p' }, { type: 'enrolled' }] },
    paths: ['credentials[1]'],
    warns: true,
  },
  {
    check: 'who reads the vendor’s pages can sign in',
    patch: { docs: { vendorPages: true } },
    paths: ['docs.vendorPages'],
    warns: true,
  },
];

const RULES: readonly Row[] = [
  {
    check: 'rules name known providers',
    patch: { ...saml(), ...rule({ provider: 'crop' }) },
    paths: [`${R0}.match.provider`],
    says: /provider crop/,
  },
  {
    check: 'rules name subjects of a known realm',
    patch: {
      ...saml(),
      ...rules({ match: { subject: 'other:x' }, deny: true }, { match: { subject: 'x' }, deny: true }),
    },
    paths: [`${R0}.match.subject`, 'identity.rules[1].match.subject'],
    says: /local:, corp:/,
  },
  {
    check: 'an attribute is compared in one way',
    patch: rule({ attribute: { name: 'site', value: 'a', pattern: 'b' } }),
    paths: [`${R0}.match.attribute.pattern`],
  },
  {
    check: 'an attribute is compared in one way',
    patch: rule({ attribute: { name: 'site' } }),
    paths: [`${R0}.match.attribute.value`],
  },
  {
    check: 'attribute patterns compile and cannot stall',
    patch: rule({ attribute: { name: 'site', pattern: '(a+)+' } }),
    paths: [`${R0}.match.attribute.pattern`],
    says: /itself repeats/,
  },
  {
    check: 'tables give names of accounts',
    patch: rule({ userPattern: '.*' }, { table: { alice: 'a b', bob: '$1', carl: 'carl' } }),
    paths: [`${R0}.table.alice`, `${R0}.table.bob`],
  },
  {
    check: 'tables give names of accounts',
    patch: {
      ...rules({ match: { userPattern: '.*' }, table: { alice: 'svc' } }, { match: { user: 'x' }, shared: 'svc' }),
      credentials: [{ type: 'shared', account: 'svc', passwordFile: '/p' }],
    },
    paths: [`${R0}.table.alice`],
    says: /shared account/,
  },
  {
    check: 'tables give each account once',
    patch: rule({ userPattern: '.*' }, { table: { alice: 'a', bob: 'a' } }),
    paths: [`${R0}.table.bob`],
    warns: true,
  },
  {
    check: 'names of users can exist',
    patch: {
      identity: {
        roles: { admin: { users: ['root', 'Jörg'] } },
        rules: [{ match: { userPattern: '.*' }, table: { 'a b': 'ab' } }],
      },
    },
    paths: ['identity.roles.admin.users[1]', `${R0}.table.a b`],
    warns: true,
  },
  {
    check: 'roles name known providers and subjects',
    patch: {
      ...saml(),
      identity: { roles: { admin: { subjects: ['local:root', 'elsewhere:1', 'root'], providers: ['nowhere'] } } },
    },
    paths: [
      'identity.roles.admin.subjects[1]',
      'identity.roles.admin.subjects[2]',
      'identity.roles.admin.providers[0]',
    ],
  },
  {
    check: 'roles by name belong to one realm',
    patch: {
      ...people(SAML, { ...SAML, name: 'partner' }),
      identity: { roles: { admin: { users: ['root'] }, operator: { users: ['root'], providers: ['corp'] } } },
    },
    paths: ['identity.roles.admin'],
    warns: true,
  },
  {
    check: 'attribute patterns together cannot stall',
    patch: rules(
      ...Array.from({ length: 3 }, (_, at) => ({
        match: { attribute: { name: 'g', pattern: `.*,.*q${at}` } },
        account: 'svc',
      })),
    ),
    paths: ['identity.rules[2].match.attribute.pattern'],
    says: /all rules together/,
  },
  {
    check: 'roles name known groups',
    patch: { identity: { roles: { operator: { groups: ['ops', 'eda'] } }, groups: { eda: ['alice'] } } },
    paths: ['identity.roles.operator.groups[0]'],
    warns: true,
  },
];

export const SIGN_IN_ROWS: readonly Row[] = [
  ...NAMES,
  ...URLS,
  ...PROVIDERS,
  ...MAPPINGS,
  ...LIVES,
  ...WITHOUT_PEOPLE,
  ...RULES,
];

const withGroups = { groups: { attribute: 'memberOf', pattern: 'CN=([^,]+),.*' } };

/** What must pass without a fault and without a warning, because it is only near a rule. */
export const SIGN_IN_QUIET: readonly Tree[] = [
  saml(),
  oidc(),
  people(SAML, OIDC, { ...OIDC, name: 'twin', realm: 'entra' }),
  programs(JWT, OPAQUE),
  { ...saml(), signIn: { providers: [SAML, OIDC], default: 'entra', bearers: [JWT] } },
  {
    ...saml(),
    signIn: {
      providers: [SAML, OIDC],
      bearers: [
        { ...JWT, audience: ['api'], tokenType: 'any' },
        { ...JWT, name: 'elsewhere', issuer: 'https://other.example', tokenType: 'any' },
      ],
    },
  },
  { ...saml(), server: { publicUrl: 'http://127.0.0.1:8443' } },
  { ...saml(), server: { publicUrl: 'http://[::1]:8443/' } },
  { ...oidc(), server: { publicUrl: 'http://gw.example', allowInsecure: true } },
  { server: { publicUrl: 'http://gw.example' } },
  saml({ metadataUrl: undefined, metadataFile: '/idp.xml' }),
  saml({ metadataUrl: 'http://idp.example', metadataCertFile: '/idp-cert.pem' }),
  saml({ metadataUrl: 'http://localhost/m' }),
  saml({ previousKeyFile: '/saml-old-key.pem', previousCertFile: '/saml-old-cert.pem' }),
  saml({ clockSkew: '5m' }),
  saml({ clockSkew: '0s' }),
  oidc({ issuer: 'http://127.0.0.1:9000' }),
  oidc({ clientSecret: undefined, clientAuth: 'none' }),
  oidc({ clientSecret: undefined, clientAuth: 'private_key_jwt', clientKeyFile: '/client-key.pem' }),
  oidc({ clientAuth: 'client_secret_post' }),
  saml({ user: { pattern: '(.*)\\.(.*)@.*', template: '$2$1' } }),
  programs({ ...OPAQUE, cache: '0s' }),
  { signIn: { session: { idle: '60d', life: '60d' }, device: { tokenLife: '90d' } } },
  { ...saml(), credentials: [{ type: 'enrolled' }], docs: { vendorPages: true } },
  { ...saml(withGroups), ...rule({ group: 'elsewhere' }) },
  { ...saml(withGroups), limits: { groups: { elsewhere: {} } }, identity: { roles: { admin: { groups: ['x'] } } } },
  saml({ ...withGroups, allowGroups: ['elsewhere'] }),
  { ...saml(), ...rule({ provider: 'corp' }) },
  { ...saml({ realm: 'people' }), ...rule({ subject: 'people:x:y' }) },
  rule({ subject: 'local:alice' }),
  { ...programs(JWT), ...rule({ provider: 'programs', attribute: { name: 'azp', value: 'ci' } }) },
  rule({ attribute: { name: 'site', pattern: 'a-[0-9]+' } }),
  rule({ userPattern: '.*' }, { table: { alice: 'al', bob: 'bo' } }),
];
