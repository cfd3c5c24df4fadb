import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { createCallerAddress } from '../../src/server/caller-address.ts';
import { createWorld } from '../world/world.ts';

const PROXIES = ['10.0.0.0/8', '192.0.2.7/32', 'fd00::/8'];

describe('caller address', () => {
  const { of } = createCallerAddress(PROXIES);
  const cases: readonly [string, string | undefined, string | undefined, string][] = [
    ['no header', '10.0.0.1', undefined, '10.0.0.1'],
    ['a peer that is no proxy', '198.51.100.9', '203.0.113.5', '198.51.100.9'],
    ['one proxy', '10.0.0.1', '203.0.113.5', '203.0.113.5'],
    ['two proxies', '10.0.0.1', '203.0.113.5, 10.9.9.9', '203.0.113.5'],
    ['a forged first hop', '10.0.0.1', '127.0.0.1, 203.0.113.5', '203.0.113.5'],
    ['a forged hop that looks like a proxy', '10.0.0.1', '10.1.1.1, 203.0.113.5', '203.0.113.5'],
    ['proxies only', '10.0.0.1', '10.0.0.2, 10.0.0.3', '10.0.0.2'],
    ['nonsense', '10.0.0.1', 'unknown', '10.0.0.1'],
    ['nonsense behind a proxy', '10.0.0.1', 'evil, 10.0.0.2', '10.0.0.2'],
    ['an address with a port', '10.0.0.1', '203.0.113.5:443', '10.0.0.1'],
    ['empty header', '10.0.0.1', '', '10.0.0.1'],
    ['IPv4 on an IPv6 socket', '::ffff:10.0.0.1', '203.0.113.5', '203.0.113.5'],
    ['IPv4 written as IPv6 in the header', '10.0.0.1', '::ffff:203.0.113.5', '203.0.113.5'],
    ['IPv6 proxy', 'fd00::1', '2001:db8::5', '2001:db8::5'],
    ['IPv6 peer that is no proxy', '2001:db8::9', '203.0.113.5', '2001:db8::9'],
    ['link-local peer with its zone', 'fe80::1%eth0', '203.0.113.5', 'fe80::1'],
    ['a hop with a zone', '10.0.0.1', 'fe80::2%eth0', 'fe80::2'],
    ['no peer any more', undefined, '203.0.113.5', '0.0.0.0'],
  ];
  for (const [name, remote, header, wanted] of cases) {
    it(name, () => assert.equal(of(remote, header), wanted));
  }

  it('never reads the header without trusted proxies', () => {
    const alone = createCallerAddress([]);
    fc.assert(fc.property(fc.ipV4(), fc.string(), (remote, header) => alone.of(remote, header) === remote));
  });

  it('never throws, and believes nothing that a stranger wrote', () => {
    const anything = fc.oneof(fc.string(), fc.ipV4(), fc.ipV6(), fc.constant('fe80::1%eth0'));
    fc.assert(
      fc.property(fc.array(anything, { maxLength: 6 }), (hops) => {
        assert.equal(of('198.51.100.9', hops.join(',')), '198.51.100.9');
        assert.equal(of('10.0.0.1', [...hops, '198.51.100.9'].join(', ')), '198.51.100.9');
        assert.equal(typeof of('10.0.0.1', hops.join(',')), 'string');
      }),
    );
  });
});

describe('caller address through the gateway', () => {
  const limited = { limits: { address: { requests: 2, window: '60s' }, identity: {} } };
  const ask = async (proxies: readonly string[], addresses: readonly string[]): Promise<number[]> => {
    await using world = await createWorld({ config: { ...limited, server: { trustedProxies: proxies } } });
    const statuses: number[] = [];
    for (const address of addresses) {
      const answer = await world.call('GET', '/nowhere', { headers: { 'x-forwarded-for': address } });
      statuses.push(answer.status);
      await answer.arrayBuffer();
    }
    return statuses;
  };

  it('limits each address behind a trusted proxy by itself', async () => {
    const statuses = await ask(['127.0.0.0/8'], ['203.0.113.1', '203.0.113.1', '203.0.113.1', '203.0.113.2']);
    assert.deepEqual(statuses, [404, 404, 429, 404]);
  });

  it('takes no address from a caller that is no trusted proxy', async () => {
    const statuses = await ask(['10.0.0.0/8'], ['203.0.113.1', '203.0.113.2', '203.0.113.3', '203.0.113.4']);
    assert.deepEqual(statuses, [404, 404, 429, 429]);
  });

  it('writes the address that it decided on into the log', async () => {
    await using world = await createWorld({ config: { server: { trustedProxies: ['127.0.0.0/8'] } } });
    await (await world.call('GET', '/nowhere', { headers: { 'x-forwarded-for': '6.6.6.6, 203.0.113.1' } })).text();
    await world.gateway.drain({ wait: false });
    const line = world.log.map((text) => JSON.parse(text)).find((line) => line['url.path'] === '/nowhere');
    assert.equal(line?.['client.ip'], '203.0.113.1', JSON.stringify(line));
  });
});
