import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createManualClock } from '../world/manual-clock.ts';
import { type Answer, createPair, job, submit } from './client.ts';

/** The cells of the first row by column name. */
function row(answer: Answer): Record<string, string | number> {
  const { columns = [], rows = [] } = answer.json();
  return Object.fromEntries(columns.map(({ field }, index) => [field, rows[0]?.[index] ?? '']));
}

describe('submitting', () => {
  it('gives rising ids that are not contiguous, from 45080', async () => {
    await using client = await createPair();
    assert.equal(await submit(client, 'alice', 'a'), 45_080);
    assert.equal(await submit(client, 'alice', 'b'), 45_083);
  });

  it('stores the job as vovserver shows it', async () => {
    const clock = createManualClock();
    await using client = await createPair({ clock });
    const id = await submit(client, 'alice', 'a', { 'priority,sched': 4, user: 'bob', osgroup: 'root', autokill: 60 });
    await clock.advance(31_300);
    const cells = row(await client.as('bob', 'GET', `/api/v3/jobs/${id}`));
    assert.equal(cells.ID, '000045080');
    assert.equal(cells.IDINT, 45_080);
    assert.equal(cells.USER, 'alice');
    assert.equal(cells.OSGROUP, 'users');
    assert.equal(cells.GROUP, '/time/users.alice');
    assert.equal(cells.COMMAND, 'vw sleep 30 > log.a');
    assert.equal(cells.STATUSNC, 'Done');
    assert.equal(cells.STATUS, 'VALID');
    assert.equal(cells.DURATIONPP, '30s');
    assert.equal(cells.PRIORITYPP, 'normal');
    assert.equal(cells.AUTOKILL, 60);
  });

  for (const key of ['command', 'logfile', 'rundir', 'env']) {
    it(`without ${key} is refused with 400`, async () => {
      await using client = await createPair();
      const answer = await client.as('alice', 'POST', '/api/v3/jobs', { ...job('a'), [key]: undefined });
      assert.equal(answer.status, 400);
      assert.match(answer.json().error ?? '', new RegExp(key));
      assert.equal(client.server.jobs.size, 0);
    });
  }

  it('malformed JSON is a Bad Request, as for a trailing comma', async () => {
    await using client = await createPair();
    const authorization = `Bearer:${await client.login('alice')}`;
    for (const body of ['{"command":"x",}', '', '[]', 'null', '"x"']) {
      const answer = await client.call('POST', '/api/v3/jobs', { authorization, body });
      assert.equal(answer.status, 400, body);
      assert.equal(answer.json().error, 'Bad Request');
    }
  });

  for (const more of [
    { command: 7 },
    { 'priority,sched': 16 },
    { 'priority,sched': 'high' },
    { autokill: -1 },
    { jobname: [] },
  ]) {
    it(`${JSON.stringify(more)} is refused with 400`, async () => {
      await using client = await createPair();
      assert.equal((await client.as('alice', 'POST', '/api/v3/jobs', job('a', more))).status, 400);
    });
  }

  it('the same logfile in the same directory is a server error while the other job is in memory', async () => {
    await using client = await createPair();
    const id = await submit(client, 'alice', 'a');
    assert.equal((await client.as('bob', 'POST', '/api/v3/jobs', job('a'))).status, 500);
    await submit(client, 'bob', 'a', { rundir: '/elsewhere' });
    client.server.setProfile({ deleteRunning: 'accepted' });
    await client.as('alice', 'DELETE', `/api/v3/jobs/${id}`);
    await submit(client, 'bob', 'a');
    assert.equal(client.server.ledger.jobs.length, 3);
  });

  it('follows its switches', async () => {
    await using client = await createPair({
      profile: { submitStatus: 201, jobIdType: 'string', unknownJobKey: 'refused', duplicateLogfile: 'sleeping' },
    });
    const first = await client.as('alice', 'POST', '/api/v3/jobs', job('a'));
    assert.equal(first.status, 201);
    assert.equal(first.json().jobid, '000045080');
    const again = await client.as('alice', 'POST', '/api/v3/jobs', job('a'));
    assert.equal(again.status, 201);
    const cells = row(await client.as('alice', 'GET', `/api/v3/jobs/${again.json().jobid}`));
    assert.equal(cells.STATUSNC, 'Sleeping');
    assert.equal((await client.as('alice', 'POST', '/api/v3/jobs', job('b', { nonsense: 1 }))).status, 400);
    assert.equal((await client.as('alice', 'POST', '/api/v3/jobs', job('c', { 'wait,options': 'x' }))).status, 201);
  });

  it('writes each job into the ledger', async () => {
    await using client = await createPair();
    const id = await submit(client, 'alice', 'a');
    const [entry] = client.server.ledger.jobs;
    assert.deepEqual([entry?.id, entry?.user, entry?.command, entry?.logfile], [id, 'alice', 'sleep 30', 'log.a']);
  });
});

