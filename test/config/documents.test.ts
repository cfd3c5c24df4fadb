import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { parse } from 'yaml';
import { configExample } from '../../docs/config-example.ts';
import { configReference } from '../../docs/config-reference.ts';
import { configJsonSchema } from '../../docs/config-schema.ts';
import { errorPage } from '../../docs/error-page.ts';
import { betweenMarkers, GENERATED, generate } from '../../docs/generate.ts';
import {
  type ConfigResult,
  configShape,
  envName,
  loadConfig,
  parseConfig,
  type Shape,
} from '../../src/config/index.ts';
import { ERROR_CODES } from '../../src/kernel/index.ts';
import { configOf, faultsOf, folder, KEY, PIN, parsed, patched, pemText, production, TOKEN_KEY } from './samples.ts';

const ROOT = join(import.meta.dirname, '../..');

/** What the files of the example hold. */
const secretText = (path: string): string => (path.includes('sealing') ? KEY : (pemText(path) ?? TOKEN_KEY));

const loadText = (text: string): ConfigResult =>
  loadConfig({
    file: '/gw/gateway.yaml',
    env: {},
    readFile: (path) => (path.endsWith('.yaml') ? text : secretText(path)),
  });

function* keyNames(shape: Shape): Generator<string> {
  for (const [key, child] of shape.keys) {
    yield child.secret ? `${key}File` : key;
    yield* keyNames(child);
  }
  for (const below of [shape.element, ...shape.choices.values()]) if (below) yield* keyNames(below);
}

