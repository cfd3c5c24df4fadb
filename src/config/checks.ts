import { ACCESS_CHECKS } from './checks-access.ts';
import { JOBS_CHECKS } from './checks-jobs.ts';
import { LANE_CHECKS } from './checks-lanes.ts';
import { QUEUE_CHECKS } from './checks-queue.ts';
import { SERVER_CHECKS } from './checks-server.ts';
import { SIGN_IN_CHECKS } from './checks-sign-in.ts';
import { TLS_CHECKS } from './checks-tls.ts';
import { VALUE_CHECKS } from './checks-value.ts';
import type { Draft } from './draft.ts';
import type { Files } from './files.ts';

/** What a cross-check found; a warning does not stop the start. */
export interface CheckFinding {
  readonly path: string;
  readonly reason: string;
  readonly mend: string;
  readonly level?: 'warning';
  /** The file at fault, watched so that mending it is noticed. */
  readonly file?: string;
}

/** One rule between keys. It sees a draft: parts at fault are missing, and it stays silent about them. */
export interface Check {
  readonly name: string;
  run(draft: Draft, context: { readonly files: Files }): Iterable<CheckFinding>;
}

/** One row, one rule. */
export const CHECKS: readonly Check[] = [
  ...SERVER_CHECKS,
  ...QUEUE_CHECKS,
  ...ACCESS_CHECKS,
  ...SIGN_IN_CHECKS,
  ...VALUE_CHECKS,
  ...TLS_CHECKS,
  ...JOBS_CHECKS,
  ...LANE_CHECKS,
];
