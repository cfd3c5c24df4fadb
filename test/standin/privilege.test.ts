import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { LEVELS } from '../../standin/vovserver/index.ts';
import { mayDo, type Operation } from '../../standin/vovserver/privilege.ts';
import { createUsers } from '../../standin/vovserver/users.ts';
import { createManualClock } from '../world/manual-clock.ts';
import { type Client, createPair, job, submit } from './client.ts';

/** Level by level, as in H-OPS. */
const MATRIX: Record<Operation, string> = {
  ViewStatus: 'YYYY',
  CreateJob: '-YYY',
  OwnJob: '-YYY',
  RunJobOther: '-YYY',
  StopJobOther: '--YY',
  ForgetJobOther: '--YY',
  ModifyJobOther: '----',
  ModifyJobExitOther: '---Y',
  ModifyJobResourcesOther: '---Y',
};

describe('the privilege matrix', () => {
  for (const [operation, expected] of Object.entries(MATRIX)) {
    it(`${operation}: ${expected}`, () => {
      const got = LEVELS.map((level) => (mayDo(level, operation as Operation) ? 'Y' : '-')).join('');
      assert.equal(got, expected);
    });
  }
});

describe('privileges over REST', () => {
  /** A client, and a job of bob that has ended. */
  const prepared = async (): Promise<{ client: Client; path: string; id: number }> => {
    const clock = createManualClock();
    const client = await createPair({ clock });
    const id = await submit(client, 'bob', 'a');
    await clock.advance(60_000);
    return { client, path: `/api/v3/jobs/${id}`, id };
  };
  const cases: [string, string, object | undefined, Record<string, number>][] = [
    ['GET', 'reads it', undefined, { reader: 200, alice: 200, leader: 200, admin: 200, bob: 200 }],
    ['PUT', 'runs it again', { action: 'rerun' }, { reader: 403, alice: 200, leader: 200, admin: 200, bob: 200 }],
    ['DELETE', 'forgets it', undefined, { reader: 403, alice: 403, leader: 200, admin: 200, bob: 200 }],
    ['PATCH', 'renames it', { jobname: 'x' }, { reader: 403, alice: 403, leader: 403, admin: 403, bob: 200 }],
    [
      'PATCH',
      'changes its resources',
      { resources: 'x' },
      { reader: 403, alice: 403, leader: 403, admin: 200, bob: 200 },
    ],
    ['PATCH', 'changes its exit', { exit: 1 }, { reader: 403, alice: 403, leader: 403, admin: 200, bob: 200 }],
  ];
  for (const [method, what, body, byUser] of cases) {
    for (const [user, status] of Object.entries(byUser)) {
      it(`${user} ${what}: ${status}`, async () => {
        const { client, path, id } = await prepared();
        await using _ = client;
        assert.equal((await client.as(user, method, path, body)).status, status);
        if (method !== 'DELETE') assert.equal(client.server.jobs.get(id)?.user, 'bob');
      });
    }
  }

  it('a USER stops only their own running job', async () => {
    const clock = createManualClock();
    await using client = await createPair({ clock });
    const id = await submit(client, 'bob', 'a');
    await clock.advance(1000);
    const stop = (user: string) => client.as(user, 'PUT', `/api/v3/jobs/${id}`, { action: 'stop' });
    assert.equal((await stop('alice')).status, 403);
    assert.equal((await stop('leader')).status, 200);
  });

  it('a READONLY user may not submit; denial follows the profile', async () => {
    await using client = await createPair();
    const submission = () => client.as('reader', 'POST', '/api/v3/jobs', job('a'));
    assert.equal((await submission()).status, 403);
    client.server.setProfile({ denial: '401' });
    assert.equal((await submission()).status, 401);
    client.server.setProfile({ denial: 'errmsg' });
    const soft = await submission();
    assert.equal(soft.status, 200);
    assert.equal(soft.json().errmsg, 'Acl Denied');
    assert.equal(client.server.jobs.size, 0);
  });

  it('with a group System:jobmodify only its members modify', async () => {
    await using client = await createPair({ profile: { jobModifyGroup: 'bob,carol' } });
    const alice = await submit(client, 'alice', 'a');
    const bob = await submit(client, 'bob', 'b');
    assert.equal((await client.as('alice', 'PATCH', `/api/v3/jobs/${alice}`, { jobname: 'x' })).status, 403);
    assert.equal((await client.as('bob', 'PATCH', `/api/v3/jobs/${bob}`, { jobname: 'x' })).status, 200);
  });

  it('no identity header changes who calls', async () => {
    await using client = await createPair();
    const authorization = `Bearer:${await client.login('alice')}`;
    const headers = {
      'x-forwarded-user': 'bob',
      'x-remote-user': 'bob',
      'x-forwarded-for': '10.0.0.1',
      forwarded: 'for=bob',
    };
    await client.call('POST', '/api/v3/jobs', { authorization, headers, body: JSON.stringify(job('a')) });
    assert.equal(client.server.ledger.jobs[0]?.user, 'alice');
  });
});

