import { stringify } from 'yaml';
import { configShape, type Shape, written } from '../src/config/index.ts';

/**
 * Values for keys that have no default worth showing. `[]` stands for the entries of a list. The values of lists and
 * maps with entries of several keys are written on one line each.
 */
const SAMPLES: Readonly<Record<string, unknown>> = {
  'server.publicUrl': 'https://gateway.example.com:8443',
  'server.tls.certFile': '/etc/vov-gateway/tls/cert.pem',
  'server.tls.keyFile': '/etc/vov-gateway/tls/key.pem',
  'server.trustedProxies': ['10.0.0.0/8'],
  'redis.nodes': ['redis.example.com:6379'],
  'redis.masterName': 'mymaster',
  'redis.username': 'gateway',
  'redis.passwordFile': '/run/secrets/redis-password',
  'redis.sentinelPasswordFile': '/run/secrets/sentinel-password',
  'redis.tls.caFile': '/etc/vov-gateway/redis-ca.pem',
  'redis.tls.certFile': '/etc/vov-gateway/redis-client.pem',
  'redis.tls.keyFile': '/etc/vov-gateway/redis-client-key.pem',
  'redis.tls.serverName': 'redis.example.com',
  'secrets.sealingKeyFile': '/run/secrets/sealing-key',
  'secrets.previousSealingKeyFile': '/run/secrets/previous-sealing-key',
  'secrets.tokenKeyFile': '/run/secrets/token-key',
  'queues[].name': 'chips',
  'queues[].urls': ['https://vov1.example.com:6310', 'https://vov2.example.com:6310'],
  'queues[].hosts': ['chips.gateway.example.com'],
  'queues[].port': 8444,
  'queues[].tls.caFile': '/etc/vov-gateway/vovserver-ca.pem',
  'queues[].tls.pins': ['sha256/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA='],
  'queues[].tls.serverName': 'vov.example.com',
  'queues[].tls.certFile': '/etc/vov-gateway/vovserver-client.pem',
  'queues[].tls.keyFile': '/etc/vov-gateway/vovserver-client-key.pem',
  'queues[].tls.crlFile': '/etc/vov-gateway/vovserver-crl.pem',
  'queues[].coalesce.cache': [{ route: '/api/v3/query', life: '2s' }],
  'credentials[].queues': ['chips'],
  'credentials[].dir': '/run/secrets/vov-passwords',
  'credentials[].command': ['/usr/local/bin/vov-password', '--vault', 'eda'],
  'credentials[].account': 'svc_ci',
  'credentials[].passwordFile': '/run/secrets/svc-ci-password',
  'identity.groups': { cad: ['alice', 'bob'], contractors: ['mallory'] },
  'identity.rules': [
    { match: { group: 'contractors', queue: 'chips' }, deny: true },
    { match: { user: 'ci-bot' }, shared: 'svc_ci' },
    { match: { userPattern: '([a-z_][a-z0-9_-]{0,31})' }, account: '$1' },
  ],
  'identity.roles.operator.users': ['dave'],
  'identity.roles.operator.groups': ['cad'],
  'identity.roles.operator.providers': ['corp'],
  'identity.roles.admin.users': ['erin'],
  'identity.roles.admin.groups': ['cad-admins'],
  'identity.roles.admin.subjects': ['corp:7f3a9c12'],
  'identity.roles.admin.providers': ['corp'],
  'signIn.default': 'corp',
  'signIn.providers[].name (saml)': 'corp',
  'signIn.providers[].name (oidc)': 'partner',
  'signIn.providers[].label (saml)': 'Corporate login',
  'signIn.providers[].label (oidc)': 'Partner login',
  'signIn.providers[].caFile': '/etc/vov-gateway/idp-ca.pem',
  'signIn.providers[].metadataUrl': 'https://idp.example.com/metadata',
  'signIn.providers[].metadataFile': '/etc/vov-gateway/idp-metadata.xml',
  'signIn.providers[].metadataCertFile': '/etc/vov-gateway/idp-metadata-cert.pem',
  'signIn.providers[].idpEntityId': 'https://idp.example.com',
  'signIn.providers[].entityId': 'https://gateway.example.com:8443/saml/corp/metadata',
  'signIn.providers[].keyFile': '/run/secrets/saml-key',
  'signIn.providers[].certFile': '/etc/vov-gateway/saml-cert.pem',
  'signIn.providers[].previousKeyFile': '/run/secrets/previous-saml-key',
  'signIn.providers[].previousCertFile': '/etc/vov-gateway/previous-saml-cert.pem',
  'signIn.providers[].nameIdFormat': 'urn:oasis:names:tc:SAML:2.0:nameid-format:persistent',
  'signIn.providers[].authnContext': ['urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport'],
  'signIn.providers[].realm': 'corp',
  'signIn.providers[].groups.attribute': 'groups',
  'signIn.providers[].allowGroups': ['engineers'],
  'signIn.providers[].issuer': 'https://login.partner.example',
  'signIn.providers[].clientId': 'vov-gateway',
  'signIn.providers[].clientSecretFile': '/run/secrets/oidc-client-secret',
  'signIn.providers[].clientKeyFile': '/run/secrets/oidc-client-key',
  'signIn.providers[].prompt': 'select_account',
  'signIn.bearers[].name (jwt)': 'corp-jwt',
  'signIn.bearers[].name (introspection)': 'corp-opaque',
  'signIn.bearers[].caFile': '/etc/vov-gateway/idp-ca.pem',
  'signIn.bearers[].scopeNames': { 'vov.read': 'read', 'vov.submit': 'submit' },
  'signIn.bearers[].issuer': 'https://idp.example.com',
  'signIn.bearers[].audience': ['https://gateway.example.com:8443'],
  'signIn.bearers[].jwksUrl': 'https://idp.example.com/jwks',
  'signIn.bearers[].realm': 'corp',
  'signIn.bearers[].groups.attribute': 'groups',
  'signIn.bearers[].allowGroups': ['robots'],
  'signIn.bearers[].url': 'https://idp.example.com/introspect',
  'signIn.bearers[].clientId': 'vov-gateway',
  'signIn.bearers[].clientSecretFile': '/run/secrets/introspection-secret',
  'access.extraRoutes': [{ method: 'POST', template: '/api/v3/sets/{id}', class: 'control' }],
  'limits.identity.read': { requests: 600, window: '1m' },
  'limits.identity.list': { requests: 120, window: '1m' },
  'limits.identity.submit': { requests: 60, window: '1m' },
  'limits.identity.control': { requests: 60, window: '1m' },
  'jobs.policy': [
    {
      name: 'site',
      exceptGroups: ['cad'],
      denyKeys: ['wrapper', 'interactive,flag', 'force'],
      fields: {
        env: { required: true, oneOf: ['BASE', 'CLEAN+BASE'] },
        rundir: { under: ['/proj', '/scratch'] },
        command: { pattern: '(?:sim|synth) [A-Za-z0-9 _./=-]*' },
        'priority,sched': { most: 8 },
      },
    },
    {
      name: 'contractors',
      groups: ['contractors'],
      queues: ['chips'],
      mode: 'observe',
      allowKeys: ['command', 'logfile', 'rundir', 'env', 'jobclass'],
      defaults: { jobclass: 'external' },
    },
  ],
  'jobs.quotas': [
    { name: 'everyone', exceptGroups: ['ci'], submissionsPerMinute: 120, submissionsPerDay: 20_000, liveJobs: 5000 },
    { name: 'contractors', groups: ['contractors'], per: 'group', queues: ['chips'], liveJobs: 2000, mode: 'observe' },
  ],
  'limits.groups': { cad: { all: { requests: 3000, window: '1m' }, submit: { requests: 600, window: '1m' } } },
};

