import { type BigIntStats, constants } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import { Secret } from '../../kernel/index.ts';

/** No password is longer; a larger file is some other file. */
const LONGEST_BYTES = 4096;
/** A file that changed this short before it was read may change again without another time stamp. */
const UNSETTLED_MS = 2000;

/** Why a secret file gives no secret; `mend` is what to do. */
export class SecretFileError extends Error {
  readonly mend: string;

  constructor(problem: string, mend: string, cause?: unknown) {
    super(problem, cause === undefined ? undefined : { cause });
    this.name = 'SecretFileError';
    this.mend = mend;
  }
}

/** One secret file as last read, and the marks by which a change shows. */
export interface SecretFile {
  readonly marks: string;
  readonly settled: boolean;
  readonly secret: Secret;
}

const codeOf = (error: unknown): string => (error instanceof Error && 'code' in error ? String(error.code) : '');

function problemOf(error: unknown): SecretFileError {
  const code = codeOf(error);
  const mend = code === 'EACCES' ? 'give the user of the gateway the right to read it' : 'check the file';
  return new SecretFileError(`cannot be read (${code || 'unknown error'})`, mend, error);
}

function marksOf(found: BigIntStats): { marks: string; changedAt: number; size: bigint } {
  if (!found.isFile()) throw new SecretFileError('is no regular file', 'put a file with the password there');
  const { dev, ino, size, mtimeNs, ctimeNs } = found;
  const changedAt = Number((mtimeNs > ctimeNs ? mtimeNs : ctimeNs) / 1_000_000n);
  return { marks: [dev, ino, size, mtimeNs, ctimeNs].join(':'), changedAt, size };
}

/** The password in the bytes of a file: UTF-8, one line; the line's end is not part of it. Throws SecretFileError. */
export function passwordIn(bytes: Uint8Array): string {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new SecretFileError('is not UTF-8', 'save it as UTF-8');
  }
  const password = text.replace(/\r?\n$/, '');
  if (password === '') throw new SecretFileError('is empty', 'write the password into it');
  if (/[\r\n\0]/.test(password)) {
    throw new SecretFileError('holds more than one line or a NUL', 'leave only the password in it');
  }
  return password;
}

async function load(path: string, now: number): Promise<SecretFile> {
  // Non-blocking, so that a pipe in the place of the file cannot hold the gateway.
  await using file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  const { marks, changedAt, size } = marksOf(await file.stat({ bigint: true }));
  if (size > LONGEST_BYTES) {
    throw new SecretFileError(`is longer than ${LONGEST_BYTES} bytes`, 'put a file with only the password there');
  }
  const buffer = Buffer.alloc(LONGEST_BYTES + 1);
  const { bytesRead } = await file.read(buffer, 0, buffer.length, 0);
  const secret = new Secret(passwordIn(buffer.subarray(0, bytesRead)));
  return { marks, settled: now - changedAt > UNSETTLED_MS, secret };
}

/**
 * Reads the secret in a file, or gives `before` when the file has not changed since. Null when there is no such file.
 * `now` in milliseconds since the epoch. Throws SecretFileError.
 */
export async function readSecretFile(path: string, before: SecretFile | null, now: number): Promise<SecretFile | null> {
  try {
    const { marks } = marksOf(await stat(path, { bigint: true }));
    return before?.settled && before.marks === marks ? before : await load(path, now);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return null;
    throw error instanceof SecretFileError ? error : problemOf(error);
  }
}
