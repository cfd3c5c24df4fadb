import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Answer, createOwnership, type Origin } from '../../src/jobs/index.ts';
import { GatewayError, type Identity } from '../../src/kernel/index.ts';
import { createManualClock } from '../world/manual-clock.ts';
import { personOf } from './jobs-world.ts';

const codeIs = (code: string) => (error: unknown) => error instanceof GatewayError && error.code === code;
const json = (status: number, value: unknown): Answer => ({
  status,
  headers: [],
  body: Buffer.from(JSON.stringify(value)),
});
const userReply = (field: string, user: string): Answer =>
  json(200, { errmsg: '', columns: [{ col: 0, field }], rows: [[user]] });

type Origins = Readonly<Record<string, Partial<Origin>>>;

function createRig(options: { readonly answer?: (target: string) => Answer; readonly origins?: Origins } = {}) {
  const clock = createManualClock();
  const reads: string[] = [];
  const { answer = () => userReply('user', 'alice'), origins = {} } = options;
  const find = async (queue: string, jobId: string): Promise<Origin | null> =>
    (origins[`${queue} ${jobId}`] as Origin | undefined) ?? null;
  const ownership = createOwnership({ origins: { find, findMany: async () => [] }, clock });
  const read = async (target: string): Promise<Answer> => {
    reads.push(target);
    return answer(target);
  };
  const check = (call: Partial<Parameters<typeof ownership.check>[0]>): Promise<void> =>
    ownership.check(
      { queue: 'test', account: 'alice', shared: false, identity: personOf('alice'), jobId: '45080', ...call },
      { read },
    );
  return { check, reads, clock };
}

describe('control of a job on a personal account', () => {
  it('is for the USER of the job, however its number is written', async () => {
    const { check, reads } = createRig();
    for (const jobId of ['45080', '000045080', '45080/']) {
      await check({ jobId });
      await assert.rejects(check({ jobId, account: 'bob', identity: personOf('bob') }), codeIs('GW_NOT_YOURS'));
    }
    assert.deepEqual(reads, ['/api/v3/jobs/45080/user'], 'the owner never changes');
  });

  it('asks again after a minute, and for each queue', async () => {
    const { check, reads, clock } = createRig();
    await check({});
    await check({ queue: 'other' });
    await clock.advance(60_001);
    await check({});
    assert.equal(reads.length, 3);
  });

  for (const field of ['USER', 'User', 'user', 'U_SER']) {
    it(`reads the column ${field}`, async () => {
      const { check } = createRig({ answer: () => userReply(field, 'bob') });
      await assert.rejects(check({}), codeIs('GW_NOT_YOURS'));
    });
  }

  it('compares names exactly', async () => {
    for (const user of ['Alice', 'alice ', 'alic', 'alice2', '']) {
      await assert.rejects(createRig({ answer: () => userReply('user', user) }).check({}), codeIs('GW_NOT_YOURS'));
    }
  });

  it('reads the whole row when the field alone is not to be had', async () => {
    const { check, reads } = createRig({
      answer: (target) =>
        target.endsWith('/user')
          ? json(200, { errmsg: 'no such field', columns: [] })
          : json(200, {
              errmsg: '',
              columns: [
                { col: 0, field: 'ID' },
                { col: 1, field: 'USER' },
              ],
              rows: [['000045080', 'bob']],
            }),
    });
    await assert.rejects(check({}), codeIs('GW_NOT_YOURS'));
    assert.deepEqual(reads, ['/api/v3/jobs/45080/user', '/api/v3/jobs/45080']);
  });

  const absent: readonly [string, Answer][] = [
    ['404', json(404, { error: 'Illegal id' })],
    ['no rows', json(200, { errmsg: '', columns: [{ col: 0, field: 'user' }] })],
    ['nothing at all', json(200, { errmsg: '', columns: [] })],
  ];
  for (const [what, answer] of absent) {
    it(`lets vovserver answer for a job that does not exist (${what})`, async () => {
      const { check, reads } = createRig({ answer: () => answer });
      await check({});
      await check({});
      assert.equal(reads.length, 2, 'it may exist a moment later');
    });
  }

  const untold: readonly [string, Answer, string][] = [
    ['a denial', json(403, {}), 'GW_NOT_YOURS'],
    ['a failure', json(500, {}), 'GW_UPSTREAM_INVALID'],
    ['an error text', json(200, { errmsg: 'Acl Denied', columns: [] }), 'GW_UPSTREAM_INVALID'],
    ['nonsense', { status: 200, headers: [], body: Buffer.from('<html>') }, 'GW_UPSTREAM_INVALID'],
  ];
  for (const [what, answer, code] of untold) {
    it(`is refused after ${what}`, async () => {
      await assert.rejects(createRig({ answer: () => answer }).check({}), codeIs(code));
    });
  }

  for (const jobId of ['', '*', '45080/user', '45080;1', '-1', '4508O', '1234567890123']) {
    it(`is refused for “${jobId}”, which is no job id`, async () => {
      const { check, reads } = createRig();
      await assert.rejects(check({ jobId }), codeIs('GW_BAD_PATH'));
      assert.deepEqual(reads, []);
    });
  }
});

