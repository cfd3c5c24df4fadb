import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { describe, it } from 'node:test';
import { parse } from 'yaml';
import { makeSecrets } from '../../deploy/secret-files.ts';
import { loadConfig } from '../../src/config/index.ts';
import { describeMetrics } from '../../src/observe/index.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const text = (path: string): string => readFileSync(join(ROOT, path), 'utf8');

interface Service {
  readonly image: string;
  readonly read_only?: boolean;
  readonly cap_drop?: readonly string[];
  readonly cap_add?: readonly string[];
  readonly security_opt?: readonly string[];
  readonly privileged?: boolean;
  readonly user?: string;
  readonly ports?: readonly string[];
  readonly volumes?: readonly string[];
  readonly secrets?: readonly string[];
  readonly profiles?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
}

interface Compose {
  readonly services: Readonly<Record<string, Service>>;
  readonly secrets: Readonly<Record<string, { readonly file: string }>>;
}

const compose = parse(text('docker-compose.yml'), { merge: true }) as Compose;
const services = Object.entries(compose.services);

describe('docker-compose.yml', () => {
  it('has the services that the documentation promises, the stand-in only with the profile demo', () => {
    assert.deepEqual(
      services.map(([name, { profiles = [] }]) => [name, ...profiles]),
      [['gateway'], ['redis'], ['prometheus'], ['vovserver', 'demo'], ['idp', 'demo']],
    );
  });

  for (const [name, service] of services) {
    it(`hardens ${name}`, () => {
      assert.equal(service.read_only, true);
      assert.deepEqual(service.cap_drop, ['ALL']);
      assert.deepEqual(service.security_opt, ['no-new-privileges:true']);
      assert.equal(service.privileged, undefined);
      const names = Object.keys(service.environment ?? {});
      assert.deepEqual(
        names,
        name === 'idp' ? ['NODE_EXTRA_CA_CERTS'] : [],
        'secrets do not travel in the environment',
      );
      for (const volume of service.volumes ?? []) {
        if (volume.startsWith('./')) assert.ok(volume.endsWith(':ro'), `${volume} is not read-only`);
      }
    });
  }

  it('gives capabilities to Redis alone, and publishes neither Redis nor the admin listener', () => {
    assert.deepEqual(
      services.filter(([, { cap_add }]) => cap_add !== undefined).map(([name]) => name),
      ['redis'],
    );
    // With their variables at the defaults.
    const port = (text: string): string => text.replaceAll(/\$\{\w+:-(\d+)\}/g, '$1');
    assert.deepEqual(
      services.flatMap(([name, service]) => (service.ports ?? []).map((text) => `${name} ${port(text)}`)),
      ['gateway 8443:8443', 'gateway 127.0.0.1:6280:6280', 'prometheus 127.0.0.1:9090:9090'],
    );
  });

  it('mounts only files of the project and of secrets/, which is neither in the repository nor in the image', () => {
    const mounted = services.flatMap(([, { volumes = [] }]) => volumes).filter((volume) => volume.startsWith('./'));
    for (const volume of mounted) {
      const [source = ''] = volume.replace(/\$\{\w+:-([^}]+)\}/, '$1').split(':');
      if (!source.startsWith('./secrets/')) assert.ok(existsSync(join(ROOT, source)), source);
    }
    assert.match(text('.gitignore'), /^secrets\/$/m);
    assert.match(text('.dockerignore'), /^\*$/m);
    assert.doesNotMatch(text('.dockerignore'), /^!secrets/m);
  });
});

const MOUNT = '/run/secrets/';

/** The compose secrets made in a temporary folder, seen where the containers see them. */
async function mountedSecrets() {
  const dir = mkdtempSync(join(tmpdir(), 'vovgw-compose-'));
  await makeSecrets({ dir, demo: true, hosts: [], owner: null });
  const inContainer = (path: string): string => {
    const secret = compose.secrets[basename(path)];
    if (secret !== undefined) return join(dir, basename(secret.file));
    return path.startsWith(MOUNT) ? join(dir, path.slice(MOUNT.length)) : path;
  };
  return {
    dir,
    read: (path: string) => readFileSync(inContainer(path), 'utf8'),
    [Symbol.dispose]: () => rmSync(dir, { recursive: true }),
  };
}

