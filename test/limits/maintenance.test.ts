import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { GatewayError } from '../../src/kernel/index.ts';
import { createMaintenance, createMaintenanceStore, type Maintenance, startsWork } from '../../src/limits/index.ts';
import { maintenanceKey } from '../../src/limits/maintenance-store.ts';
import type { LogFields } from '../../src/observe/index.ts';
import { createMemoryKeyValue } from '../../src/platform/index.ts';
import { createManualClock } from '../world/manual-clock.ts';
import { createSwitchedStore } from './limits-world.ts';

const HOUR = 3_600_000;

async function createReplicas() {
  const clock = createManualClock();
  const memory = createMemoryKeyValue({ clock });
  const store = createSwitchedStore(memory);
  const announce = createMaintenanceStore({ kv: memory, clock });
  const started: Maintenance[] = [];
  return {
    clock,
    memory,
    store,
    announce,
    start(kv = store.kv) {
      const lines: string[] = [];
      const gauge = new Map<string, boolean>();
      const note = ({ event, queue, reason }: LogFields): void =>
        void lines.push([event, queue, reason].filter((part) => part !== undefined).join(' '));
      const maintenance = createMaintenance({
        kv,
        clock,
        queues: () => ['q', 'other'],
        report: {
          log: { debug: note, info: note, warn: note, error: note },
          maintenance: (queue, frozen) => void gauge.set(queue, frozen),
        },
      });
      started.push(maintenance);
      return Object.assign(maintenance, { lines, gauge });
    },
    async [Symbol.asyncDispose]() {
      for (const one of started) await one[Symbol.asyncDispose]();
      await memory[Symbol.asyncDispose]();
    },
  };
}

function refusalOf(maintenance: Maintenance, queue = 'q'): GatewayError {
  try {
    maintenance.admit(queue);
  } catch (error) {
    if (error instanceof GatewayError) return error;
    throw error;
  }
  throw new Error('it was admitted');
}

