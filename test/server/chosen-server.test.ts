import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { it } from 'node:test';
import { runFailover } from '../../src/cli/failover.ts';
import { systemClock } from '../../src/kernel/index.ts';
import { createFailoverStore, livingReplicas } from '../../src/limits/index.ts';
import { createRedisKeyValue } from '../../src/platform/index.ts';
import { createVovserver } from '../../standin/vovserver/index.ts';
import { eventually } from '../world/eventually.ts';
import { startRedis } from '../world/redis.ts';
import { createWorld } from '../world/world.ts';

// A queue is moved to a server that does not know the account of carol, who calls first: the ledgers are the witnesses.

const server = (...names: string[]) => {
  const users = names.map((name) => ({ name, password: `pw-${name}` }));
  return createVovserver({ transport: 'http', queueName: 'test', users });
};

for (const formerIsDead of [false, true]) {
  it(`a planned failover is not undone by an account that the new server does not know${formerIsDead ? ', with no other server' : ''}`, async () => {
    await using redis = await startRedis();
    await using former = await server('alice', 'carol');
    await using next = await server('alice');
    const urls = [former.url, next.url];
    await using world = await createWorld({
      users: ['alice', 'carol'],
      config: { limits: { mode: 'off' } },
      queue: { urls },
      redisPort: redis.port,
    });
    if (world.config.redis === undefined) throw new Error('no redis');
    await using kv = createRedisKeyValue(world.config.redis, { clock: systemClock });
    const living = () => livingReplicas(kv, Date.now());
    await eventually('the replica beats', async () => (await living()).length === 1);
    const tokens = { alice: await world.token('alice'), carol: await world.token('carol') };
    const read = async (who: keyof typeof tokens) => {
      const answer = await world.call('GET', '/api/v3/project/1/project', { token: tokens[who] });
      const text = await answer.text();
      return { status: answer.status, text };
    };
    for (const who of ['alice', 'carol'] as const) assert.equal((await read(who)).status, 200);
    const queues = [{ name: 'test', urls }];
    const store = createFailoverStore({ kv, clock: systemClock });
    const deps = {
      clock: systemClock,
      createId: randomUUID,
      open: async () => ({ store, queues, living, [Symbol.asyncDispose]: async () => undefined }),
    };
    let out = '';
    const print = (text: string): void => {
      out += text;
    };
    assert.equal(await runFailover(['test', '--to', next.url], deps, print, print), 0, out);
    assert.match(out, /is not known yet: it is checked at the first login/);
    if (formerIsDead) await former.stop();
    const asked = former.ledger.requests.length;
    for (let nth = 0; nth < 3; nth += 1) {
      const { status, text } = await read('carol');
      assert.deepEqual([status, JSON.parse(text).code], [503, 'GW_CREDENTIAL_UNAVAILABLE'], text);
    }
    const before = next.ledger.requests.length;
    assert.equal((await read('alice')).status, 200);
    assert.ok(next.ledger.requests.length > before);
    assert.equal(former.ledger.requests.length, asked, 'the former server is not asked any more');
    const said = world.log.filter((line) => /upstream_candidate|upstream_outage/.test(line));
    assert.equal(said.length, 1, said.join('\n'));
    assert.equal((await store.choice('test'))?.origin, next.url);
    const passwordsOfCarol = next.ledger.logins.filter(({ user }) => user === 'carol');
    assert.equal(passwordsOfCarol.length, 1);
  });
}
