import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type FailoverDeps, runFailover } from '../../src/cli/failover.ts';
import { systemClock } from '../../src/kernel/index.ts';
import { createFailoverStore, FAILOVER_CHANNEL } from '../../src/limits/index.ts';
import { createMemoryKeyValue } from '../../src/platform/index.ts';
import { eventually } from '../world/eventually.ts';

const URLS = ['https://vov1.example:6330', 'https://vov2.example:6330/'];
const NEXT = 'https://vov2.example:6330';

/** Replicas that answer as told: with an origin, with a reason, or (null) not at all. */
async function createTerminal(
  replicas: Readonly<Record<string, string | null>>,
  urls: readonly string[] = URLS,
  { unnamed = false, patient = false } = {},
) {
  const stop = new AbortController();
  // The time that a replica gets passes at once.
  let skipped = 0;
  const elapsed = (): number => systemClock.elapsed() + skipped;
  const clock = { ...systemClock, now: () => Date.now() + skipped, elapsed };
  const kv = createMemoryKeyValue({ clock: systemClock });
  const store = createFailoverStore({ kv, clock });
  const orders: unknown[] = [];
  const answer = async (): Promise<void> => {
    const order = await store.find('vnc');
    if (order?.id !== 'order-1' || orders.length > 0) return;
    orders.push({ to: order.to, waitMs: order.waitMs });
    for (const [key, said] of Object.entries(replicas)) {
      if (said === null) continue;
      const switched = said.startsWith('https:');
      if (switched) await store.choose('vnc', { id: order.id, origin: said, at: 1 });
      const how = switched ? { origin: said, reason: '', unnamed } : { origin: null, reason: said };
      await store.answer(order, key, { replica: `host-${key}`, unfinished: 0, ...how });
    }
    if (!patient) skipped = 60_000;
  };
  const subscription = await kv.subscribe(FAILOVER_CHANNEL, () => void answer());
  const opened: (string | undefined)[] = [];
  const deps: FailoverDeps = {
    clock,
    createId: () => 'order-1',
    interrupted: stop.signal,
    async open(file) {
      opened.push(file);
      const queues = [{ name: 'vnc', urls: [...urls] }];
      return { store, queues, living: async () => Object.keys(replicas), [Symbol.asyncDispose]: async () => undefined };
    },
  };
  const type = async (line: string) => {
    let [out, err] = ['', ''];
    const code = await runFailover(
      line.split(' ').filter(Boolean),
      deps,
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
    ...{ type, store, orders, opened, interrupt: () => stop.abort() },
    async [Symbol.asyncDispose]() {
      await subscription[Symbol.asyncDispose]();
      await kv[Symbol.asyncDispose]();
    },
  };
}

describe('vovgw failover', () => {
  it('shows what each replica answered, and lets submissions go on', async () => {
    await using terminal = await createTerminal({ a: NEXT, b: NEXT });
    const { code, out, err } = await terminal.type('vnc --wait 5s');
    assert.deepEqual([code, err], [0, '']);
    assert.match(out, /^REPLICA +USES NOW +UNFINISHED +WHY NOT\nhost-a +https:\/\/vov2.example:6330 +0\nhost-b /);
    assert.deepEqual(terminal.orders, [{ to: null, waitMs: 5000 }]);
    assert.equal(await terminal.store.find('vnc'), null);
  });

  it('names the candidate as the configuration does', async () => {
    await using terminal = await createTerminal({ a: NEXT });
    const { code, out } = await terminal.type('vnc --to https://VOV2.example:6330 --json');
    assert.equal(code, 0);
    assert.deepEqual(terminal.orders, [{ to: URLS[1], waitMs: 30_000 }]);
    const replica = { replica: 'host-a', origin: NEXT, unfinished: 0, reason: '' };
    assert.deepEqual(JSON.parse(out), { queue: 'vnc', chosen: NEXT, replicas: [replica] });
  });

  it('fails when one did not switch or did not answer, and says what to do', async () => {
    await using terminal = await createTerminal({ a: NEXT, b: 'TLS policy: \u001bunknown key', c: null });
    const { code, out, err } = await terminal.type('vnc');
    assert.equal(code, 1);
    assert.match(out, /host-b +as before +0 +TLS policy: .*unknown key/);
    assert.ok(!out.includes('\u001b'), 'nothing reaches the terminal as it is');
    assert.match(out, /\(c\) +\? +\? +no answer/);
    assert.match(err, /2 of 3 replicas did not switch to https:\/\/vov2\.example:6330.*try again\nevery 5 s/);
    assert.match(err, /vovgw failover vnc --to the former URL/);
    assert.equal(await terminal.store.find('vnc'), null);
  });

  it('says that nothing changed when none switched', async () => {
    await using terminal = await createTerminal({ a: 'down', b: 'down' });
    const { code, err } = await terminal.type('vnc');
    assert.deepEqual(
      [code, err],
      [1, 'vovgw failover: no replica switched; vnc stays where it was, and submissions go on.\n'],
    );
  });

  it('prints a reason whole, and nothing that a terminal obeys', async () => {
    const reason = `Refused: ${'x'.repeat(600)}: ECONNREFUSED\u001b[2J`;
    await using terminal = await createTerminal({ a: reason });
    const { out } = await terminal.type('vnc');
    assert.ok(out.includes(`${'x'.repeat(600)}: ECONNREFUSED?[2J`), out);
  });

  it('says that the name of the new server is not known yet', async () => {
    await using terminal = await createTerminal({ a: NEXT, b: NEXT }, URLS, { unnamed: true });
    const { code, out, err } = await terminal.type('vnc');
    assert.deepEqual([code, err], [0, '']);
    const sentence =
      /The queue name of https:\/\/vov2\.example:6330 is not known yet: it is checked at the first login/g;
    assert.equal(out.match(sentence)?.length, 1, out);
    await using other = await createTerminal({ a: NEXT }, URLS, { unnamed: true });
    assert.equal(JSON.parse((await other.type('vnc --json')).out).replicas[0].unnamed, true);
    await using named = await createTerminal({ a: NEXT });
    assert.ok(!(await named.type('vnc')).out.includes('not known'));
  });

  it('takes the order back when it is interrupted, and says how far it came', async () => {
    for (const [replicas, said] of [
      [{ a: NEXT, b: null }, /interrupted.*1 of 2 replicas had not switched to https:\/\/vov2.*hold submissions back/],
      [{ a: null }, /interrupted.*no replica had switched; vnc stays where it was, and submissions go on/],
    ] as const) {
      await using terminal = await createTerminal(replicas, URLS, { patient: true });
      const typed = terminal.type('vnc --wait 10m');
      await eventually('it is ordered', () => terminal.orders.length === 1);
      terminal.interrupt();
      const { code, err } = await typed;
      assert.equal(code, 1);
      assert.match(err, said);
      assert.equal(await terminal.store.find('vnc'), null);
    }
  });

  it('begins although an order was left behind, when every replica has answered that', async () => {
    await using terminal = await createTerminal({ a: NEXT, b: NEXT });
    const left = { queue: 'vnc', id: 'left', to: null, waitMs: 1, until: Date.now() + 500_000 };
    const answer = { unfinished: 0, origin: null, reason: 'down' };
    await terminal.store.answer(left, 'a', { replica: 'host-a', ...answer });
    await terminal.store.answer(left, 'b', { replica: 'host-b', ...answer });
    await terminal.store.begin(left);
    assert.equal((await terminal.type('vnc')).code, 0);
    assert.equal(await terminal.store.find('vnc'), null);
  });

  it('does not begin while another is under way, without replicas, or where there is nothing to move to', async () => {
    await using busy = await createTerminal({ a: null });
    await busy.store.begin({ queue: 'vnc', id: 'other', to: null, waitMs: 1, until: Date.now() + 500_000 });
    assert.match((await busy.type('vnc')).err, /another planned failover of vnc is under way/);
    assert.equal((await busy.store.find('vnc'))?.id, 'other', 'which stays');
    await using empty = await createTerminal({});
    assert.match((await empty.type('vnc')).err, /no replica of the gateway runs on this store/);
    await using single = await createTerminal({ a: NEXT }, [NEXT]);
    assert.match(
      (await single.type('vnc')).err,
      /has one candidate only; add the new server to queues\[\]\.urls first/,
    );
    assert.match((await single.type('night')).err, /has no queue “night”; its queues: vnc/);
    const stranger = await single.type('vnc --to https://elsewhere.example');
    assert.equal(stranger.code, 1);
    assert.match(stranger.err, /is no candidate of vnc; queues\[\]\.urls has https:\/\/vov2/);
    assert.deepEqual([empty.orders, single.orders], [[], []]);
  });

  it('tells a wrong call before anything is opened', async () => {
    await using terminal = await createTerminal({ a: NEXT });
    for (const [line, said] of [
      ['', /say one QUEUE/],
      ['vnc nightly', /say one QUEUE/],
      ['vnc --wait soon', /--wait soon is no duration/],
      ['vnc --wait 11m', /10m at most/],
      ['vnc --now', /'--now'/],
    ] as const) {
      const { code, err } = await terminal.type(line);
      assert.equal(code, 2, line);
      assert.match(err, said);
    }
    assert.match((await terminal.type('--help')).out, /vovgw failover QUEUE \[--to URL\]/);
    assert.deepEqual(terminal.opened, []);
  });
});
