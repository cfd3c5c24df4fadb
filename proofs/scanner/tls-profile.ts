import { execFile } from 'node:child_process';
import { connect } from 'node:tls';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** Mozilla's guideline for servers, version 6.0, “intermediate” (ssl-config.mozilla.org/guidelines/6.0.json). */
export const INTERMEDIATE = {
  suites: ['TLS_AES_128_GCM_SHA256', 'TLS_AES_256_GCM_SHA384', 'TLS_CHACHA20_POLY1305_SHA256'],
  ecdsa: ['ECDHE-ECDSA-AES128-GCM-SHA256', 'ECDHE-ECDSA-AES256-GCM-SHA384', 'ECDHE-ECDSA-CHACHA20-POLY1305'],
  rsa: ['ECDHE-RSA-AES128-GCM-SHA256', 'ECDHE-RSA-AES256-GCM-SHA384', 'ECDHE-RSA-CHACHA20-POLY1305'],
  groups: ['X25519MLKEM768', 'X25519', 'prime256v1', 'secp384r1'],
} as const;

/** Groups that servers offer; what the profile does not name must be refused. */
const GROUPS = [...INTERMEDIATE.groups, 'secp521r1', 'X448', 'ffdhe2048', 'brainpoolP256r1tls13', 'SecP256r1MLKEM768'];
const SUITES = [...INTERMEDIATE.suites, 'TLS_AES_128_CCM_SHA256', 'TLS_AES_128_CCM_8_SHA256'];
const ALL = 'ALL:COMPLEMENTOFALL:@SECLEVEL=0';

/** One handshake with openssl; the cipher that was agreed on, or null when the server refused. */
export async function handshake(port: number, flags: readonly string[]): Promise<string | null> {
  const args = ['s_client', '-connect', `127.0.0.1:${port}`, '-servername', 'localhost', ...flags];
  const pending = run('openssl', args, { timeout: 10_000 });
  pending.child.stdin?.end();
  const { stdout } = await pending.catch(() => ({ stdout: '' }));
  const cipher = /Cipher is (\S+)/.exec(stdout)?.[1] ?? '(NONE)';
  return cipher === '(NONE)' ? null : cipher;
}

/** A handshake of one protocol with everything that openssl has. */
export const speaks = (port: number, protocol: 'tls1' | 'tls1_1' | 'tls1_2' | 'tls1_3'): Promise<string | null> =>
  handshake(port, [`-${protocol}`, ...(protocol === 'tls1_3' ? [] : ['-cipher', ALL])]);

async function accepted(names: readonly string[], flagsOf: (name: string) => readonly string[], port: number) {
  const found: string[] = [];
  for (const name of names) if ((await handshake(port, flagsOf(name))) === name) found.push(name);
  return found;
}

/** Every cipher of TLS 1.2 and below that openssl knows. */
export async function knownCiphers(): Promise<string[]> {
  const { stdout } = await run('openssl', ['ciphers', '-s', '-tls1_2', ALL]);
  return stdout
    .trim()
    .split(':')
    .filter((name) => !name.startsWith('TLS_'));
}

/** The ciphers of TLS 1.2 that the server takes, each tried alone. */
export const ciphersOf = (port: number, names: readonly string[]): Promise<string[]> =>
  accepted(names, (name) => ['-tls1_2', '-cipher', `${name}:@SECLEVEL=0`], port);

/** The cipher suites of TLS 1.3 that the server takes, each tried alone. */
export const suitesOf = (port: number): Promise<string[]> =>
  accepted(SUITES, (name) => ['-tls1_3', '-ciphersuites', name], port);

/** Whether the server follows the client's order: two ciphers, offered both ways round. */
export async function followsClient(port: number, [first, second]: readonly [string, string]): Promise<boolean> {
  const agreed = (order: string): Promise<string | null> => handshake(port, ['-tls1_2', '-cipher', order]);
  return (await agreed(`${first}:${second}`)) === first && (await agreed(`${second}:${first}`)) === second;
}

/** The groups of the key exchange that the server takes, each tried alone; by Node, whose OpenSSL knows the newer ones. */
export async function groupsOf(port: number): Promise<string[]> {
  const found: string[] = [];
  for (const group of GROUPS) if (await takesGroup(port, group)) found.push(group);
  return found;
}

function takesGroup(port: number, group: string): Promise<boolean> {
  return new Promise((resolve) => {
    const options = {
      port,
      host: '127.0.0.1',
      ecdhCurve: group,
      minVersion: 'TLSv1.3',
      rejectUnauthorized: false,
    } as const;
    const socket = connect(options, () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
