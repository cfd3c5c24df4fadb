import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type MaintenanceDeps, runMaintenance } from '../../src/cli/maintenance.ts';
import { createMaintenanceStore } from '../../src/limits/index.ts';
import { createMemoryKeyValue } from '../../src/platform/index.ts';
import { createManualClock } from '../world/manual-clock.ts';

const HOUR = 3_600_000;

function createTerminal() {
  const clock = createManualClock();
  const kv = createMemoryKeyValue({ clock });
  const store = createMaintenanceStore({ kv, clock });
  const opened: (string | undefined)[] = [];
  let closed = 0;
  const deps: MaintenanceDeps = {
    now: clock.now,
    async open(file) {
      opened.push(file);
      return { store, queues: ['vnc', 'nightly'], [Symbol.asyncDispose]: async () => void closed++ };
    },
  };
  const type = async (argv: string | string[], use: MaintenanceDeps = deps) => {
    let [out, err] = ['', ''];
    const code = await runMaintenance(
      typeof argv === 'string' ? argv.split(' ').filter(Boolean) : argv,
      use,
      (text) => {
        out += text;
      },
      (text) => {
        err += text;
      },
    );
    return { code, out, err };
  };
  return {
    clock,
    store,
    type,
    deps,
    opened,
    closed: () => closed,
    [Symbol.asyncDispose]: () => kv[Symbol.asyncDispose](),
  };
}

describe('vovgw maintenance', () => {
  it('starts, lists and stops', async () => {
    await using terminal = createTerminal();
    const started = await terminal.type(['start', 'vnc', '--until', '4h', '--reason', 'new disks']);
    assert.deepEqual([started.code, started.err], [0, '']);
    assert.match(
      started.out,
      /^Submissions to vnc are held back until 2026-01-01 04:00 UTC \(4 h\); reads and kills go on\.\n$/,
    );
    assert.equal((await terminal.store.find('vnc'))?.until, terminal.clock.now() + 4 * HOUR);
    const listed = await terminal.type('list');
    assert.match(listed.out, /QUEUE.*UNTIL.*\nvnc +2026-01-01 00:00 UTC +2026-01-01 04:00 UTC +new disks\n$/);
    assert.deepEqual(await terminal.type('stop vnc'), { code: 0, out: 'Submissions to vnc go on.\n', err: '' });
    assert.equal((await terminal.type('list')).out, 'No queue is in maintenance.\n');
    assert.equal(terminal.closed(), 4);
  });

  it('says for how long', async () => {
    await using terminal = createTerminal();
    for (const [until, said] of [
      ['10d', 'until 2026-01-11 00:00 UTC (10 d);'],
      ['20m', 'until 2026-01-01 00:20 UTC (20 min);'],
      ['250m', 'until 2026-01-01 04:10 UTC (4 h 10 min);'],
      ['30s', 'until 2026-01-01 00:00 UTC (1 min);'],
      ['1501m', 'until 2026-01-02 01:01 UTC (1 d 1 h);'],
      ['2026-01-01T05:30+01:00', 'until 2026-01-01 04:30 UTC (4 h 30 min);'],
    ] as const) {
      const { out } = await terminal.type(`start vnc --until ${until}`);
      assert.ok(out.includes(said), out);
    }
  });

  it('speaks JSON', async () => {
    await using terminal = createTerminal();
    const maintenance = {
      queue: 'vnc',
      since: '2026-01-01T00:00:00.000Z',
      until: '2026-01-01T01:30:00.000Z',
      reason: '',
    };
    assert.deepEqual(JSON.parse((await terminal.type('start vnc --until 90m --json')).out), maintenance);
    assert.deepEqual(JSON.parse((await terminal.type('list --json')).out), [maintenance]);
    assert.deepEqual(JSON.parse((await terminal.type('stop vnc --json')).out), { queue: 'vnc', stopped: true });
    const again = await terminal.type('stop vnc --json');
    assert.deepEqual([again.code, JSON.parse(again.out)], [1, { queue: 'vnc', stopped: false }]);
  });

  it('takes a moment with its zone, and a new end for a maintenance that runs', async () => {
    await using terminal = createTerminal();
    for (const [text, end] of [
      ['2026-01-01T22:00:00+01:00', '2026-01-01T21:00:00.000Z'],
      ['2026-01-01T21:30Z', '2026-01-01T21:30:00.000Z'],
      ['2026-01-01 22:00-05:00', '2026-01-02T03:00:00.000Z'],
    ] as const) {
      const { code, out } = await terminal.type(['start', 'nightly', '--until', text, '--json']);
      assert.deepEqual([code, JSON.parse(out).until], [0, end]);
    }
    assert.equal(JSON.parse((await terminal.type('list --json')).out).length, 1);
  });

  it('tells a wrong call from what cannot be done, before anything is opened', async () => {
    await using terminal = createTerminal();
    for (const [line, said] of [
      ['', /say start, stop or list/],
      ['begin vnc', /there is no “begin”/],
      ['start --until 1h', /start needs one QUEUE/],
      ['start vnc nightly --until 1h', /start needs one QUEUE/],
      ['start vnc', /say when it ends: --until/],
      ['start vnc --until soon', /neither a duration .* nor a moment with its zone/],
      ['start vnc --until 2026-01-01T22:00:00', /neither a duration .* nor a moment with its zone/],
      ['start vnc --until 2026-13-01T22:00Z', /neither a duration .* nor a moment with its zone/],
      ['start vnc --until 2025-12-31T23:59:59Z', /is in the past/],
      ['start vnc --until 0s', /is in the past/],
      ['start vnc --until 32d', /more than 31 days ahead/],
      [`start vnc --until 1h --reason ${'x'.repeat(201)}`, /may have 200 characters/],
      ['start vnc --until 1h --reason a\u001bb', /not printable/],
      ['stop', /stop needs one QUEUE/],
      ['stop vnc --until 1h', /belong to start/],
      ['list vnc', /list takes no queue/],
      ['list --all', /'--all'/],
    ] as const) {
      const { code, out, err } = await terminal.type(line);
      assert.deepEqual([code, out], [2, ''], line);
      assert.match(err, said, line);
    }
    assert.deepEqual(terminal.opened, []);
  });

  it('names the queues when there is none of that name', async () => {
    await using terminal = createTerminal();
    for (const line of ['start night --until 1h', 'stop night']) {
      const { code, err } = await terminal.type(line);
      assert.equal(code, 1);
      assert.match(err, /has no queue “night”; its queues: vnc, nightly/);
    }
    const { code, err } = await terminal.type('stop vnc');
    assert.deepEqual([code, err], [1, 'vovgw maintenance: vnc is not in maintenance\n']);
  });

  it('hands the configuration file on, and says what the store said', async () => {
    await using terminal = createTerminal();
    await terminal.type('list --config /etc/gw.yaml');
    assert.deepEqual(terminal.opened, ['/etc/gw.yaml']);
    const none = await terminal.type('list', { ...terminal.deps, open: async () => null });
    assert.deepEqual(none, { code: 1, out: '', err: '' });
    const broken = { ...terminal.deps, open: () => Promise.reject(new Error('the shared store is away')) };
    assert.deepEqual(await terminal.type('list', broken), {
      code: 1,
      out: '',
      err: 'vovgw maintenance: the shared store is away\n',
    });
  });

  it('helps', async () => {
    await using terminal = createTerminal();
    const { code, out } = await terminal.type('start --help');
    assert.equal(code, 0);
    assert.match(out, /vovgw maintenance start QUEUE --until END/);
  });
});