describe('control of a job on a shared account', () => {
  const origins: Origins = {
    'test 1': { subject: 'local:alice', account: 'farm' },
    'test 2': { subject: 'local:bob', account: 'farm' },
    'test 3': { subject: 'local:alice', account: 'alice' },
  };
  const as = (user: string, jobId: string, roles?: Identity['roles']) =>
    createRig({ origins, answer: () => userReply('user', 'farm') }).check({
      shared: true,
      account: 'farm',
      identity: personOf(user, roles),
      jobId,
    });

  it('is for its true submitter by the record, whatever vovserver says', async () => {
    await as('alice', '1');
    await as('alice', '0001/');
    await as('bob', '2');
    await assert.rejects(as('alice', '2'), codeIs('GW_NOT_YOURS'));
    await assert.rejects(as('bob', '1'), codeIs('GW_NOT_YOURS'));
  });

  it('is refused without a record, and by a record of another account', async () => {
    await assert.rejects(as('alice', '4'), codeIs('GW_NOT_YOURS'));
    await assert.rejects(as('alice', '3'), codeIs('GW_NOT_YOURS'));
  });

  it('is open to an admin, and not to an operator, who only sees whose it is', async () => {
    await as('root', '1', ['user', 'operator', 'admin']);
    await assert.rejects(as('op', '1', ['user', 'operator']), codeIs('GW_NOT_YOURS'));
  });
});