describe('reading a job', () => {
  it('is the same in all forms, with bare and padded ids', async () => {
    const clock = createManualClock();
    await using client = await createPair({ clock });
    await submit(client, 'alice', 'a');
    const answers = await Promise.all(
      ['45080', '000045080', '45080/', '45080/*', '000045080/*'].map((id) =>
        client.as('alice', 'GET', `/api/v3/jobs/${id}`),
      ),
    );
    for (const answer of answers) assert.equal(answer.text, answers[0]?.text);
    assert.equal(answers[0]?.status, 200);
    assert.ok(answers[0]?.json().columns?.every(({ field }) => field === field.toUpperCase()));
  });

  it('of one field echoes its name as it was asked for', async () => {
    await using client = await createPair();
    await submit(client, 'alice', 'a');
    for (const field of ['statusnc', 'StatusNC', 'STATUS_NC']) {
      const answer = (await client.as('alice', 'GET', `/api/v3/jobs/45080/${field}`)).json();
      assert.deepEqual(answer.columns, [{ col: 0, field }]);
      assert.deepEqual(answer.rows, [['Idle']]);
    }
  });

  it('of a field that is none is an errmsg, or 400', async () => {
    await using client = await createPair();
    await submit(client, 'alice', 'a');
    const soft = await client.as('alice', 'GET', '/api/v3/jobs/45080/nonsense');
    assert.equal(soft.status, 200);
    assert.match(soft.json().errmsg ?? '', /nonsense/);
    client.server.setProfile({ unknownField: '400' });
    assert.equal((await client.as('alice', 'GET', '/api/v3/jobs/45080/nonsense')).status, 400);
  });

  it('that is forgotten or never was is 404, or empty', async () => {
    await using client = await createPair();
    assert.equal((await client.as('alice', 'GET', '/api/v3/jobs/45080')).status, 404);
    assert.equal((await client.as('alice', 'GET', '/api/v3/jobs/abc')).status, 404);
    client.server.setProfile({ forgottenJob: 'empty' });
    const answer = await client.as('alice', 'GET', '/api/v3/jobs/45080');
    assert.equal(answer.status, 200);
    assert.equal(answer.json().rows, undefined);
  });

  it('comes as CSV, with and without header', async () => {
    await using client = await createPair();
    await submit(client, 'alice', 'a', { command: 'echo "a,b"' });
    const csv = await client.as('alice', 'GET', '/api/v3/jobs/45080/command?format=csv');
    assert.equal(csv.text, 'command\r\n"vw echo ""a,b"" > log.a"\r\n');
    assert.match(String(csv.headers['content-type']), /^text\/csv/);
    const bare = await client.as('alice', 'GET', '/api/v3/jobs/45080/idint?format=csv-noheader');
    assert.equal(bare.text, '45080\r\n');
    assert.equal((await client.as('alice', 'GET', '/api/v3/jobs/45080?format=xml')).status, 400);
  });

  it('after autoforget finds nothing', async () => {
    const clock = createManualClock();
    await using client = await createPair({ clock });
    const id = await submit(client, 'alice', 'a');
    await clock.advance(3_600_000);
    assert.equal((await client.as('alice', 'GET', `/api/v3/jobs/${id}`)).status, 200);
    await clock.advance(60_000);
    assert.equal((await client.as('alice', 'GET', `/api/v3/jobs/${id}`)).status, 404);
  });
});

