import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createWorld, type World } from '../world/world.ts';

// The micro-cache through the whole gateway; the ledger of the stand-in is the witness.

const cache = [
  { route: '/api/v3/query', life: '60s' },
  { route: '/api/v3/jobs/{id}/{field}', life: '60s' },
];
const LIST = '/api/v3/query?select=id,jobname&from=jobs';
const job = (nth: number) => ({
  command: 'true',
  rundir: '/tmp',
  env: 'BASE',
  logfile: `cached-${nth}`,
  jobname: `j${nth}`,
});

const readsOf = ({ vovserver }: World, target: string): number =>
  vovserver.ledger.requests.filter((one) => one.method === 'GET' && one.target === target).length;

async function cachedWorld(config: object = {}) {
  const world = await createWorld({ queue: { coalesce: { cache } }, config: { limits: { mode: 'off' }, ...config } });
  const [alice, bob] = [await world.token('alice'), await world.token('bob')];
  const read = async (token: string, path = LIST, headers: Record<string, string> = {}) => {
    const answer = await world.call('GET', path, { token, headers });
    return { status: answer.status, headers: answer.headers, text: await answer.text() };
  };
  const write = async (token: string, method: string, path: string, json: object) => {
    const answer = await world.call(method, path, { token, json });
    const text = await answer.text();
    assert.equal(answer.status, 200, text);
    return JSON.parse(text) as { jobid: number };
  };
  return {
    world,
    alice,
    bob,
    read,
    write,
    async [Symbol.asyncDispose]() {
      await world[Symbol.asyncDispose]();
    },
  };
}

describe('a gateway with a micro-cache', () => {
  it('answers again from memory, with its own fields and those of the cache', async () => {
    await using rig = await cachedWorld();
    const { world, alice, read } = rig;
    const first = await read(alice);
    assert.equal(first.headers.get('cache-status'), 'vovgw; fwd=miss; stored');
    const second = await read(alice);
    assert.match(second.headers.get('cache-status') ?? '', /^vovgw; hit; ttl=\d+$/);
    assert.match(second.headers.get('age') ?? '', /^\d+$/);
    assert.equal(second.text, first.text);
    assert.notEqual(second.headers.get('x-request-id'), first.headers.get('x-request-id'));
    assert.equal(second.headers.get('x-content-type-options'), 'nosniff');
    assert.equal(readsOf(world, LIST), 1);
  });

  it('says 304 to who has it, without a body', async () => {
    await using rig = await cachedWorld();
    const { world, alice, read } = rig;
    const etag = (await read(alice)).headers.get('etag') ?? '';
    // Said aloud, since Node’s fetch adds no-cache to conditional requests.
    const again = await read(alice, LIST, { 'if-none-match': etag, 'cache-control': 'max-age=60' });
    assert.deepEqual([again.status, again.text, again.headers.get('etag')], [304, '', etag]);
    assert.equal(readsOf(world, LIST), 1);
    const asked = await read(alice, LIST, { 'if-none-match': etag });
    assert.deepEqual([asked.status, asked.headers.get('cache-status')], [304, 'vovgw; fwd=request; stored']);
    assert.equal(readsOf(world, LIST), 2);
    const conditions = world.vovserver.ledger.requests.flatMap(({ rawHeaders }) => rawHeaders);
    assert.ok(!conditions.some((name) => /^if-none-match$/i.test(name)), 'vovserver is asked for the whole');
  });

  it('shows who wrote what it wrote, by submission, control and change, and others their own', async () => {
    await using rig = await cachedWorld();
    const { alice, bob, read, write } = rig;
    const { jobid } = await write(alice, 'POST', '/api/v3/jobs', job(1));
    assert.match((await read(alice)).text, /"j1"/);
    await read(bob);
    await write(alice, 'POST', '/api/v3/jobs', job(2));
    assert.match((await read(alice)).text, /"j2"/);
    assert.doesNotMatch((await read(bob)).text, /"j2"/);
    assert.match((await read(bob, LIST, { 'cache-control': 'no-cache' })).text, /"j2"/);
    for (let nth = 0; nth < 5; nth += 1) {
      await write(alice, 'PATCH', `/api/v3/jobs/${jobid}`, { env: `E${nth}` });
      assert.match((await read(alice, `/api/v3/jobs/${jobid}/env`)).text, new RegExp(`"E${nth}"`));
    }
  });

  it('under visibility own filters what is stored anew for each reader, and heeds no-cache', async () => {
    await using rig = await cachedWorld({ jobs: { visibility: 'own' } });
    const { world, alice, bob, read, write } = rig;
    await write(alice, 'POST', '/api/v3/jobs', job(1));
    await write(bob, 'POST', '/api/v3/jobs', job(2));
    const before = world.vovserver.ledger.requests.length;
    for (let round = 0; round < 2; round += 1) {
      const [a, b] = [await read(alice), await read(bob)];
      assert.ok(a.text.includes('"j1"') && !a.text.includes('"j2"'), a.text);
      assert.ok(b.text.includes('"j2"') && !b.text.includes('"j1"'), b.text);
      assert.equal(a.headers.get('etag'), null, 'a tag would tell of rows that were left out');
    }
    const asked = (): number =>
      world.vovserver.ledger.requests.slice(before).filter(({ method }) => method === 'GET').length;
    const stored = asked();
    await read(alice);
    assert.equal(asked(), stored);
    await read(alice, LIST, { 'cache-control': 'no-cache' });
    assert.ok(asked() > stored);
  });
});
