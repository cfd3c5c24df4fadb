import { accessSync, constants, readFileSync, statSync } from 'node:fs';

/** What the loader needs of the file system; every call throws an error with a `code` such as ENOENT. */
export interface Files {
  read(path: string): string;
  /** Throws when the file or folder cannot be read. */
  check(path: string): void;
  /** Permission bits, or null when they say nothing. */
  mode(path: string): number | null;
}

const realFiles: Files = {
  read: (path) => readFileSync(path, 'utf8'),
  check: (path) => accessSync(path, constants.R_OK),
  mode: (path) => (process.platform === 'win32' ? null : statSync(path).mode),
};

/** The real file system, or one made of a single function. */
export const filesOf = (readFile: ((path: string) => string) | undefined): Files =>
  readFile === undefined ? realFiles : { read: readFile, check: (path) => void readFile(path), mode: () => null };

/** The system's code of a failed file operation. */
export const codeOf = (error: unknown): string =>
  typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : 'unreadable';

/** Why a file cannot be read, or null. */
export function unreadable(files: Files, path: string): string | null {
  try {
    files.check(path);
    return null;
  } catch (error) {
    return codeOf(error);
  }
}

/** What to do about the code of a failed file operation. */
export const fileMend = (code: string): string => {
  if (code === 'ENOENT' || code === 'ENOTDIR') return 'Create the file or correct the path.';
  if (code === 'EACCES' || code === 'EPERM') return 'Let the user of this process read it (owner, group, chmod).';
  if (code === 'EISDIR') return 'Name a file, not a folder.';
  return 'Make the file readable for this process.';
};