/** What stands there without `#`: the least that a gateway in production needs. */
const ACTIVE: ReadonlySet<string> = new Set([
  'server.tls',
  'server.tls.certFile',
  'server.tls.keyFile',
  'redis',
  'redis.nodes',
  'redis.username',
  'redis.passwordFile',
  'secrets',
  'secrets.sealingKeyFile',
  'secrets.tokenKeyFile',
  'queues',
  'queues[].name',
  'queues[].urls',
  'credentials',
  'credentials[].type=file',
  'credentials[].dir',
]);

const HEAD = `# Every key of vov-gateway's configuration, with the least that a gateway in production needs switched on.
# Generated by \`npm run generate\` from src/config/; docs/configuration.md has the same as tables with the environment twins.
#
# Lines that begin with “#key” are optional and show the default or an example; remove the # to use one, and the # of the
# sections around it. Durations: 500ms, 20s, 15m, 4h, 90d. Sizes: 512B, 64KiB, 1MiB. Relative paths start at this file's folder.
# Instead of a secret's file (redis.passwordFile) the secret itself may stand here (redis.password), but should not.
# Try it: vovgw check --config FILE
`;

const flow = (value: unknown): string =>
  stringify(value, { collectionStyle: 'flow', flowCollectionPadding: false, lineWidth: 0, singleQuote: true }).trim();

