import { z } from 'zod';
import { duration } from './values.ts';

export const jobsSchema = z.strictObject({
  keyLife: duration()
    .default(72 * 3_600_000)
    .describe('An Idempotency-Key is remembered this long: a retry after a weekend must still find it.'),
  implicitKeyLife: duration()
    .default(24 * 3_600_000)
    .describe(
      'After a submission with an unknown outcome, an equal one (account, rundir, logfile) without a key is answered by what is found of the first, for this long. 0s: never.',
    ),
  marker: z
    .enum(['none', 'jobname', 'proplist'])
    .default('none')
    .describe(
      'Field of the job that carries the mark by which a submission with an unknown outcome is found again; which one vovserver takes is not publicly known. none: it is found by rundir and logfile only.',
    ),
  originLife: duration()
    .default(400 * 86_400_000)
    .describe('Who submitted a job is remembered this long, also after vovserver has forgotten the job.'),
});
