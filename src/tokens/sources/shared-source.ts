import type { Clock, Secret } from '../../kernel/index.ts';
import type { CredentialSource } from '../ports.ts';
import { problemAndMend } from './file-source.ts';
import { toPassword } from './password-version.ts';
import { readSecretFile, type SecretFile, SecretFileError } from './secret-file.ts';
import { sourceError } from './source-error.ts';

export interface SharedSourceOptions {
  /** The one account that it knows. */
  readonly account: string;
  readonly passwordFile: string;
  readonly versionKey: Secret;
  readonly clock: Clock;
}

/** Creates the source of one service account, whose password is in a file; looks at each call for a change. */
export function createSharedSource(options: SharedSourceOptions): CredentialSource {
  const { account: known, passwordFile, versionKey, clock } = options;
  let read: SecretFile | null = null;
  return {
    name: `shared ${known}`,
    async find(account) {
      // A rule that gives a user this name as an account of its own gets nothing from here.
      if (account.name !== known || !account.shared) return null;
      try {
        read = await readSecretFile(passwordFile, read, clock.now());
        if (read !== null) return toPassword(read.secret.reveal(), account, versionKey);
        throw new SecretFileError('there is no such file', 'mount it or correct credentials[].passwordFile');
      } catch (error) {
        throw sourceError(account, { source: `shared, file ${passwordFile}`, ...problemAndMend(error) });
      }
    },
    async [Symbol.asyncDispose]() {
      read = null;
    },
  };
}