const isInline = (shape: Shape): boolean =>
  shape.kind === 'section' &&
  shape.keys.size === 2 &&
  [...shape.keys.values()].every((key) => key.required && key.element === null && !key.path);

/** A place in the file: the path with `[]` for entries, the indentation, and whether all of it is commented out. */
interface Place {
  readonly path: string;
  /** Which kind of entry of a tagged list; chooses among samples. */
  readonly kind?: string;
  readonly indent: number;
  readonly off: boolean;
}

const line = ({ indent, off }: Place, text: string): string => `${' '.repeat(indent)}${off ? '#' : ''}${text}`;
const comment = ({ indent }: Place, text: string): string[] => (text === '' ? [] : [`${' '.repeat(indent)}# ${text}`]);

/** The value that the default of the section around gives a key. */
const inDefaultOfParent = (path: string): unknown => {
  const keys = path.split('.');
  const parent = keys.slice(0, -1).reduce<Shape | undefined>((shape, key) => shape?.keys.get(key), configShape);
  const fallback: unknown = parent === undefined ? undefined : written(parent, parent.fallback);
  return typeof fallback === 'object' && fallback !== null ? Reflect.get(fallback, keys.at(-1) ?? '') : undefined;
};

const sampleOf = (shape: Shape, { path, kind = '' }: Place): unknown => {
  const sample =
    SAMPLES[`${path} (${kind})`] ?? SAMPLES[path] ?? written(shape, shape.fallback) ?? inDefaultOfParent(path);
  if (sample === undefined) throw new Error(`docs/config-example.ts: ${path} has no default and needs a sample`);
  return sample;
};

/** One comment line for each key below an entry that is written on one line. */
const keyComments = (shape: Shape, place: Place, prefix = ''): string[] =>
  [...shape.keys].flatMap(([key, child]) => [
    ...comment(place, `  ${`${prefix}${key}:`.padEnd(18)} ${child.description}`),
    ...(isInline(child) ? [] : keyComments(child, place, `${prefix}${key}.`)),
  ]);

const flowEntries = (shape: Shape, place: Place, key: string): string[] => {
  const sample = sampleOf(shape, place);
  const element = shape.element;
  const about = element === null ? [] : keyComments(element, place);
  const inner = { ...place, indent: place.indent + 2 };
  const entries = Array.isArray(sample)
    ? sample.map((entry) => line(inner, `- ${flow(entry)}`))
    : Object.entries(sample as object).map(([name, entry]) => line(inner, `${name}: ${flow(entry)}`));
  return [...comment(place, shape.description), ...about, line(place, `${key}:`), ...entries];
};