describe('whether a job is one’s own', () => {
  const origins: Origins = {
    'test 1': { jobId: '1', subject: 'local:alice', account: 'farm' },
    'test 2': { jobId: '2', subject: 'local:bob', account: 'farm' },
    'test 3': { jobId: '3', subject: 'local:alice', account: 'alice' },
  };
  const created = (user: string, answer = userReply('user', user)) => {
    const reads: string[] = [];
    const asked: (readonly string[])[] = [];
    const clock = createManualClock();
    const originOf = (queue: string, jobId: string) => (origins[`${queue} ${jobId}`] as Origin | undefined) ?? null;
    const ownership = createOwnership({
      origins: {
        find: async (queue, jobId) => originOf(queue, jobId),
        findMany: async (queue, jobIds) => {
          asked.push(jobIds);
          return jobIds.map((jobId) => originOf(queue, jobId)).filter((origin) => origin !== null);
        },
      },
      clock,
    });
    const read = async (target: string): Promise<Answer> => {
      reads.push(target);
      return answer;
    };
    return { ownership, way: { read }, reads, asked, clock };
  };
  const call = (who: string, account: string, jobId: string, roles?: Identity['roles']) => ({
    ...{ queue: 'test', account, shared: account === 'farm', identity: personOf(who, roles), jobId },
  });

  it('is told by the USER on a personal account, for a job of another and for none alike', async () => {
    const { ownership, way } = created('alice');
    assert.equal(await ownership.isOwn(call('alice', 'alice', '000007'), way), true);
    assert.equal(await ownership.isOwn(call('bob', 'bob', '7'), way), false);
    const none = created('', json(404, {}));
    assert.equal(await none.ownership.isOwn(call('alice', 'alice', '7'), none.way), false);
    const denied = created('', json(403, {}));
    assert.equal(await denied.ownership.isOwn(call('alice', 'alice', '7'), denied.way), false);
  });

  it('is told by record and USER on a shared account, whatever the role', async () => {
    const { ownership, way } = created('farm');
    assert.equal(await ownership.isOwn(call('alice', 'farm', '1'), way), true);
    for (const [who, jobId] of [
      ['alice', '2'],
      ['alice', '3'],
      ['alice', '4'],
      ['bob', '1'],
    ] as const) {
      assert.equal(await ownership.isOwn(call(who, 'farm', jobId, ['user', 'admin']), way), false, `${who} ${jobId}`);
    }
  });

  it('is not believed of a number that begins anew: the job there belongs to another account', async () => {
    const { ownership, way } = created('carol');
    assert.equal(await ownership.isOwn(call('alice', 'farm', '1'), way), false);
  });

  it('is another’s where there is a job and it is not one’s own', async () => {
    const { ownership, way } = created('alice');
    assert.equal(await ownership.isOther(call('alice', 'alice', '7'), way), false);
    assert.equal(await ownership.isOther(call('bob', 'bob', '0007'), way), true);
    const farm = created('farm');
    assert.equal(await farm.ownership.isOther(call('alice', 'farm', '1'), farm.way), false);
    assert.equal(await farm.ownership.isOther(call('bob', 'farm', '1'), farm.way), true);
    const none = created('', json(404, {}));
    assert.equal(await none.ownership.isOther(call('alice', 'farm', '1'), none.way), false, 'there is none');
    const denied = created('', json(403, {}));
    assert.equal(await denied.ownership.isOther(call('alice', 'alice', '7'), denied.way), true);
    const odd = created('', json(500, {}));
    await assert.rejects(odd.ownership.isOther(call('alice', 'alice', '7'), odd.way), codeIs('GW_UPSTREAM_INVALID'));
  });

  it('throws what is in the way of knowing, and for what is no job id', async () => {
    const { ownership, way } = created('', json(500, {}));
    await assert.rejects(ownership.isOwn(call('alice', 'alice', '7'), way), codeIs('GW_UPSTREAM_INVALID'));
    await assert.rejects(ownership.isOwn(call('alice', 'alice', '*'), way), codeIs('GW_BAD_PATH'));
  });

  it('is told of many at once, and remembered for a minute', async () => {
    const { ownership, asked, clock } = created('farm');
    const mine = (subject: string, ...jobIds: string[]) =>
      ownership.submittedBy({ queue: 'test', account: 'farm', subject }, jobIds);
    assert.deepEqual([...(await mine('local:alice', '1', '2', '3', '4'))], ['1']);
    assert.deepEqual([...(await mine('local:bob', '1', '2', '3', '4'))], ['2']);
    assert.deepEqual(asked, [['1', '2', '3', '4']]);
    await clock.advance(3000);
    assert.deepEqual([...(await mine('local:bob', '1', '2', '3', '4'))], ['2']);
    assert.deepEqual(asked.slice(1), [['4']], 'a job without a record is asked for again after some seconds');
    await clock.advance(60_001);
    assert.deepEqual([...(await mine('local:bob', '2'))], ['2']);
    assert.equal(asked.length, 3);
    assert.equal((await mine('local:bob')).size, 0);
  });
});
