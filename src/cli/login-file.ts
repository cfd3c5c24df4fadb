import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';
import { deletePrivate, PrivateFileError, readPrivate, writePrivate } from './private-file.ts';
import type { Environment } from './verb.ts';

/** What `vovgw login` keeps; clients/python reads it too, so its names stay. */
export interface Login {
  /** Scheme, host and port of the gateway. */
  readonly url: string;
  readonly user: string;
  readonly token: string;
  /** ISO 8601. */
  readonly expires_at: string;
  /** Absolute path of the CA bundle; null: the authorities of the system. */
  readonly ca_file: string | null;
}

/** A login that was begun with --no-wait. */
export interface PendingLogin {
  readonly url: string;
  readonly ca_file: string | null;
  readonly device_code: string;
  readonly user_code: string;
  readonly verification_uri: string;
  /** Seconds. */
  readonly interval: number;
  /** ISO 8601. */
  readonly expires_at: string;
}

/** The folder `vovgw` in the user's configuration directory (XDG base directory specification). */
function folderOf(env: Environment): string {
  const { XDG_CONFIG_HOME: named, HOME: home } = env;
  // The specification wants a relative path ignored.
  const base = named !== undefined && isAbsolute(named) ? named : join(home || homedir(), '.config');
  return join(base, 'vovgw');
}

export const loginFile = (env: Environment): string => join(folderOf(env), 'login.json');
const pendingFile = (env: Environment): string => join(folderOf(env), 'pending.json');

function membersOf(path: string, text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null) return value as Record<string, unknown>;
  } catch {
    // Told below, like other damage.
  }
  throw damaged(path);
}

const damaged = (path: string): PrivateFileError => new PrivateFileError(`${path} is damaged; run: vovgw login`);

/** The saved login, null when there is none; throws PrivateFileError for a file that others can read, or a damaged one. */
export function readLogin(env: Environment): Login | null {
  const path = loginFile(env);
  const text = readPrivate(path);
  if (text === null) return null;
  const { url, user, token, expires_at, ca_file = null } = membersOf(path, text);
  if (typeof url !== 'string' || typeof user !== 'string' || typeof token !== 'string') throw damaged(path);
  if (typeof expires_at !== 'string' || Number.isNaN(Date.parse(expires_at))) throw damaged(path);
  if (ca_file !== null && typeof ca_file !== 'string') throw damaged(path);
  return { url, user, token, expires_at, ca_file };
}

export function writeLogin(env: Environment, login: Login): void {
  writePrivate(loginFile(env), `${JSON.stringify(login, null, 2)}\n`);
}

export function deleteLogin(env: Environment): boolean {
  return deletePrivate(loginFile(env));
}

export function writePending(env: Environment, pending: PendingLogin): void {
  writePrivate(pendingFile(env), `${JSON.stringify(pending, null, 2)}\n`);
}

/** Takes a login that was begun with --no-wait away, so that whatever happens next leaves nothing of it; null when there is none. */
export function takePending(env: Environment): PendingLogin | null {
  const path = pendingFile(env);
  const text = readPrivate(path);
  if (text === null) return null;
  deletePrivate(path);
  const found = membersOf(path, text);
  const texts = ['url', 'device_code', 'user_code', 'verification_uri', 'expires_at'];
  const whole = texts.every((name) => typeof found[name] === 'string') && typeof found.interval === 'number';
  return whole ? (found as unknown as PendingLogin) : null;
}
