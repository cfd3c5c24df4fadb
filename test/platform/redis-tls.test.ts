import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { RedisConfig } from '../../src/config/index.ts';
import { StoreUnavailable } from '../../src/platform/index.ts';
import { createAuthority, type Leaf } from '../../standin/certificates.ts';
import { eventually } from '../world/eventually.ts';
import { type RedisProcess, startRedis } from '../world/redis.ts';
import { watchedRedis } from './store-world.ts';

let dir: string;
let redis: RedisProcess;
let strict: RedisProcess;

const at = (name: string): string => join(dir, name);

async function writePair(name: string, leaf: Leaf): Promise<{ certFile: string; keyFile: string }> {
  await writeFile(at(`${name}.pem`), leaf.certPem);
  await writeFile(at(`${name}.key`), leaf.keyPem);
  return { certFile: at(`${name}.pem`), keyFile: at(`${name}.key`) };
}

before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'redis-tls-'));
  const [authority, other] = [await createAuthority(), await createAuthority()];
  await writeFile(at('ca.pem'), authority.certPem);
  await writeFile(at('other-ca.pem'), other.certPem);
  const server = await writePair('server', await authority.leaf({ hosts: ['127.0.0.1', 'redis.example'] }));
  const named = await writePair('named', await authority.leaf({ hosts: ['redis.example'] }));
  await writePair('client', await authority.leaf({ hosts: ['gateway'], usage: 'client' }));
  await writePair('stranger', await other.leaf({ hosts: ['gateway'], usage: 'client' }));
  redis = await startRedis({ tls: { ...server, caFile: at('ca.pem') } });
  strict = await startRedis({ tls: { ...named, caFile: at('ca.pem'), askClient: true } });
});

after(async () => {
  await redis[Symbol.asyncDispose]();
  await strict[Symbol.asyncDispose]();
  await rm(dir, { recursive: true, force: true });
});

async function assertRefused(config: RedisConfig, reason: RegExp): Promise<void> {
  const world = watchedRedis(config);
  await using kv = world.kv;
  await eventually('it is reported', () => world.states.length > 0);
  assert.equal(world.states[0]?.state, 'down');
  assert.match(world.states[0]?.reason ?? '', reason);
  await assert.rejects(kv.ping(), StoreUnavailable);
  assert.ok(world.states.every(({ state }) => state === 'down'));
}

test('TLS with the right authority, for calls and for messages', async () => {
  await using kv = watchedRedis(redis.config()).kv;
  await eventually('it is up', () => kv.state() === 'up');
  const heard: string[] = [];
  await using _ = await kv.subscribe('c', (text) => heard.push(text));
  await kv.publish('c', 'hello');
  await eventually('heard', () => heard.length === 1);
});

test('TLS refuses a server of another authority', () =>
  assertRefused(redis.config({ tls: { caFile: at('other-ca.pem') } }), /certificate/i));

test('TLS refuses a server that the system’s authorities do not know', () =>
  assertRefused(redis.config({ tls: {} }), /certificate/i));

test('TLS refuses a server of another name', () =>
  assertRefused(redis.config({ tls: { caFile: at('ca.pem'), serverName: 'other.example' } }), /other\.example/));

test('a plain connection to a TLS server and the reverse are reasons', async () => {
  const { tls: _, ...plain } = redis.config();
  await assertRefused(plain, /./);
  await using unencrypted = await startRedis();
  await assertRefused(unencrypted.config({ tls: { caFile: at('ca.pem') } }), /./);
});

test('a client certificate and a server name', async () => {
  const tls = { caFile: at('ca.pem'), serverName: 'redis.example' };
  const pair = { certFile: at('client.pem'), keyFile: at('client.key') };
  await using kv = watchedRedis(strict.config({ tls: { ...tls, ...pair } })).kv;
  await eventually('it is up', () => kv.state() === 'up');
  await assertRefused(strict.config({ tls }), /./);
  const stranger = { certFile: at('stranger.pem'), keyFile: at('stranger.key') };
  await assertRefused(strict.config({ tls: { ...tls, ...stranger } }), /./);
});

test('a TLS file that is missing is named, and used once it is there', async () => {
  const world = watchedRedis(redis.config({ tls: { caFile: at('later.pem') } }));
  await using kv = world.kv;
  await assert.rejects(kv.ping(), StoreUnavailable);
  assert.match(world.states[0]?.reason ?? '', /redis\.tls\.caFile cannot be read: .*later\.pem/);
  const { readFile } = await import('node:fs/promises');
  await writeFile(at('later.pem'), await readFile(at('ca.pem')));
  await world.reaches('up');
});

test('TLS files that do not parse are reasons', async () => {
  await writeFile(at('nonsense.pem'), 'no certificate');
  const pair = { certFile: at('nonsense.pem'), keyFile: at('nonsense.pem') };
  await assertRefused(redis.config({ tls: { caFile: at('ca.pem'), ...pair } }), /./);
});
