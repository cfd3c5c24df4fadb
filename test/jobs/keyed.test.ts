import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Answer, Submission } from '../../src/jobs/index.ts';
import { GatewayError } from '../../src/kernel/index.ts';
import { createJobsWorld, type JobsWorld, submissionOf } from './jobs-world.ts';

const jobIdOf = ({ body }: Answer): number => JSON.parse(body.toString()).jobid;
const header = ({ headers }: Answer, name: string): string | undefined => {
  const at = headers.findIndex((one, index) => index % 2 === 0 && one.toLowerCase() === name);
  return at < 0 ? undefined : headers[at + 1];
};
const isReplayed = (answer: Answer): boolean => header(answer, 'idempotent-replayed') === 'true';

function submit(world: Pick<JobsWorld, 'submissions' | 'vovserver'>, changes: Parameters<typeof submissionOf>[0] = {}) {
  const submission: Submission = submissionOf(changes);
  return world.submissions.submit(submission, world.vovserver.way(submission.account));
}

const failsWith = (code: string) => (error: unknown) => {
  assert.ok(error instanceof GatewayError, String(error));
  assert.equal(error.code, code, error.internal);
  return true;
};

const SETTLED = 11_000;

describe('a submission with a key', () => {
  it('is made once, and its answer given again', async () => {
    await using world = createJobsWorld();
    const first = await submit(world);
    assert.equal(isReplayed(first), false);
    const again = await submit(world);
    assert.equal(isReplayed(again), true);
    assert.deepEqual([again.status, again.body.toString()], [first.status, first.body.toString()]);
    assert.equal(header(again, 'content-type'), 'application/json');
    assert.equal(world.vovserver.jobs.length, 1);
    assert.deepEqual(world.what, ['first', 'replayed']);
  });

  it('is found again after its answer was lost, at once', async () => {
    await using world = createJobsWorld();
    world.vovserver.mishaps = ['lost-after'];
    const answer = await submit(world);
    assert.equal(isReplayed(answer), true);
    assert.equal(jobIdOf(answer), world.vovserver.jobs[0]?.id);
    assert.equal(jobIdOf(await submit(world)), jobIdOf(answer));
    assert.equal(world.vovserver.jobs.length, 1);
    assert.deepEqual(world.what, ['first', 'adopted', 'replayed']);
  });

  it('is sent again once it has settled that nothing was executed', async () => {
    await using world = createJobsWorld();
    world.vovserver.mishaps = ['lost-before'];
    await assert.rejects(submit(world), failsWith('GW_OUTCOME_UNKNOWN'));
    await assert.rejects(submit(world), failsWith('GW_OUTCOME_UNKNOWN'));
    assert.equal(world.vovserver.sent.length, 1);
    await world.clock.advance(SETTLED);
    const answer = await submit(world);
    assert.equal(jobIdOf(answer), world.vovserver.jobs[0]?.id);
    assert.equal(world.vovserver.sent.length, 2);
    assert.equal(isReplayed(await submit(world)), true);
  });
});
