import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Config, type ConfigResult, type Fault, parseConfig } from '../../src/config/index.ts';
import { createAuthority } from '../../standin/certificates.ts';
import { createSigningKey } from '../../standin/idp/keys.ts';

export const KEY = Buffer.alloc(32, 7).toString('base64');
export const TOKEN_KEY = 'a token key of more than 32 characters';
export const PIN = `sha256/${Buffer.alloc(32, 9).toString('base64')}`;

type Tree = Record<string, unknown>;

/** The least that production takes without warning. */
export const production = (): Tree => ({
  server: { tls: { certFile: '/tls/cert.pem', keyFile: '/tls/key.pem' } },
  redis: { nodes: ['redis:6379'] },
  secrets: { sealingKey: KEY, tokenKey: TOKEN_KEY },
  queues: [{ name: 'chips', urls: ['https://vov:6310'] }],
  credentials: [{ type: 'file', dir: '/passwords' }],
});

const isTree = (value: unknown): value is Tree => typeof value === 'object' && value !== null && !Array.isArray(value);

/** `base` with `patch` laid over it; undefined removes a key. */
export function patched(base: Tree, patch: Tree): Tree {
  const next: Tree = { ...base };
  for (const [key, value] of Object.entries(patch)) {
    const old = next[key];
    if (value === undefined) delete next[key];
    else next[key] = isTree(old) && isTree(value) ? patched(old, value) : value;
  }
  return next;
}

const authority = await createAuthority();
const leaf = await authority.leaf();
const rsa = await createSigningKey();
const PEM: readonly (readonly [file: RegExp, text: string])[] = [
  [/saml.*key/, rsa.keyPem],
  [/saml.*cert/, rsa.certPem],
  [/tls[/-]key|^\/k$|-key\.pem$/, leaf.keyPem],
  [/\bcrl\b/, await authority.revocationList([])],
  [/\/ca\b|ca\.pem$/, authority.certPem],
  [/tls[/-]cert|^\/c$|-cert\.pem$|\.pem$/, leaf.certPem],
];

/** What a TLS file of this name should hold; undefined for other files. */
export const pemText = (path: string): string | undefined => PEM.find(([file]) => file.test(path))?.[1];

/** A file system in which every file holds the same text, except TLS files. */
export const everyFile = (path = ''): string => pemText(path) ?? 'content\n';

/** A file system that lacks everything. */
export const noFile = (): string => {
  throw Object.assign(new Error('no such file'), { code: 'ENOENT' });
};

export const parsed = (patch: Tree = {}): ConfigResult =>
  parseConfig(patched(production(), patch), { base: '/etc/gw', readFile: everyFile });

export function configOf(result: ConfigResult): Config {
  assert.ok(result.ok, result.ok ? '' : JSON.stringify(result.faults, null, 1));
  return result.config;
}

export function faultsOf(result: ConfigResult): readonly Fault[] {
  assert.ok(!result.ok, 'the configuration was accepted');
  return result.faults;
}

export const pathsOf = (result: ConfigResult): string[] => faultsOf(result).map(({ path }) => path);

/** A folder for one test, gone when it is disposed. */
export function folder(files: Readonly<Record<string, string>> = {}): Disposable & { path(name: string): string } {
  const root = mkdtempSync(join(tmpdir(), 'vovgw-config-'));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(root, name), text, { mode: 0o600 });
  return {
    path: (name) => join(root, name),
    [Symbol.dispose]: () => rmSync(root, { recursive: true, force: true }),
  };
}