const children = (shape: Shape, place: Place): string[] =>
  [...shape.keys].flatMap(([key, child]) => keyLines(child, key, place));

/** The first line of an entry carries the dash in place of two blanks. */
const asEntry = (lines: readonly string[], indent: number): string[] => {
  const first = lines.findIndex((text) => !/^\s*# /.test(text));
  return lines.map((text, at) => {
    if (at !== first) return text;
    const dashed = text.slice(indent + 2);
    return dashed.startsWith('#') ? `${' '.repeat(indent)}#- ${dashed.slice(1)}` : `${' '.repeat(indent)}- ${dashed}`;
  });
};

const entryLines = (entry: Shape, place: Place): string[] => {
  const path = `${place.path}[]`;
  const [tag, ...rest] = [...entry.keys].filter(([, key]) => key.words.length === 1);
  const word = tag?.[1].words[0];
  const off = place.off || (word !== undefined && !ACTIVE.has(`${path}.${tag?.[0]}=${word}`));
  const kind = word === undefined ? {} : { kind: word };
  const inner: Place = { path, indent: place.indent + 2, off, ...kind };
  if (tag === undefined || rest.length > 0) return asEntry(children(entry, inner), place.indent);
  const others = [...entry.keys].filter(([key]) => key !== tag[0]);
  const own = others.flatMap(([key, child]) => keyLines(child, key, inner));
  return asEntry([line(inner, `${tag[0]}: ${word}`), ...own], place.indent);
};

const sectionLines = (shape: Shape, place: Place, key: string): string[] => {
  const entries =
    shape.kind === 'tagged' || shape.element !== null
      ? [...(shape.element?.kind === 'tagged' ? shape.element.choices.values() : [shape.element ?? shape])]
      : [];
  const below =
    entries.length > 0
      ? entries.flatMap((entry) => entryLines(entry, { ...place, indent: place.indent + 2 }))
      : children(shape, { ...place, indent: place.indent + 2 });
  return [...comment(place, shape.description), line(place, `${key}:`), ...below];
};

const bucketLines = (shape: Shape, place: Place, key: string): string[] => [
  ...comment(place, shape.description),
  line(place, `${key}: ${flow(sampleOf(shape, place))}`),
];

/** All lines of one key. */
function keyLines(shape: Shape, plainKey: string, parent: Place): string[] {
  const key = shape.secret ? `${plainKey}File` : plainKey;
  const path = parent.path === '' ? key : `${parent.path}.${key}`;
  // A section that is filled with defaults may stand there empty; its keys then need one # less.
  const off = parent.off || (!ACTIVE.has(path) && !(shape.filled && shape.kind === 'section'));
  const kind = parent.kind === undefined ? {} : { kind: parent.kind };
  const place: Place = { path, indent: parent.indent, off, ...kind };
  const gap = parent.path === '' ? [''] : [];
  const structured = shape.element !== null && shape.element.kind !== 'text' && shape.element.kind !== 'list';
  if (shape.kind === 'map' || (structured && Array.isArray(SAMPLES[path])))
    return [...gap, ...flowEntries(shape, place, key)];
  if (isInline(shape)) return [...gap, ...bucketLines(shape, place, key)];
  if (shape.kind === 'section' || structured) return [...gap, ...sectionLines(shape, place, key)];
  const words = shape.words.length > 1 ? ` One of ${shape.words.join(', ')}.` : '';
  return [
    ...gap,
    ...comment(place, `${shape.description}${words}`),
    line(place, `${key}: ${flow(sampleOf(shape, place))}`),
  ];
}

/** `config/gateway.example.yaml`: every key of the configuration with its description. */
export const configExample = (): string =>
  `${[HEAD.trimEnd(), ...children(configShape, { path: '', indent: 0, off: false })].join('\n')}\n`;