describe('config/gateway.example.yaml', () => {
  const text = configExample();

  it('is a production configuration as it stands, without warning', () => {
    const result = loadText(text);
    assert.equal(configOf(result).mode, 'production');
    assert.deepEqual(result.ok && result.warnings, []);
  });

  it('names every key', () => {
    for (const name of keyNames(configShape)) assert.match(text, new RegExp(`\\b${name}:`), name);
  });

  it('has a possible value at every optional key', () => {
    const all = text.replace(/^(\s*)#(?=\S)/gm, '$1');
    const paths = faultsOf(loadText(all)).map(({ path }) => path);
    // Keys that exclude the active ones by a rule; no value of any key has a wrong form.
    const excluded = ['signIn.providers[0].metadataFile', 'signIn.providers[1].clientKeyFile'];
    assert.deepEqual([...new Set(paths)], ['redis.masterName', 'queues[0].tls.pins', ...excluded]);
  });

  it('describes before it names', () => {
    const lines = text.split('\n');
    const bare = lines.filter((line, at) => {
      const isKey = /^\s*#?(- )?[a-zA-Z]+:/.test(line) && !/^\s*#?- type:|- \{/.test(line);
      return isKey && !/^\s*#/.test(lines[at - 1] ?? '') && !/^\s*#?(cad|contractors):/.test(line);
    });
    assert.deepEqual(bare, []);
  });
});

describe('the other configuration files', () => {
  it('config/gateway.dev.yaml is a development configuration without a fault', () => {
    const result = loadConfig({ file: join(ROOT, 'config/gateway.dev.yaml'), env: {} });
    const config = configOf(result);
    assert.equal(config.mode, 'development');
    assert.equal(config.redis, undefined);
    assert.equal(config.queues[0]?.allowInsecure, true);
  });

  it('config/gateway.compose.yaml has no fault once its secrets are there', () => {
    const text = readFileSync(join(ROOT, 'config/gateway.compose.yaml'), 'utf8');
    assert.equal(configOf(loadText(text)).mode, 'production');
  });
});

describe('config/gateway.schema.json', () => {
  const ajv = new Ajv2020({
    strict: true,
    allErrors: true,
    validateFormats: false,
    strictTypes: false,
    strictRequired: false,
  });
  const validate = ajv.compile(JSON.parse(configJsonSchema()));
  const form = (raw: unknown): boolean => validate(raw) === true;
  const loader = (raw: unknown): boolean => parseConfig(raw, { readFile: secretText }).ok;
  const production_ = (patch: Record<string, unknown>) => patched(production(), patch);

  const accepted: unknown[] = [
    production(),
    parse(configExample()),
    parse(readFileSync(join(ROOT, 'config/gateway.compose.yaml'), 'utf8')),
    parse(readFileSync(join(ROOT, 'config/gateway.dev.yaml'), 'utf8')),
    production_({ log: null, broker: null }),
    production_({ secrets: { sealingKey: undefined, sealingKeyFile: '/sealing' } }),
    production_({ mode: 'development', secrets: {} }),
    production_({ credentials: [{ type: 'exec', command: ['x'], cache: '0s' }, { type: 'passthrough' }] }),
    production_({ server: { trustedProxies: ['10.0.0.0/8', 'fd00::/8'] } }),
    production_({ queues: [{ name: 'q', urls: ['https://v:1'], tls: { verify: 'pin', pins: [PIN] } }] }),
    production_({ identity: { groups: { g: ['u'] }, rules: [{ match: { group: 'g' }, deny: true }] } }),
    production_({ limits: { identity: { submit: { requests: 1, window: '1h' } } } }),
  ];

  const refused: unknown[] = [
    null,
    [],
    {},
    production_({ queues: [] }),
    production_({ queues: undefined }),
    production_({ modus: 'x' }),
    production_({ mode: 'trial' }),
    production_({ replicas: 1.5 }),
    production_({ redis: null }),
    production_({ redis: { nodes: ['redis'] } }),
    production_({ redis: { password: 'a', passwordFile: '/b' } }),
    production_({ redis: { keyPrefix: 'a:b' } }),
    production_({ secrets: { sealingKey: 'x' } }),
    production_({ secrets: { sealingKey: undefined } }),
    production_({ secrets: { tokenKeyFile: '/t' } }),
    production_({ server: { port: '8443' } }),
    production_({ server: { limits: { bodyBytes: 5 } } }),
    production_({ server: { drain: { wait: '5 s' } } }),
    production_({ server: { tls: { keyFile: undefined } } }),
    production_({ server: { trustedProxies: ['10.0.0.1'] } }),
    production_({ queues: [{ name: 'a b', urls: ['https://v:1'] }] }),
    production_({ queues: [{ name: 'q', urls: ['ftp://v:1'] }] }),
    production_({ queues: [{ name: 'q', urls: ['https://v:1'], tls: { verify: 'pin', pins: ['x'] } }] }),
    production_({ credentials: [{ type: 'file' }] }),
    production_({ credentials: [{ type: 'file', dir: '/d', command: ['x'] }] }),
    production_({ credentials: [{ type: 'vault' }] }),
    production_({ identity: { rules: [{ match: {}, account: 'a' }] } }),
    production_({ identity: { rules: [{ match: { user: 'u' } }] } }),
    production_({ identity: { rules: [{ match: { user: 'u' }, account: 'a', deny: true }] } }),
    production_({ access: { extraRoutes: [{ method: 'GET', template: '/api/v3/x', class: 'control' }] } }),
    production_({ access: { extraRoutes: [{ method: 'POST', template: '/api/v3/x', class: 'read' }] } }),
    production_({ access: { extraRoutes: [{ method: 'PUT', template: '/api/v3/x', class: 'list' }] } }),
    production_({ limits: { groups: { 'a b': {} } } }),
    production_({ limits: { address: { requests: 0, window: '1s' } } }),
  ];

  it('accepts what the loader accepts', () => {
    for (const raw of accepted) {
      assert.equal(loader(raw), true, JSON.stringify(parseConfig(raw, { readFile: secretText })));
      assert.ok(form(raw), `${JSON.stringify(raw)}: ${ajv.errorsText(validate.errors)}`);
    }
  });

  it('refuses what the loader refuses by form', () => {
    for (const raw of refused) {
      assert.equal(loader(raw), false, JSON.stringify(raw));
      assert.equal(form(raw), false, JSON.stringify(raw));
    }
  });

  it('knows the file twin of every secret and every default', () => {
    const text = configJsonSchema();
    for (const twin of [
      'passwordFile',
      'sentinelPasswordFile',
      'sealingKeyFile',
      'previousSealingKeyFile',
      'tokenKeyFile',
    ]) {
      assert.ok(text.includes(`"${twin}": {`), twin);
    }
    assert.match(text, /"default": "300ms"/);
    assert.doesNotMatch(text, /"(secret|path|unit|hint)": (true|")/);
  });
});

describe('docs/configuration.md', () => {
  const text = configReference();

  it('says what each word of a field of the policy means, and gives what stands in a mapping no variable', () => {
    for (const word of ['oneOf', 'pattern', 'under', 'most', 'required']) {
      const row = text.split('\n').find((line) => line.startsWith(`| \`jobs.policy[].fields.<name>.${word}\` |  |`));
      assert.ok(row !== undefined && row.length > 100, word);
    }
    assert.match(text, /^\| `limits\.groups\.<name>\.submit\.window` \| {2}\| \*\*required\*\* \|/m);
  });

  it('has a row for every key with its variable', () => {
    for (const [key, shape] of configShape.keys) {
      for (const [below, child] of shape.keys) {
        if (child.filled) continue;
        assert.ok(text.includes(`| \`${key}.${below}\` | \`${envName([key, below])}\` |`), `${key}.${below}`);
      }
    }
    assert.match(text, /\| `queues\[\]\.tls\.pins` \| `VOVGW_QUEUES_<n>_TLS_PINS` \|/);
    assert.match(text, /\| `redis\.passwordFile` \| `VOVGW_REDIS_PASSWORD_FILE` \|/);
    assert.match(text, /`redis\.commandTimeout` .* `300ms`/);
  });

  it('keeps every row at four columns', () => {
    for (const line of text.split('\n').filter((row) => row.startsWith('| '))) {
      assert.equal(line.replaceAll('\\|', '').split('|').length, 6, line);
    }
  });
});

describe('docs/errors.md', () => {
  it('has every code with status, meaning and mend', () => {
    const text = errorPage();
    for (const [code, { status, meaning, mend }] of Object.entries(ERROR_CODES)) {
      assert.match(text, new RegExp(`^## ${code}$`, 'm'));
      for (const part of [`**${status}**`, meaning, mend]) assert.ok(text.includes(part), `${code}: ${part}`);
    }
  });
});

describe('docs/generate.ts', () => {
  const README = 'a\n<!-- rooms -->\nold\n<!-- /rooms -->\nb\n';

  const project = () => {
    const dir = folder({ 'README.md': README });
    for (const sub of ['config', 'docs']) mkdirSync(dir.path(sub));
    return dir;
  };

  it('writes what is stale, names it, and is then content', () => {
    using dir = project();
    const files = GENERATED.map(({ file }) => file);
    assert.deepEqual(generate(dir.path('.'), true), files);
    assert.equal(readFileSync(dir.path('README.md'), 'utf8'), README);
    assert.deepEqual(generate(dir.path('.'), false), files);
    assert.deepEqual(generate(dir.path('.'), true), []);
    writeFileSync(dir.path('docs/errors.md'), 'by hand');
    assert.deepEqual(generate(dir.path('.'), true), ['docs/errors.md']);
  });

  it('replaces only what stands between the markers', () => {
    assert.equal(betweenMarkers(README, 'rooms', 'new'), 'a\n<!-- rooms -->\nnew\n<!-- /rooms -->\nb\n');
    assert.throws(() => betweenMarkers('nothing', 'rooms', 'new'), /markers/);
  });

  it('finds the repository as it would write it', () => {
    const own = GENERATED.filter(({ file }) => file.startsWith('config/') || /configuration|errors/.test(file));
    for (const { file, make } of own) {
      const current = readFileSync(join(ROOT, file), 'utf8');
      assert.equal(current, make(current), `${file} is stale; run npm run generate`);
    }
  });
});

describe('the sample of these tests', () => {
  it('is accepted', () => assert.ok(parsed().ok));
});
