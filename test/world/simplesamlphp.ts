import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createSigningKey, PEOPLE, type Person, type SigningKey } from '../../standin/idp/index.ts';
import type { Browser, Page } from './browser.ts';
import { eventually } from './eventually.ts';
import { freePort } from './redis-process.ts';

const WEB_ROOT = '/usr/share/simplesamlphp/www';
const TEMPLATES = fileURLToPath(new URL('./simplesamlphp', import.meta.url));

/** A gateway as SimpleSAMLphp knows it. */
export interface ServiceProviderFacts {
  readonly entityId: string;
  readonly acs: string;
  readonly slo: string;
  /** Base64 of DER. */
  readonly certificates: readonly string[];
}

/** What may be changed at any time; the next request sees it. */
export interface SimpleSamlPhpSettings {
  readonly serviceProviders: readonly ServiceProviderFacts[];
  readonly people: readonly Person[];
  /** Encrypt assertions. */
  readonly encrypt: boolean;
  /** Milliseconds that its clock is ahead in SAML messages; may be negative. */
  readonly clockOffset: number;
}

/** A running SimpleSAMLphp as identity provider. Passwords are `pw-<name>`. */
export interface SimpleSamlPhp extends AsyncDisposable {
  readonly url: string;
  readonly entityId: string;
  readonly metadataUrl: string;
  change(settings: Partial<SimpleSamlPhpSettings>): Promise<void>;
  /**
   * One step of a certificate rollover: publish the new certificate beside the old one, which goes on signing
   * (`new_certificate`), then sign with the new one and publish only it.
   */
  rollOver(step: 'announce' | 'switch'): Promise<void>;
  /** The key that signs at present, PEM, for forgers. */
  signingKey(): { readonly keyPem: string; readonly certPem: string };
  /** The log so far, for a test that fails. */
  log(): Promise<string>;
  /** Where a person signs out everywhere; the browser ends at `returnTo`. */
  logoutUrl(returnTo: string): string;
}

const attributesFor = (person: Person) => ({
  uid: [person.name],
  mail: [person.email],
  displayName: [person.displayName],
  groups: [...person.groups],
  subject: [person.subject],
  ...person.attributes,
});

const only = (xml: string, pattern: RegExp, what: string): string => {
  const found = pattern.exec(xml)?.[1];
  if (found === undefined) throw new Error(`no ${what} in the metadata: ${xml.slice(0, 500)}`);
  return found.replaceAll('&amp;', '&');
};

/** Reads the metadata of a service provider as the gateway writes it. */
export function readServiceProvider(metadata: string): ServiceProviderFacts {
  const certificates = [...metadata.matchAll(/<(?:\w+:)?X509Certificate>([^<]+)</g)].map(([, body = '']) =>
    body.replace(/\s/g, ''),
  );
  return {
    entityId: only(metadata, /\bentityID="([^"]+)"/, 'entityID'),
    acs: only(metadata, /AssertionConsumerService\b[^>]*\bLocation="([^"]+)"/, 'AssertionConsumerService'),
    slo: only(metadata, /SingleLogoutService\b[^>]*\bLocation="([^"]+)"/, 'SingleLogoutService'),
    certificates: [...new Set(certificates)],
  };
}

/** Settings are written aside and moved into place: PHP may read at any moment. */
async function writeSettings(folder: string, settings: object): Promise<void> {
  await writeFile(join(folder, 'settings.tmp'), JSON.stringify(settings));
  await rename(join(folder, 'settings.tmp'), join(folder, 'settings.json'));
}

async function makeFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'vovgw-simplesamlphp-'));
  await cp(TEMPLATES, folder, { recursive: true });
  for (const name of ['cert', 'log', 'data', 'tmp', 'sessions']) await mkdir(join(folder, name));
  return folder;
}

async function addKey(folder: string, name: string): Promise<SigningKey> {
  const key = await createSigningKey(`SimpleSAMLphp ${name}`);
  await writeFile(join(folder, 'cert', `${name}.key`), key.keyPem);
  await writeFile(join(folder, 'cert', `${name}.pem`), key.certPem);
  return key;
}

const running = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

function startPhp(folder: string, port: number): ChildProcess {
  const defines = [
    'display_errors=0',
    `auto_prepend_file=${join(folder, 'clock.php')}`,
    `session.save_path=${join(folder, 'sessions')}`,
  ];
  const child = spawn('php', [...defines.flatMap((one) => ['-d', one]), '-S', `127.0.0.1:${port}`, '-t', WEB_ROOT], {
    env: { ...process.env, SIMPLESAMLPHP_CONFIG_DIR: folder },
    stdio: 'ignore',
  });
  running.add(child);
  child.once('exit', () => running.delete(child));
  return child;
}

/** Starts Debian's SimpleSAMLphp 1.19 in PHP's own web server as a SAML identity provider with a folder of its own. */
export async function createSimpleSamlPhp(options: Partial<SimpleSamlPhpSettings> = {}): Promise<SimpleSamlPhp> {
  const folder = await makeFolder();
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const entityId = `${url}/saml2/idp/metadata.php`;
  let settings: SimpleSamlPhpSettings = {
    serviceProviders: [],
    people: PEOPLE,
    encrypt: false,
    clockOffset: 0,
    ...options,
  };
  let keys: { readonly key: string; readonly newKey: string | null } = { key: 'first', newKey: null };
  const write = (): Promise<void> => {
    const people = settings.people.map((person) => ({ name: person.name, attributes: attributesFor(person) }));
    return writeSettings(folder, { url, entityId, ...keys, ...settings, people });
  };
  const [first, second] = [await addKey(folder, 'first'), await addKey(folder, 'second')];
  await write();
  const child = startPhp(folder, port);
  await eventually('SimpleSAMLphp serves its metadata', async () => (await fetch(entityId)).ok);
  return {
    url,
    entityId,
    metadataUrl: entityId,
    async change(next) {
      settings = { ...settings, ...next };
      await write();
    },
    async rollOver(step) {
      keys = step === 'announce' ? { key: 'first', newKey: 'second' } : { key: 'second', newKey: null };
      await write();
    },
    signingKey: () => (keys.key === 'first' ? first : second),
    log: () => readFile(join(folder, 'log', 'simplesamlphp.log'), 'utf8').catch(() => ''),
    logoutUrl: (returnTo) => `${url}/saml2/idp/SingleLogoutService.php?ReturnTo=${encodeURIComponent(returnTo)}`,
    async [Symbol.asyncDispose]() {
      if (child.exitCode === null && child.signalCode === null) {
        child.kill('SIGTERM');
        await once(child, 'exit');
      }
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Signs a person in at a page of SimpleSAMLphp that asks for a name and password, and comes back to the gateway. */
export async function answerSimpleSamlPhp(browser: Browser, page: Page, name: string): Promise<Page> {
  const form = (one: { readonly blanks: readonly string[] }): boolean => one.blanks.includes('username');
  return browser.settle(await browser.submit(page, { username: name, password: `pw-${name}` }, { form }));
}
