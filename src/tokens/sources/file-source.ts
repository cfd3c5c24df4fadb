import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type Account, type Clock, messageOf, type Secret } from '../../kernel/index.ts';
import type { CredentialSource } from '../ports.ts';
import { toPassword } from './password-version.ts';
import { readSecretFile, type SecretFile, SecretFileError } from './secret-file.ts';
import { sourceError } from './source-error.ts';

export interface FileSourceOptions {
  /** Folder with one file per account. */
  readonly dir: string;
  readonly versionKey: Secret;
  readonly clock: Clock;
}

/** Names that cannot lead out of the folder, nor to the hidden entries by which Kubernetes swaps its content. */
export const isFileName = (account: string): boolean => /^[A-Za-z0-9_][A-Za-z0-9_.@+$-]{0,127}$/.test(account);

/** The problem and its mend in a thrown value. */
export function problemAndMend(error: unknown): { problem: string; mend: string; cause: unknown } {
  const mend = error instanceof SecretFileError ? error.mend : 'see the cause';
  return { problem: messageOf(error), mend, cause: error };
}

/** Creates the source that finds the password of an account in the file of its name; looks at each call for a change. */
export function createFileSource({ dir, versionKey, clock }: FileSourceOptions): CredentialSource {
  const read = new Map<string, SecretFile>();
  const name = `file ${dir}`;

  const checkFolder = async (account: Account): Promise<void> => {
    const found = await stat(dir).catch(() => null);
    if (found?.isDirectory()) return;
    const mend = 'mount the folder or correct credentials[].dir';
    throw sourceError(account, { source: name, problem: 'there is no such folder, or it cannot be entered', mend });
  };

  return {
    name,
    async find(account) {
      if (!isFileName(account.name)) return null;
      const path = join(dir, account.name);
      const found = await readSecretFile(path, read.get(account.name) ?? null, clock.now()).catch((error) => {
        throw sourceError(account, { source: `file ${path}`, ...problemAndMend(error) });
      });
      if (found === null) {
        read.delete(account.name);
        await checkFolder(account);
        return null;
      }
      read.set(account.name, found);
      return toPassword(found.secret.reveal(), account, versionKey);
    },
    async [Symbol.asyncDispose]() {
      read.clear();
    },
  };
}
