import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  type Stats,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';

/** A file with a secret that cannot be used; the message says what to do. */
export class PrivateFileError extends Error {}

const codeOf = (error: unknown): unknown => (error instanceof Error ? Reflect.get(error, 'code') : undefined);
const quoted = (path: string): string => `'${path.replaceAll("'", "'\\''")}'`;

/** Why a file is not private, or null. */
function faultOf(path: string, about: Stats): string | null {
  const { uid, mode } = about;
  if (!about.isFile()) return `${path} is no plain file; remove it and log in again`;
  if (process.getuid !== undefined && uid !== process.getuid()) {
    return `${path} belongs to another user, so it is not used; remove it and log in again`;
  }
  if ((mode & 0o077) === 0) return null;
  return `${path} can be read by others, so it is not used; run: chmod 600 ${quoted(path)}`;
}

/** The text of a file that only its owner can read, null when there is none; throws {@link PrivateFileError}. */
export function readPrivate(path: string): string | null {
  let handle: number;
  try {
    // A link may lead to what somebody else wants to be read; a pipe would never open.
    handle = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR') return null;
    if (codeOf(error) === 'ELOOP') throw new PrivateFileError(`${path} is a link; remove it and log in again`);
    throw new PrivateFileError(`${path} cannot be read (${codeOf(error)})`);
  }
  try {
    const reason = faultOf(path, fstatSync(handle));
    if (reason !== null) throw new PrivateFileError(reason);
    return readFileSync(handle, 'utf8');
  } finally {
    closeSync(handle);
  }
}

function discard(draft: string): void {
  try {
    rmSync(draft, { force: true });
  } catch {
    // Its folder is not there or is none: then neither is the draft.
  }
}

/** Writes a file that only its owner can read, whole or not at all, in a folder that only its owner can enter. */
export function writePrivate(path: string, text: string): void {
  const folder = dirname(path);
  const draft = join(folder, `.${basename(path)}.${randomBytes(6).toString('hex')}`);
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    chmodSync(folder, 0o700);
    const handle = openSync(draft, 'wx', 0o600);
    try {
      fchmodSync(handle, 0o600);
      writeFileSync(handle, text);
      fsyncSync(handle);
    } finally {
      closeSync(handle);
    }
    renameSync(draft, path);
  } catch (error) {
    discard(draft);
    throw new PrivateFileError(`${path} cannot be written (${codeOf(error)})`);
  }
}

/** Deletes a file; false when there was none. */
export function deletePrivate(path: string): boolean {
  try {
    rmSync(path);
    return true;
  } catch (error) {
    if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR') return false;
    throw new PrivateFileError(`${path} cannot be deleted (${codeOf(error)})`);
  }
}
