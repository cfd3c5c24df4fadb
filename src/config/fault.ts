import type { Config } from './schema.ts';

/** Where a value came from. */
export type FaultSource = 'file' | 'env' | 'flag';

/** One thing that is wrong with the configuration: where, what and what to do. Never holds the value of a secret. */
export interface Fault {
  /** For example `queues[0].tls.pins[1]`, the name of a variable, or the file with line and column. */
  readonly path: string;
  readonly reason: string;
  readonly mend: string;
  readonly source?: FaultSource;
  /** Line in the file, counted from 1. */
  readonly line?: number;
}

/** What was found on the way, whether or not it led to a configuration. */
interface Provenance {
  /** What the administrator should know besides; beside faults, of the parts that have none. */
  readonly warnings: string[];
  /** The files to watch: the configuration file, all secret files, and TLS files that are at fault; absolute. */
  readonly files: readonly string[];
}

/** The frozen configuration, or the complete list of its faults. */
export type ConfigResult =
  | (Provenance & {
      readonly ok: true;
      readonly config: Config;
      /** Keys of `secrets` that were made at this load (development only). */
      readonly generated: readonly string[];
    })
  | (Provenance & { readonly ok: false; readonly faults: Fault[] });
