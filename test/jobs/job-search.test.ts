import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Answer } from '../../src/jobs/index.ts';
import { isTheJob, mayName } from '../../src/jobs/log-name.ts';
import { GatewayError } from '../../src/kernel/index.ts';
import { BODY, createJobsWorld, createReplica, type JobsWorld, type Replica, submissionOf } from './jobs-world.ts';

const jobIdOf = ({ body }: Answer): number => JSON.parse(body.toString()).jobid;
const isUnknown = (error: unknown): boolean => error instanceof GatewayError && error.code === 'GW_OUTCOME_UNKNOWN';
/** Beyond jobs.settle.lost and readAge. */
const SETTLED = 71_000;

interface Way {
  readonly key: string | null;
  /** Whether vovserver says its time. */
  readonly date: boolean;
}

const WAYS: readonly Way[] = [null, 'key-1'].flatMap((key) => [true, false].map((date) => ({ key, date })));
const told = ({ key, date }: Way): string => `${key ?? 'no key'}, ${date ? 'with' : 'without'} a Date`;

/** A vovserver that drops marks and runs as many jobs of one log file as it is given. */
function createWorld({ key, date }: Way, offset = 0): JobsWorld {
  const world = createJobsWorld({ marker: key === null ? 'none' : 'jobname' });
  Object.assign(world.vovserver, { refusesSameLogfile: false, drops: ['jobname'], clockOffset: offset });
  if (date) return world;
  const way = world.vovserver.way;
  world.vovserver.way = (account) => {
    const real = way(account);
    const read = async (target: string): Promise<Answer> => {
      const { headers, ...answer } = await real.read(target);
      return { ...answer, headers: headers.filter((_, at) => headers[at - (at % 2)] !== 'Date') };
    };
    return { ...real, read };
  };
  return world;
}

const submit = (world: JobsWorld, { key }: Way, json: object = BODY, replica: Replica = world): Promise<Answer> =>
  replica.submissions.submit(submissionOf({ key, json }), world.vovserver.way('alice'));

/** Loses a submission whose job nobody looks for yet. */
async function lose(
  world: JobsWorld,
  way: Way,
  mishap: 'lost-before' | 'lost-after',
  json: object = BODY,
  replica: Replica = world,
): Promise<void> {
  world.vovserver.mishaps = [mishap];
  world.vovserver.reading = 'away';
  await assert.rejects(submit(world, way, json, replica), isUnknown);
  world.vovserver.reading = 'ok';
}