describe('maintenance of a queue', () => {
  it('holds back what starts work, and nothing else', () => {
    assert.ok(startsWork({ class: 'submit', method: 'POST' }));
    assert.ok(startsWork({ class: 'control', method: 'PATCH' }));
    for (const [cls, method] of [
      ['control', 'PUT'],
      ['control', 'DELETE'],
      ['read', 'GET'],
      ['list', 'GET'],
      ['login', 'POST'],
    ] as const) {
      assert.ok(!startsWork({ class: cls, method }), `${method} of class ${cls}`);
    }
  });

  it('is refused with the announced end and the reason', async () => {
    await using world = await createReplicas();
    const one = world.start();
    const until = world.clock.now() + HOUR + 1;
    await world.announce.start('q', until, 'new disks');
    await world.clock.advance(0);
    const error = refusalOf(one);
    assert.equal(error.code, 'GW_MAINTENANCE');
    assert.equal(error.status, 503);
    assert.match(error.detail, /^Submissions to q are held back, until 2026-01-01T01:00:00Z: new disks\. /);
    assert.ok(error.retryAt !== undefined && error.retryAt.getTime() >= until, 'not before the end');
    assert.equal(error.retryAfterField, 'Thu, 01 Jan 2026 01:00:01 GMT');
    one.admit('other');
  });

  it('is known at once by the message, within a second without it, and to a replica that starts later', async () => {
    await using world = await createReplicas();
    const told = world.start();
    const deaf = world.start({ ...world.memory, subscribe: () => Promise.reject(new Error('no channel')) });
    await world.clock.advance(0);
    await world.announce.start('q', world.clock.now() + HOUR, '');
    await world.clock.advance(0);
    assert.notEqual(told.frozen('q'), null);
    await world.clock.advance(1000);
    assert.notEqual(deaf.frozen('q'), null);
    const later = world.start();
    await later.refresh();
    assert.equal(later.frozen('q')?.reason, 'maintenance');
    await world.announce.stop('q');
    await world.clock.advance(0);
    assert.deepEqual([told.frozen('q'), later.frozen('q')], [null, null]);
  });

  it('listens again when the channel could not be had at first', async () => {
    await using world = await createReplicas();
    world.store.mode = 'failing';
    const one = world.start();
    await world.clock.advance(0);
    world.store.mode = 'up';
    await world.clock.advance(1000);
    await world.announce.start('q', world.clock.now() + HOUR, '');
    await world.clock.advance(0);
    assert.notEqual(one.frozen('q'), null, 'by the message');
  });

  it('ends by itself, tells begin and end once, and shows in the metric', async () => {
    await using world = await createReplicas();
    const one = world.start();
    await world.clock.advance(3000);
    assert.deepEqual(
      [...one.gauge],
      [
        ['q', false],
        ['other', false],
      ],
    );
    await world.announce.start('q', world.clock.now() + 5000, 'reboot');
    await world.clock.advance(4000);
    assert.deepEqual([one.gauge.get('q'), one.gauge.get('other')], [true, false]);
    await world.clock.advance(1000);
    one.admit('q');
    await world.clock.advance(3000);
    assert.equal(one.gauge.get('q'), false);
    assert.deepEqual(one.lines, ['maintenance_began q until 2026-01-01T00:00:08Z: reboot', 'maintenance_ended q']);
    assert.equal(await world.announce.find('q'), null);
  });

  it('tells each change of its end or reason once', async () => {
    await using world = await createReplicas();
    const one = world.start();
    const end = world.clock.now() + 3_600_000;
    for (const [until, reason] of [
      [end, ''],
      [end, ''],
      [end + 60_000, ''],
      [end + 60_000, 'disks'],
      [world.clock.now() + 600_000, 'disks'],
    ] as const) {
      await world.announce.start('q', until, reason);
      await world.clock.advance(3000);
    }
    await world.announce.stop('q');
    await world.clock.advance(3000);
    assert.deepEqual(one.lines, [
      'maintenance_began q until 2026-01-01T01:00:00Z: maintenance',
      'maintenance_changed q until 2026-01-01T01:01:00Z: maintenance',
      'maintenance_changed q until 2026-01-01T01:01:00Z: disks',
      'maintenance_changed q until 2026-01-01T00:10:00Z: disks',
      'maintenance_ended q',
    ]);
  });

  it('keeps the last known state while the store is away, and its end', async () => {
    await using world = await createReplicas();
    const one = world.start();
    await world.announce.start('q', world.clock.now() + 10_000, '');
    await world.clock.advance(1000);
    world.store.mode = 'failing';
    await world.clock.advance(8000);
    assert.notEqual(one.frozen('q'), null);
    one.admit('other');
    await world.clock.advance(1000);
    assert.equal(one.frozen('q'), null);
  });

  it('takes a damaged record for none', async () => {
    await using world = await createReplicas();
    const one = world.start();
    const until = world.clock.now() + HOUR;
    for (const text of ['', 'x', 'null', '[]', '{}', '{"since":1,"until":"2","reason":""}', `{"until":${until}}`]) {
      await world.memory.set(maintenanceKey('q'), text, null);
      await one.refresh();
      assert.equal(one.frozen('q'), null, text);
      assert.equal(await world.announce.find('q'), null, text);
    }
  });

  it('is frozen by the longest of several causes, each ended by itself', async () => {
    await using world = await createReplicas();
    const one = world.start();
    const now = world.clock.now();
    one.set('behind', 'q', { until: null, reason: 'behind' });
    assert.equal(refusalOf(one).retryAfterField, '30');
    one.set('failover', 'q', { until: now + 2000, reason: 'moved' });
    assert.equal(one.frozen('q')?.reason, 'moved');
    await world.announce.start('q', now + HOUR, 'disks');
    await world.clock.advance(0);
    assert.equal(one.frozen('q')?.reason, 'disks');
    await world.announce.stop('q');
    await world.clock.advance(0);
    assert.equal(one.frozen('q')?.reason, 'moved');
    await world.clock.advance(2000);
    assert.equal(one.frozen('q')?.reason, 'behind');
    one.set('behind', 'q', null);
    assert.equal(one.frozen('q'), null);
    assert.equal(one.lines.length, 2, 'one freeze, whatever its causes');
  });
});

describe('submissions under way', () => {
  it('are waited for until none is left, however often they are given back', async () => {
    await using world = await createReplicas();
    const one = world.start();
    const [first, second] = [one.began('q'), one.began('q')];
    const elsewhere = one.began('other');
    let left: number | null = null;
    void one.settled('q', 5000).then((count) => {
      left = count;
    });
    first[Symbol.dispose]();
    first[Symbol.dispose]();
    await world.clock.advance(1000);
    assert.equal(left, null);
    second[Symbol.dispose]();
    await world.clock.advance(0);
    assert.equal(left, 0);
    elsewhere[Symbol.dispose]();
  });

  it('are waited for no longer than said', async () => {
    await using world = await createReplicas();
    const one = world.start();
    one.began('q');
    const waiting = one.settled('q', 5000);
    await world.clock.advance(5000);
    assert.equal(await waiting, 1);
    assert.equal(await one.settled('other', 5000), 0, 'at once');
  });
});
