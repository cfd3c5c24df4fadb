import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { StoreDeps } from '../../src/cli/verb.ts';
import { type OpenOrigins, runWho } from '../../src/cli/who.ts';
import { systemClock } from '../../src/kernel/index.ts';
import { createMemoryKeyValue } from '../../src/platform/index.ts';
import { createReplica, jobsConfig } from '../jobs/jobs-world.ts';

const AT = Date.UTC(2026, 0, 2, 3, 4);

async function createTerminal() {
  const kv = createMemoryKeyValue({ clock: systemClock });
  const { origins } = createReplica(kv, systemClock, () => jobsConfig({ originLife: 1e14 }));
  const origin = {
    ...{ queue: 'nightly', epoch: 'vov1:6330', jobId: '45080', subject: 'corp:7', user: 'alice', account: 'farm' },
    ...{ tokenId: 't1', tokenLabel: 'ci\u001b[2J', address: '192.0.2.1', requestId: 'req-12345', key: 'build-7' },
    ...{ submittedAt: AT, lastSeen: { status: 'Done', at: AT + 60_000 } },
  };
  await origins.record(origin);
  const opened: (string | undefined)[] = [];
  let closed = 0;
  const deps: StoreDeps<OpenOrigins> = {
    async open(file) {
      opened.push(file);
      return { origins, queues: ['vnc', 'nightly'], [Symbol.asyncDispose]: async () => void closed++ };
    },
  };
  const type = async (line: string, use: StoreDeps<OpenOrigins> = deps) => {
    let [out, err] = ['', ''];
    const print = (text: string): void => {
      out += text;
    };
    const complain = (text: string): void => {
      err += text;
    };
    const code = await runWho(line.split(' ').filter(Boolean), use, print, complain);
    return { code, out, err };
  };
  return { type, opened, closed: () => closed, kv, origin, [Symbol.asyncDispose]: () => kv[Symbol.asyncDispose]() };
}

describe('vovgw who', () => {
  it('shows who submitted a job, on whichever queue it is', async () => {
    await using terminal = await createTerminal();
    const { code, out, err } = await terminal.type('000045080');
    assert.deepEqual([code, err], [0, '']);
    const line = out.split('\n')[1] ?? '';
    for (const part of [
      '45080',
      'nightly',
      'alice',
      'farm',
      '2026-01-02 03:04 UTC',
      'Done',
      't1',
      '192.0.2.1',
      'req-12345',
      'build-7',
    ]) {
      assert.ok(line.includes(part), part);
    }
    assert.ok(!out.includes('\u001b'), 'no label reaches the terminal as it is');
  });

  it('gives all of it as JSON, and an empty list for none', async () => {
    await using terminal = await createTerminal();
    assert.deepEqual(JSON.parse((await terminal.type('45080 --json')).out), [terminal.origin]);
    const none = await terminal.type('45081 --json');
    assert.deepEqual([none.code, none.out, none.err], [1, '[]\n', '']);
  });

  it('says when the configuration has no such queue, and which it has', async () => {
    await using terminal = await createTerminal();
    for (const line of ['45080 --queue nope\u001b', '45080 --json --queue nope\u001b']) {
      const { code, out, err } = await terminal.type(line);
      assert.deepEqual([code, out], [1, '']);
      assert.equal(err, 'vovgw who: the configuration has no queue “nope?”; its queues: vnc, nightly\n');
    }
  });

  it('looks on the named queue only, and says why there may be nothing', async () => {
    await using terminal = await createTerminal();
    assert.equal((await terminal.type('45080 --queue nightly')).code, 0);
    const { code, err } = await terminal.type('45080 --queue vnc');
    assert.equal(code, 1);
    assert.match(err, /no record of job 45080 on vnc; it was not submitted through the gateway, or too long ago/);
  });

  it('hands the configuration file on and closes what it opened', async () => {
    await using terminal = await createTerminal();
    await terminal.type('45080 --config /etc/x.yaml');
    assert.deepEqual([terminal.opened, terminal.closed()], [['/etc/x.yaml'], 1]);
    assert.equal((await terminal.type('45080', { open: async () => null })).code, 1);
  });

  it('tells that the store is away', async () => {
    await using terminal = await createTerminal();
    await terminal.kv[Symbol.asyncDispose]();
    const { code, err } = await terminal.type('45080');
    assert.equal(code, 1);
    assert.match(err, /shared store is away/);
  });

  for (const line of ['', '1 2', '45080x', '--queue vnc', '45080 --user alice', '-1', '1234567890123']) {
    it(`is called wrongly by “${line}”`, async () => {
      await using terminal = await createTerminal();
      const { code, err } = await terminal.type(line);
      assert.equal(code, 2);
      assert.match(err, /vovgw who JOBID/);
      assert.deepEqual(terminal.opened, []);
    });
  }

  it('explains itself', async () => {
    await using terminal = await createTerminal();
    assert.deepEqual([(await terminal.type('--help')).code, terminal.opened.length], [0, 0]);
  });
});
