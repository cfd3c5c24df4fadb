import type { JobState } from '../../kernel/index.ts';

/** Words of STATUSNC ("Job Status"); a job in transfer waits in another queue. */
const STATE_OF: ReadonlyMap<string, JobState> = new Map([
  ['idle', 'idle'],
  ['queued', 'queued'],
  ['transfer', 'queued'],
  ['running', 'running'],
  ['suspended', 'suspended'],
  ['sleeping', 'sleeping'],
  ['withdrawn', 'withdrawn'],
  ['done', 'done'],
  ['failed', 'failed'],
]);

/** The state for a word of STATUSNC; `unknown` for a word that is not documented. */
export const stateOf = (status: string): JobState => STATE_OF.get(status.toLowerCase()) ?? 'unknown';

/** Whether nothing more happens to a job by itself. */
export const isFinal = (state: JobState): boolean => state === 'done' || state === 'failed' || state === 'forgotten';
