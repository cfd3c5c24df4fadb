import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { createVovserver, type Vovserver } from '../../standin/vovserver/index.ts';
import { send } from '../security/raw.ts';
import { eventually } from '../world/eventually.ts';
import { startRedis } from '../world/redis.ts';
import { freePort } from '../world/redis-process.ts';
import { createWorld, type World } from '../world/world.ts';

const users = [
  { name: 'alice', password: 'pw-alice' },
  { name: 'alice2', password: 'pw-alice2' },
];

describe('two queues', () => {
  let day: Vovserver;
  let night: Vovserver;
  let world: World;
  let token: string;
  let nightPort: number;
  before(async () => {
    day = await createVovserver({ transport: 'http', queueName: 'day', users });
    night = await createVovserver({ transport: 'http', queueName: 'night', users });
    nightPort = await freePort();
    world = await createWorld({
      users: ['alice', 'alice2'],
      config: {
        queues: [
          { name: 'day', urls: [day.url], allowInsecure: true, hosts: ['day.example'] },
          { name: 'night', urls: [night.url], allowInsecure: true, hosts: ['Night.example'], port: nightPort },
        ],
        identity: {
          rules: [
            { match: { user: 'alice', queue: 'night' }, account: 'alice2' },
            { match: { userPattern: '([a-z]+)' }, account: '$1' },
          ],
        },
      },
    });
    token = await world.token('alice');
  });
  after(async () => {
    await world[Symbol.asyncDispose]();
    await day[Symbol.asyncDispose]();
    await night[Symbol.asyncDispose]();
  });

  async function queueAt(port: number, host: string): Promise<string> {
    const request = `GET /api/v3/project/1/project HTTP/1.1\r\nHost: ${host}\r\nAuthorization: Bearer ${token}\r\nConnection: close\r\n\r\n`;
    const [answer] = await send(port, request);
    return /day|night/.exec(answer?.body ?? '')?.[0] ?? `${answer?.status} ${answer?.body}`;
  }

  const hosts: Readonly<Record<string, string>> = {
    'day.example': 'day',
    'night.example': 'night',
    'NIGHT.example:8443': 'night',
    'night.example:1': 'night',
    'night.example.': 'night',
    'night.example.:8443': 'night',
    'other.example': 'day',
    'xnight.example': 'day',
    'night.example.evil': 'day',
    '127.0.0.1': 'day',
    '[::1]:80': 'day',
  };
  for (const [host, queue] of Object.entries(hosts)) {
    it(`Host ${host} means ${queue}`, async () => assert.equal(await queueAt(world.gateway.port, host), queue));
  }

  it('the port of a queue decides before the host name does', async () => {
    assert.equal(world.gateway.queuePorts.get('night'), nightPort);
    for (const host of Object.keys(hosts)) assert.equal(await queueAt(nightPort, host), 'night');
  });

  it('each queue has its own account of the caller, and its own JWT', () => {
    const accounts = (server: Vovserver): string[] => [...new Set(server.ledger.logins.map(({ user }) => user))];
    assert.deepEqual(accounts(day), ['alice']);
    assert.deepEqual(accounts(night), ['alice2']);
    assert.equal(day.ledger.logins.length, 1);
    assert.equal(night.ledger.logins.length, 1);
  });

  it('one queue being down leaves the other alone', async () => {
    await night.stop();
    const at = (port: number) => world.call('GET', '/api/v3/project/1/version', { token, port });
    const down = await at(nightPort);
    assert.equal(down.status, 503);
    assert.ok(Number(down.headers.get('retry-after')) > 0);
    assert.equal(((await down.json()) as { code: string }).code, 'GW_UPSTREAM_DOWN');
    assert.equal((await at(world.gateway.port)).status, 200);
    await night.restart();
    await eventually('it is used again', async () => (await at(nightPort)).status === 200);
  });
});

describe('a queue that a reload takes away', () => {
  it('leaves nothing behind its port, least of all another queue', async () => {
    await using day = await createVovserver({ transport: 'http', queueName: 'day', users });
    await using night = await createVovserver({ transport: 'http', queueName: 'night', users });
    const port = await freePort();
    await using world = await createWorld({
      config: {
        queues: [
          { name: 'day', urls: [day.url], allowInsecure: true },
          { name: 'night', urls: [night.url], allowInsecure: true, port },
        ],
      },
    });
    const token = await world.token('alice');
    assert.equal((await world.call('GET', '/api/v3/project/1/version', { token, port })).status, 200);
    world.gateway.reload({ ...world.config, queues: world.config.queues.slice(0, 1) });
    assert.equal((await world.call('GET', '/api/v3/project/1/version', { token, port })).status, 404);
    assert.equal((await world.call('GET', '/api/v3/project/1/version', { token })).status, 200);
  });
});

describe('a server that is another queue', () => {
  it('is told of to the other replicas when it is met, and never because it was heard of', async () => {
    await using redis = await startRedis();
    await using world = await createWorld({ vovserver: { queueName: 'other' }, redisPort: redis.port });
    const published = async (): Promise<number> => {
      const stats = String(await redis.command('INFO', 'commandstats'));
      return Number(/cmdstat_publish:calls=(\d+)/.exec(stats)?.[1] ?? 0);
    };
    const token = await world.token('alice');
    for (let calls = 0; calls < 3; calls++) {
      const answer = await world.call('GET', '/api/v3/jobs/1', { token });
      assert.equal(answer.status, 503);
      assert.match(await answer.text(), /GW_UPSTREAM_WRONG_QUEUE/);
    }
    // A hint that is passed on goes round thousands of times within so many answers of Redis.
    for (let answers = 0; answers < 200; answers++) await redis.command('PING');
    assert.ok((await published()) < 30, `${await published()} messages`);
  });
});
