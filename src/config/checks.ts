import type { Draft } from './draft.ts';
import type { Files } from './files.ts';

/** What a cross-check found; a warning does not stop the start. */
export interface CheckFinding {
  readonly path: string;
  readonly reason: string;
  readonly mend: string;
  readonly level?: 'warning';
}

/** One rule between keys. It sees a draft: parts at fault are missing, and it stays silent about them. */
export interface Check {
  readonly name: string;
  run(draft: Draft, context: { readonly files: Files }): Iterable<CheckFinding>;
}

/** One row, one rule. */
export const CHECKS: readonly Check[] = [];
