import type { SourceConfig } from '../../config/index.ts';
import { type Clock, messageOf, type Secret } from '../../kernel/index.ts';
import type { Report } from '../../observe/index.ts';
import type { EnrolledPasswords } from '../enrolled-passwords.ts';
import type { CredentialSource } from '../ports.ts';
import { createExecSource } from './exec-source.ts';
import { createFileSource } from './file-source.ts';
import { createSharedSource } from './shared-source.ts';

export interface SourcesOptions {
  /** The part `credentials` of the live configuration; another array stands for another configuration. */
  readonly config: () => readonly SourceConfig[];
  readonly clock: Clock;
  readonly report: Report;
  /** Key of the password versions: equal on all replicas and over restarts. */
  readonly versionKey: Secret;
  /** Environment of credential programs; that of the process when not given. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** The passwords that people gave; without it the source `enrolled` knows none. */
  readonly enrolled?: Pick<EnrolledPasswords, 'find'>;
}

/** The configured credential sources, in order. Call it for the list as it is now. */
export interface Sources extends AsyncDisposable {
  (): readonly CredentialSource[];
  /** Builds the sources anew when the configuration has changed; a call does the same. */
  update(): void;
}

function createSource(config: SourceConfig, options: SourcesOptions): CredentialSource | null {
  const { clock, report, versionKey, env = process.env } = options;
  switch (config.type) {
    case 'file':
      return createFileSource({ dir: config.dir, versionKey, clock });
    case 'exec':
      return createExecSource({ ...config, versionKey, clock, report, env });
    case 'shared':
      return createSharedSource({ ...config, versionKey, clock });
    case 'enrolled':
      return options.enrolled === undefined ? null : createEnrolledSource(options.enrolled);
    case 'passthrough':
      // Knows no password; the broker only needs to know that it is on.
      return null;
  }
}

function createEnrolledSource(passwords: Pick<EnrolledPasswords, 'find'>): CredentialSource {
  return { name: 'enrolled', find: passwords.find, [Symbol.asyncDispose]: async () => undefined };
}

/** Lets a source answer for its queues only. */
function forQueues(source: CredentialSource, queues: readonly string[] | undefined): CredentialSource {
  if (queues === undefined) return source;
  return {
    name: source.name,
    find: async (account) => (queues.includes(account.queue) ? await source.find(account) : null),
    [Symbol.asyncDispose]: () => source[Symbol.asyncDispose](),
  };
}

/** Creates the credential sources `file`, `exec`, `shared` and `enrolled` as configured; `passthrough` has none. */
export function createSources(options: SourcesOptions): Sources {
  const { config, report } = options;
  const build = (entries: readonly SourceConfig[]): readonly CredentialSource[] =>
    entries.flatMap((entry) => {
      const source = createSource(entry, options);
      return source === null ? [] : [forQueues(source, entry.queues)];
    });
  const end = async (sources: readonly CredentialSource[]): Promise<void> => {
    for (const source of sources) await source[Symbol.asyncDispose]();
  };
  let from = config();
  let current = build(from);
  const update = (): void => {
    const now = config();
    if (now === from) return;
    const before = current;
    from = now;
    current = build(now);
    end(before).catch((error) =>
      report.log.warn(
        { event: 'credential_sources', reason: messageOf(error) },
        'an old credential source did not end',
      ),
    );
  };
  const list = (): readonly CredentialSource[] => {
    update();
    return current;
  };
  return Object.assign(list, { update, [Symbol.asyncDispose]: () => end(current) });
}
