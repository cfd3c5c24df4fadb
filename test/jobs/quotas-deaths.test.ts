import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { GatewayError } from '../../src/kernel/index.ts';
import { createMemoryKeyValue } from '../../src/platform/index.ts';
import { createManualClock } from '../world/manual-clock.ts';
import { createFakeVovserver } from './fake-vovserver.ts';
import { submissionOf } from './jobs-world.ts';
import { createMortal } from './mortal.ts';
import { callerOf, createLiveJobs, createQuotaReplica, memberOf, quotaOf, tryReserve } from './quotas-world.ts';

const LIMIT = 5;
const QUOTAS = [quotaOf({ submissionsPerDay: LIMIT })];

/** A replica that dies at a step, then a retry elsewhere until it is over: jobs made, and what the quota counts. */
async function play(step: number, applied: boolean, answer: 'none' | 'lost-after' | 'not-sent') {
  const clock = createManualClock();
  await using kv = createMemoryKeyValue({ clock });
  const vovserver = createFakeVovserver(clock);
  vovserver.mishaps.push(answer);
  const mortal = createMortal(kv);
  const first = createQuotaReplica(mortal.kv, clock, QUOTAS);
  const second = createQuotaReplica(kv, clock, QUOTAS);
  const submission = submissionOf({ key: 'k', identity: memberOf('alice') });
  mortal.dieAt(step, applied);
  const way = mortal.way(vovserver.way('alice'));
  const trying = first.submissions.submit(submission, way).catch(() => null);
  const died = (await Promise.race([trying, mortal.died])) === 'died';
  let accepted = false;
  for (let tries = 0; tries < 10 && !accepted; tries += 1) {
    await clock.advance(130_000);
    const got = await second.submissions.submit(submission, vovserver.way('alice')).catch((error: unknown) => {
      assert.ok(error instanceof GatewayError && error.code !== 'GW_QUOTA', String(error));
      return null;
    });
    accepted = got?.status === 200;
  }
  let room = 0;
  const { way: nobody } = createLiveJobs();
  while (room <= LIMIT && (await tryReserve(second, callerOf('alice'), `probe${room}`, nobody)) === 'taken') room += 1;
  return { died, accepted, jobs: vovserver.jobs.length, counted: LIMIT - room };
}

describe('what a quota counts when a replica dies', () => {
  for (const answer of ['none', 'lost-after', 'not-sent'] as const) {
    it(`at any step is what was made in the end (first answer: ${answer})`, async () => {
      let deaths = 0;
      for (let step = 1; step <= 16; step += 1) {
        for (const applied of [false, true]) {
          const { died, accepted, jobs, counted } = await play(step, applied, answer);
          const where = `step ${step}, ${applied ? 'after' : 'before'} it took effect`;
          deaths += died ? 1 : 0;
          assert.ok(jobs <= 1, where);
          if (accepted) assert.deepEqual([jobs, counted], [1, 1], where);
          // Without a mark nobody can tell that nothing was made; what was made is never left out.
          else assert.ok(counted >= jobs && counted <= 1, where);
        }
      }
      assert.ok(deaths >= 8, String(deaths));
    });
  }
});
