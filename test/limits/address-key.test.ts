import assert from 'node:assert/strict';
import { isIPv6 } from 'node:net';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { addressKey } from '../../src/limits/address-key.ts';

describe('address key', () => {
  const cases: readonly (readonly [string, string])[] = [
    ['192.0.2.7', '192.0.2.7'],
    ['::ffff:192.0.2.7', '192.0.2.7'],
    ['::FFFF:192.0.2.7', '192.0.2.7'],
    ['::ffff:c000:207', '192.0.2.7'],
    ['0:0:0:0:0:ffff:c000:0207', '192.0.2.7'],
    ['2001:db8::1', '2001:db8:0:0::/64'],
    ['2001:0DB8:0000:0000:ffff::2', '2001:db8:0:0::/64'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:db8:1:3::', '2001:db8:1:3::/64'],
    ['::1', '0:0:0:0::/64'],
    ['::', '0:0:0:0::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
    ['64:ff9b::192.0.2.33', '64:ff9b:0:0::/64'],
    // No address: counted as its own text, never thrown.
    ['', ''],
    ['unknown', 'unknown'],
    ['1:2:3', '1:2:3'],
    ['1::2::3', '1::2::3'],
    ['::ffff:1.2.3.400', '::ffff:1.2.3.400'],
    ['::ffff:1.2.3', '::ffff:1.2.3'],
    ['g::1', 'g::1'],
    ['1:2:3:4:5:6:7:8:9', '1:2:3:4:5:6:7:8:9'],
    ['1:2:3:4:5:6:7::8', '1:2:3:4:5:6:7::8'],
  ];
  for (const [address, key] of cases)
    it(`${JSON.stringify(address)} counts as ${key}`, () => assert.equal(addressKey(address), key));

  it('is one for all addresses of a /64 and differs between two of them', () => {
    const group = fc.integer({ min: 0x1, max: 0xfffe });
    const four = fc.tuple(group, group, group, group);
    const text = (groups: readonly number[]): string => groups.map((g) => g.toString(16)).join(':');
    fc.assert(
      fc.property(four, four, four, (net, a, b) => {
        const first = `${text(net)}:${text(a)}`;
        assert.ok(isIPv6(first));
        assert.equal(addressKey(first), addressKey(`${text(net)}:${text(b)}`));
        assert.notEqual(addressKey(first), addressKey(`${text([net[0] ^ 1, net[1], net[2], net[3]])}:${text(a)}`));
      }),
    );
  });

  it('is the same for every way to write an IPv6 address', () => {
    fc.assert(
      fc.property(fc.ipV6(), (address) => {
        const canonical = new URL(`http://[${address}]/`).hostname.slice(1, -1);
        assert.equal(addressKey(address), addressKey(canonical));
      }),
    );
  });
});