describe('the read-only port', () => {
  it('shows every job without a login, and changes nothing', async () => {
    await using client = await createPair({ transport: 'https-ca', readOnlyPort: 0 });
    const id = await submit(client, 'bob', 'a');
    const { readOnly } = client.server;
    const url = `${readOnly?.url}/api/v3/jobs/${id}`;
    assert.match(url, /^http:/);
    assert.match(await (await fetch(url)).text(), /"bob"/);
    for (const [method, path, body] of [
      ['PUT', url, '{"action":"stop"}'],
      ['DELETE', url, undefined],
      ['POST', `${readOnly?.url}/api/v3/jobs`, JSON.stringify(job('b'))],
      ['POST', `${readOnly?.url}/api/v3/token`, 'username=bob&password=pw'],
    ] as const) {
      assert.equal((await fetch(path, { method, ...(body === undefined ? {} : { body }) })).status, 405);
    }
    assert.equal(client.server.jobs.size, 1);
    assert.equal(readOnly?.stats.requests, 5);
    assert.equal(client.server.stats.requests, 2);
    await client.server.restart();
    assert.equal(client.server.readOnly?.url, readOnly?.url);
  });

  it('is not there unless it is asked for', async () => {
    await using client = await createPair();
    assert.equal(client.server.readOnly, null);
  });
});

describe('security rules', () => {
  const users = { alice: 'pw', bob: { password: 'pw', level: 'ADMIN' as const } };
  it('without rules the level of the user counts', () => {
    const table = createUsers(users);
    assert.equal(table.level('alice', '127.0.0.1'), 'USER');
    assert.equal(table.level('bob', '127.0.0.1'), 'ADMIN');
    assert.equal(table.level('nobody', '127.0.0.1'), null);
  });

  it('with rules the highest that matches user and host counts', () => {
    const table = createUsers(users, [
      { user: '+', level: 'USER', host: '10.0.0.1' },
      { user: 'bob', level: 'ADMIN', host: '10.0.0.2' },
      { user: 'bob', level: 'READONLY', host: '+' },
    ]);
    assert.equal(table.level('alice', '10.0.0.1'), 'USER');
    assert.equal(table.level('alice', '10.0.0.2'), null);
    assert.equal(table.level('bob', '10.0.0.2'), 'ADMIN');
    assert.equal(table.level('bob', '10.0.0.1'), 'USER');
    assert.equal(table.level('bob', '::ffff:10.0.0.2'), 'ADMIN');
    assert.equal(table.level('bob', '10.0.0.9'), 'READONLY');
  });

  it('keep out a user without a rule for this address', async () => {
    await using client = await createPair({ rules: [{ user: 'alice', level: 'USER', host: '127.0.0.1' }] });
    assert.ok(await client.login('alice'));
    await assert.rejects(client.login('bob'), /401/);
  });

  it('refuse a table that cannot be meant', () => {
    assert.throws(() => createUsers({ alice: 7 as unknown as string }), /users.alice/);
    assert.throws(() => createUsers({ alice: { password: 'x', level: 'KING' as 'ADMIN' } }), /users.alice.level/);
    assert.throws(() => createUsers(users, [{ user: 'a', level: 'KING' as 'ADMIN', host: '+' }]), /rules/);
    assert.deepEqual(createUsers([{ name: 'carol', password: 'x' }]).names(), ['carol']);
  });
});
