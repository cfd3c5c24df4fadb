import { Secret, systemClock } from '../../src/kernel/index.ts';
import { createLeases, createRedisKeyValue, createSealer } from '../../src/platform/index.ts';
import { createBroker } from '../../src/tokens/index.ts';
import { eventually } from '../world/eventually.ts';
import { redisConfig } from '../world/redis.ts';
import { accountOf, createMapSource, createRecordedReport, SEALING_KEY, testConfig } from './replicas.ts';

// A replica as a process of its own: says `login` once it is in the middle of a login that never ends.
const [node = '', broker = '{}'] = process.argv.slice(2);
const kv = createRedisKeyValue(redisConfig({ nodes: [node] }), { clock: systemClock });
await eventually('Redis is there', () => kv.state() === 'up');
const config = testConfig(JSON.parse(broker));
const credential = createBroker({
  config: () => config,
  kv,
  leases: createLeases(kv, { clock: systemClock, ownerId: 'dying' }),
  sealer: createSealer({ current: new Secret(SEALING_KEY.reveal()) }),
  upstream: {
    epoch: () => 'vov1:6330',
    login() {
      process.stdout.write('login\n');
      return new Promise(() => setInterval(() => undefined, 1000));
    },
  },
  sources: () => [createMapSource(new Map([['alice', 'pw of alice']]))],
  report: createRecordedReport(),
  clock: systemClock,
  random: Math.random,
}).credentialFor(accountOf('alice'));
await credential.get();