describe('the search for a lost job', () => {
  for (const way of WAYS) {
    for (const ahead of [3000, 9000]) {
      it(`finds what a replica lost whose clock is ${ahead / 1000} s ahead (${told(way)})`, async () => {
        await using world = createWorld(way);
        const clock = { ...world.clock, now: () => world.clock.now() + ahead };
        const other = createReplica(world.kv, clock, () => world.config);
        await lose(world, way, 'lost-after', BODY, other);
        await world.clock.advance(SETTLED + ahead);
        assert.equal(jobIdOf(await submit(world, way)), world.vovserver.jobs[0]?.id);
        assert.equal(world.vovserver.jobs.length, 1);
      });
    }

    for (const behind of [30_000, 120_000, 280_000, 600_000]) {
      it(`sends nothing twice when the clock of vovserver is ${behind / 1000} s behind (${told(way)})`, async () => {
        // By how much an hour of doubt is, only a Date can tell.
        if (!way.date && behind > 280_000) return;
        await using world = createWorld(way, -behind);
        await lose(world, way, 'lost-after');
        await world.clock.advance(SETTLED);
        const answer = await submit(world, way).catch((error: unknown) => error);
        if (answer instanceof GatewayError) assert.ok(isUnknown(answer));
        else assert.equal(jobIdOf(answer as Answer), world.vovserver.jobs[0]?.id);
        assert.equal(answer instanceof GatewayError, !way.date || behind > 280_000, 'found, where the clock is known');
        assert.equal(world.vovserver.jobs.length, 1);
      });
    }

    it(`is not held up by jobs of that log file whose submission is known (${told(way)})`, async () => {
      await using world = createWorld(way);
      for (const key of ['before-1', 'before-2']) {
        await submit(world, { ...way, key: way.key === null ? null : key });
        await world.clock.advance(100_000);
      }
      await lose(world, way, 'lost-before');
      await world.clock.advance(SETTLED);
      assert.equal(jobIdOf(await submit(world, way)), world.vovserver.jobs[2]?.id);
    });
  }

  it('is in doubt about an older job of the log file only where no Date says that it is older', async () => {
    for (const date of [true, false]) {
      const way = { key: 'key-1', date };
      await using world = createWorld(way);
      world.vovserver.jobs.push({ id: 7, user: 'alice', body: BODY, at: world.clock.now() - 60_000 });
      await lose(world, way, 'lost-before');
      await world.clock.advance(SETTLED);
      if (date) await submit(world, way);
      else await assert.rejects(submit(world, way), isUnknown);
      assert.equal(world.vovserver.sent.length, date ? 2 : 1);
    }
  });

  it('is in doubt about times that are no numbers', async () => {
    for (const key of [null, 'key-1']) {
      await using world = createWorld({ key, date: true });
      const way = world.vovserver.way('alice');
      await lose(world, { key, date: true }, 'lost-after');
      await world.clock.advance(SETTLED);
      const read = async (target: string): Promise<Answer> => {
        const answer = await way.read(target);
        return { ...answer, body: Buffer.from(answer.body.toString().replace(/\b\d{10}\b/g, '"Thu Jan 01"')) };
      };
      await assert.rejects(world.submissions.submit(submissionOf({ key }), { ...way, read }), isUnknown);
      assert.equal(world.vovserver.sent.length, 1);
    }
  });

  /** As the caller writes the log file, as vovserver shows it, and whether that is surely the same. */
  const FORMS: readonly [logfile: string, shown: string, sure: boolean][] = [
    ['./JOBLOG.1', 'JOBLOG.1', true],
    ['JOBLOG.1', '/proj/a/JOBLOG.1', true],
    ['/proj/a//logs/../JOBLOG.1', '/proj/a/JOBLOG.1', true],
    ['my log.1', 'my\\ log.1', true],
    ['my log.1', "'my log.1'", true],
    ['my log.1', 'my%20log.1', false],
    ['$HOME/JOBLOG.1', '/home/alice/JOBLOG.1', false],
    ['logs/@JOBID@', 'logs/45080', false],
    ['JOBLOG.1', 'JOBLOG.1 2>&1', false],
  ];
  for (const [logfile, shown, sure] of FORMS) {
    for (const key of [null, 'key-1']) {
      const way = { key, date: true };
      it(`sends nothing twice when ${logfile} is shown as ${shown} (${key ?? 'no key'})`, async () => {
        await using world = createWorld(way);
        world.vovserver.showsCommand = (command) => `vw ${command} > ${shown}`;
        const json = { ...BODY, logfile };
        await lose(world, way, 'lost-after', json);
        await world.clock.advance(SETTLED);
        if (sure) assert.equal(jobIdOf(await submit(world, way, json)), world.vovserver.jobs[0]?.id);
        else await assert.rejects(submit(world, way, json), isUnknown);
        assert.equal(world.vovserver.jobs.length, 1);
      });
    }
  }
});

describe('names of log files', () => {
  const pairs: readonly [command: string, file: string, fits: boolean][] = [
    ['vw x > run/log.1', 'other/log.1', true],
    ['vw x > log.10', 'log.1', false],
    ['vw x > a_log.1', 'log.1', false],
    ['vw x > mylog1', 'my log1', true],
    ['vw x > log my', 'my log', false],
    ['vw x > anything', '$LOG', true],
    ['vw x > anything', 'ü', true],
  ];
  for (const [command, file, fits] of pairs) {
    it(`${file} may ${fits ? '' : 'not '}be named by ${command}`, () => assert.equal(mayName(command, file), fits));
  }

  it('and directories are one in every spelling; commands are not', () => {
    const job = { rundir: '/proj/a/', logfile: 'L', command: 'x > y' };
    const is = (command: string, dir = '/proj/a') => isTheJob({ command, dir }, job);
    assert.deepEqual([is('vw x > y > ./L'), is('x > y > L'), is('vw x > y > L', '/proj/./a')], [true, true, true]);
    assert.deepEqual(
      [is('vw x > L'), is('vw vw x > y > L'), is('vw x > y > L', '/proj/b'), is('vw x > y > ../L')],
      [false, false, false, false],
    );
  });
});