for (const name of ['compose', 'demo'])
  describe(`config/gateway.${name}.yaml`, () => {
    it('names only secrets that docker-compose.yml mounts and setup:secrets makes', async () => {
      using secrets = await mountedSecrets();
      for (const { file } of Object.values(compose.secrets)) {
        assert.ok(existsSync(join(secrets.dir, basename(file))), `${file} is not made`);
      }
      const { secrets: files = [], volumes = [] } = compose.services.gateway ?? {};
      const folders = volumes.flatMap(
        (volume) => /^\.\/secrets\/([^:]+):\/run\/secrets\/\1:ro$/.exec(volume)?.[1] ?? [],
      );
      const mounted = new Set([...files, ...folders]);
      for (const [, secret = ''] of text(`config/gateway.${name}.yaml`).matchAll(/\/run\/secrets\/([^/\s]+)/g)) {
        assert.ok(mounted.has(secret), `${secret} is not mounted`);
      }
    });

    it('is without a fault once the secrets are made', async () => {
      using secrets = await mountedSecrets();
      const result = loadConfig({
        file: join(ROOT, `config/gateway.${name}.yaml`),
        env: {},
        readFile: (path) => (path === `${MOUNT}vov-passwords` ? '' : secrets.read(path)),
      });
      assert.deepEqual(result.ok ? [] : result.faults, []);
      assert.ok(result.ok);
      assert.equal(result.config.mode, 'production');
      assert.equal(result.config.admin.port, 9464);
    });
  });

describe('deploy/', () => {
  it('alerts only on metrics that the gateway has', () => {
    const known = new Set(describeMetrics().map(({ name }) => name));
    const used = [...text('deploy/alerts.yml').matchAll(/vovgw_[a-z0-9_]+/g)].map(([name]) => name);
    assert.ok(used.length >= 10);
    assert.deepEqual(
      used.filter((name) => !known.has(name)),
      [],
    );
  });

  it('gives every alert a severity, a summary and what to do', () => {
    interface Rule {
      readonly alert: string;
      readonly labels: { readonly severity: string };
      readonly annotations: { readonly summary: string; readonly description: string };
    }
    const { groups } = parse(text('deploy/alerts.yml')) as { groups: { rules: Rule[] }[] };
    const rules = groups.flatMap((group) => group.rules);
    assert.equal(new Set(rules.map(({ alert }) => alert)).size, rules.length);
    for (const { alert, labels, annotations } of rules) {
      assert.match(labels.severity, /^(critical|warning)$/, alert);
      assert.ok(annotations.summary.length > 10 && annotations.description.length > 10, alert);
    }
  });

  it('scrapes the admin listener that the configuration opens', () => {
    const { scrape_configs: jobs } = parse(text('deploy/prometheus.yml')) as {
      scrape_configs: { static_configs: { targets: string[] }[] }[];
    };
    const { admin } = parse(text('config/gateway.compose.yaml')) as { admin: { port: number } };
    assert.deepEqual(
      jobs.flatMap(({ static_configs }) => static_configs.flatMap(({ targets }) => targets)),
      [`gateway:${admin.port}`],
    );
  });

  it('copies into the image only what runs', () => {
    const production = text('Dockerfile').split('AS gateway')[1] ?? '';
    assert.match(production, /^USER 1000:1000$/m);
    assert.match(production, /^HEALTHCHECK .*"dist\/main\.js", "health"\]$/m);
    const copied = [...production.matchAll(/^COPY (.+)$/gm)].map(([, what]) => what);
    assert.deepEqual(copied, [
      'package.json ./',
      '--from=dependencies /app/node_modules ./node_modules',
      '--from=build /app/dist ./dist',
    ]);
  });
});
