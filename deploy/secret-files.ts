import { randomBytes } from 'node:crypto';
import { access, chown, mkdir, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname, join } from 'node:path';
import { createAuthority, createSelfSigned } from '../standin/certificates.ts';
import { createSigningKey } from '../standin/idp/index.ts';

/** Users of the stand-in vovserver in the demo. */
export const DEMO_USERS = ['alice', 'bob', 'carol'] as const;
/** Host name of the stand-in in docker-compose.yml. */
const STANDIN_HOST = 'vovserver';
const CERTIFICATE_DAYS = 365;

/** What {@link makeSecrets} is asked for. */
export interface SecretsRequest {
  readonly dir: string;
  /** Also passwords, authority and certificate for the stand-in vovserver. */
  readonly demo: boolean;
  /** Further names of the gateway for its certificate. */
  readonly hosts: readonly string[];
  /** Who must own the files; null leaves them to the user of this process. */
  readonly owner: { readonly uid: number; readonly gid: number } | null;
}

/** One file or folder: made now, or found and left alone. */
export interface Made {
  readonly path: string;
  readonly made: boolean;
  readonly meaning: string;
}

interface Wanted {
  readonly path: string;
  readonly meaning: string;
  readonly mode: number;
}

const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );

/** 24 random bytes as text that needs no quoting anywhere. */
const password = (): string => randomBytes(24).toString('base64url');

/** Makes what is missing; nothing that exists is ever written to. */
function createMaker(request: SecretsRequest) {
  const report: Made[] = [];
  const own = async (path: string): Promise<void> => {
    if (request.owner !== null) await chown(path, request.owner.uid, request.owner.gid);
  };
  const folder = async (path: string, meaning: string): Promise<void> => {
    const full = join(request.dir, path);
    const made = !(await exists(full));
    if (made) {
      await mkdir(full, { recursive: true, mode: 0o700 });
      await own(full);
    }
    report.push({ path: full, made, meaning });
  };
  /** Files that belong together are made together or not at all; rejects when only some of them are there. */
  const files = async (wanted: readonly Wanted[], contents: () => Promise<readonly string[]>): Promise<void> => {
    const paths = wanted.map(({ path }) => join(request.dir, path));
    const found = await Promise.all(paths.map(exists));
    const made = !found.includes(true);
    if (!made && found.includes(false)) {
      const missing = paths[found.indexOf(false)];
      throw new Error(`${missing} is missing, but ${paths[found.indexOf(true)]} exists; remove that or supply both`);
    }
    const texts = made ? await contents() : [];
    for (const [i, { mode, meaning }] of wanted.entries()) {
      const path = paths[i] ?? '';
      if (made) {
        await mkdir(dirname(path), { recursive: true, mode: 0o700 });
        await writeFile(path, `${(texts[i] ?? '').trimEnd()}\n`, { mode, flag: 'wx' });
        await own(path);
      }
      report.push({ path, made, meaning });
    }
  };
  const secret = (path: string, meaning: string, make: () => string): Promise<void> =>
    files([{ path, meaning, mode: 0o600 }], async () => [make()]);
  return { report, folder, files, secret };
}

/**
 * Makes the secret files that docker-compose.yml mounts, each 0600 in folders 0700. Existing files are left alone.
 * Rejects with the system's error when one cannot be written.
 */
export async function makeSecrets(request: SecretsRequest): Promise<readonly Made[]> {
  const { report, folder, files, secret } = createMaker(request);
  await folder('.', 'all secrets; keep it out of the repository and of backups in clear');
  await secret('sealing-key', 'seals JWTs and sessions in Redis', () => randomBytes(32).toString('base64'));
  await secret('token-key', 'keys the hash of access tokens', () => randomBytes(48).toString('base64'));
  await secret('redis-password', 'password of the gateway at Redis', password);
  await files(
    [
      {
        path: 'tls-cert.pem',
        meaning: 'self-signed certificate of the gateway; replace both by your own',
        mode: 0o644,
      },
      { path: 'tls-key.pem', meaning: 'its key', mode: 0o600 },
    ],
    async () => {
      const names = new Set(['localhost', hostname(), 'gateway', '127.0.0.1', '::1', ...request.hosts]);
      const { certPem, keyPem } = await createSelfSigned({ hosts: [...names], days: CERTIFICATE_DAYS });
      return [certPem, keyPem];
    },
  );
  await files(
    [
      { path: 'saml-cert.pem', meaning: 'certificate of the SAML key; the identity provider learns it', mode: 0o644 },
      { path: 'saml-key.pem', meaning: 'signs SAML requests and opens encrypted assertions', mode: 0o600 },
    ],
    async () => {
      const { certPem, keyPem } = await createSigningKey('vov-gateway');
      return [certPem, keyPem];
    },
  );
  await folder('vov-tls', 'ca.pem: the authority of your vovserver');
  await folder('vov-passwords', 'one file per vovserver account, named as the account, with its password');
  if (!request.demo) return report;

  for (const user of DEMO_USERS) await secret(`vov-passwords/${user}`, `${user} at the stand-in`, password);
  await folder('standin', 'what the stand-in vovserver needs: its certificate');
  await files(
    [
      { path: 'vov-tls/ca.pem', meaning: 'authority that the gateway trusts for the stand-in', mode: 0o644 },
      { path: 'standin/tls-cert.pem', meaning: 'certificate of the stand-in', mode: 0o644 },
      { path: 'standin/tls-key.pem', meaning: 'its key', mode: 0o600 },
    ],
    async () => {
      const authority = await createAuthority('vov-gateway demo authority');
      const leaf = await authority.leaf({ hosts: [STANDIN_HOST], days: CERTIFICATE_DAYS });
      return [authority.certPem, leaf.certPem, leaf.keyPem];
    },
  );
  return report;
}