describe('controlling a job', () => {
  it('stops it', async () => {
    const clock = createManualClock();
    await using client = await createPair({ clock });
    const id = await submit(client, 'alice', 'a');
    await clock.advance(1000);
    assert.equal((await client.as('alice', 'PUT', `/api/v3/jobs/${id}`, { action: 'stop' })).status, 200);
    assert.equal(client.server.jobs.get(id)?.state, 'Failed');
    assert.equal((await client.as('alice', 'PUT', `/api/v3/jobs/${id}`, { action: 'stop' })).status, 400);
    assert.equal((await client.as('alice', 'PUT', `/api/v3/jobs/${id}`, { action: 'explode' })).status, 400);
  });

  it('modifies it: all of the body or nothing', async () => {
    await using client = await createPair();
    const id = await submit(client, 'alice', 'a');
    const path = `/api/v3/jobs/${id}`;
    assert.equal((await client.as('alice', 'PATCH', path, { jobname: 'n', nonsense: 1 })).status, 400);
    assert.equal(client.server.jobs.get(id)?.jobname, '');
    assert.equal((await client.as('alice', 'PATCH', path, { jobname: 'n', resources: 'RAM/100' })).status, 200);
    assert.equal(client.server.jobs.get(id)?.resources, 'RAM/100');
    assert.equal((await client.as('alice', 'PATCH', path, { user: 'bob' })).status, 400);
    assert.equal((await client.as('alice', 'PATCH', path, { toString: 'x' })).status, 400);
    assert.equal((await client.as('alice', 'PATCH', path, { cmd: 'sleep 5' })).status, 200);
    assert.equal(client.server.jobs.get(id)?.state, 'Idle');
    assert.equal(client.server.jobs.get(id)?.command, 'sleep 5');
  });

  it('forgets it, but a running one only when the profile says so', async () => {
    const clock = createManualClock();
    await using client = await createPair({ clock });
    const id = await submit(client, 'alice', 'a');
    await clock.advance(1000);
    assert.equal((await client.as('alice', 'DELETE', `/api/v3/jobs/${id}`)).status, 400);
    client.server.setProfile({ deleteRunning: 'accepted' });
    assert.equal((await client.as('alice', 'DELETE', `/api/v3/jobs/${id}`)).status, 200);
    assert.equal((await client.as('alice', 'DELETE', `/api/v3/jobs/${id}`)).status, 404);
  });

  it('a suspended scheduler takes jobs and starts none', async () => {
    const clock = createManualClock();
    await using client = await createPair({ clock, profile: { schedulerSuspended: true } });
    const id = await submit(client, 'alice', 'a');
    await clock.advance(3_600_000);
    assert.deepEqual((await client.as('alice', 'GET', `/api/v3/jobs/${id}/statusnc`)).json().rows, [['Queued']]);
    client.server.setProfile({ schedulerSuspended: false });
    assert.deepEqual((await client.as('alice', 'GET', `/api/v3/jobs/${id}/statusnc`)).json().rows, [['Running']]);
  });

  for (const [method, path] of [
    ['GET', '/api/v3/jobs'],
    ['PUT', '/api/v3/jobs'],
    ['POST', '/api/v3/jobs/1'],
    ['DELETE', '/api/v3/jobs/1/command'],
    ['POST', '/api/v3/query'],
    ['PUT', '/api/v3/project/1'],
  ] as const) {
    it(`${method} ${path} is not allowed`, async () => {
      await using client = await createPair();
      assert.equal((await client.as('alice', method, path, method === 'GET' ? undefined : {})).status, 405);
    });
  }
});
