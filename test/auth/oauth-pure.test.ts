import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { addressRange } from '../../src/auth/oauth/address-range.ts';
import { cleanHost, mintDeviceCode, mintUserCode, readUserCode } from '../../src/auth/oauth/device-code.ts';
import { type DeviceRecord, decided, decidePoll } from '../../src/auth/oauth/device-record.ts';
import { seededBytes } from './auth-world.ts';

const T0 = 1_000_000;
const RECORD: DeviceRecord = {
  userCode: 'BCDF-GHJK',
  scopes: ['read'],
  host: 'hpc1',
  address: '192.0.2.1',
  askedAt: T0,
  expiresAt: T0 + 600_000,
  interval: 5000,
  polledAt: null,
  state: 'pending',
  approver: null,
};
const ALICE = { subject: 'corp:1', user: 'alice', provider: 'corp' };

describe('user codes', () => {
  it('read back in every spelling of a person', () => {
    const random = seededBytes('user codes');
    fc.assert(
      fc.property(fc.array(fc.constantFrom(' ', '-', '', '.', '\u2011'), { minLength: 9, maxLength: 9 }), (gaps) => {
        const code = mintUserCode(random);
        const letters = [...code.replace('-', '')];
        const typed = letters.map((letter, at) => gaps[at] + (at % 2 ? letter.toLowerCase() : letter)).join('');
        assert.equal(readUserCode(typed + gaps[8]), code);
      }),
    );
  });

  it('are nothing else', () => {
    for (const text of ['', 'BCDF', 'BCDF-GHJKL', 'ABCD-FGHJ', 'BCDF-GHJ0', 'BCDF_GHJK', 'BCDF-GHJ\u00df', 'ﬂBCDFGH']) {
      assert.equal(readUserCode(text), null, text);
    }
    assert.equal(readUserCode(`BCDF${' '.repeat(1_000_000)}GHJK`), null);
    const foreign = fc.constantFrom(...'AEIOUYaeiouy0123456789_/\u017f\u212a');
    fc.assert(
      fc.property(
        foreign,
        fc.nat(7),
        (char, at) => readUserCode('BCDFGHJK'.replace(/./g, (c, n) => (n === at ? char : c))) === null,
      ),
    );
  });

  it('use every letter of their alphabet, device codes 256 bits', () => {
    const random = seededBytes('letters');
    const seen = new Set(Array.from({ length: 200 }, () => mintUserCode(random)).join(''));
    assert.equal([...seen].sort().join(''), '-BCDFGHJKLMNPQRSTVWXZ');
    assert.equal(Buffer.from(mintDeviceCode(random), 'base64url').length, 32);
  });
});

describe('host names', () => {
  it('hold only what one can hold, at most 48 characters', () => {
    fc.assert(fc.property(fc.string({ unit: 'binary' }), (text) => /^[A-Za-z0-9._-]{0,48}$/.test(cleanHost(text))));
    assert.equal(cleanHost('login-01.eda_farm.example.com'), 'login-01.eda_farm.example.com');
  });
});

describe('addresses', () => {
  it('count IPv6 by its /64 in every spelling, all else as it is', () => {
    for (const [address, range] of [
      ['192.0.2.1', '192.0.2.1'],
      ['::1', '0:0:0:0::/64'],
      ['2001:db8::1', '2001:db8:0:0::/64'],
      ['2001:DB8:0:0:ffff::', '2001:db8:0:0::/64'],
      ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
      ['fe80::1%eth0', 'fe80:0:0:0::/64'],
      ['1::', '1:0:0:0::/64'],
      ['nonsense', 'nonsense'],
    ] as const) {
      assert.equal(addressRange(address), range, address);
    }
  });

  it('of one /64 are one', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(0xffff), { minLength: 12, maxLength: 12 }), (groups) => {
        const hex = groups.map((group) => group.toString(16));
        const prefix = hex.slice(0, 4);
        const one = [...prefix, ...hex.slice(4, 8)].join(':');
        const other = [...prefix, ...hex.slice(8, 12)].join(':');
        assert.equal(addressRange(one), addressRange(other));
        assert.equal(addressRange(one), `${prefix.join(':')}::/64`);
      }),
    );
  });
});

describe('decidePoll', () => {
  const step = fc.record({
    wait: fc.nat(20_000),
    what: fc.constantFrom('poll', 'poll', 'poll', 'approve', 'deny'),
  });

  it('grants at most once, only after approval, and never after a denial', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        let [record, now, granted, approved]: [DeviceRecord, number, number, boolean] = [RECORD, T0, 0, false];
        for (const { wait, what } of steps) {
          now += wait;
          if (what === 'poll') {
            const { answer, next } = decidePoll(record, now);
            if (answer === 'granted') granted++;
            if (answer === 'granted') assert.ok(approved);
            record = next ?? record;
          } else {
            const next = decided(record, what === 'approve' ? ALICE : null, now);
            if (next !== null) approved = what === 'approve';
            record = next ?? record;
          }
        }
        assert.ok(granted <= 1);
        if (!approved) assert.equal(granted, 0);
      }),
    );
  });

  it('never slows down who waits as told, and always who does not', () => {
    fc.assert(
      fc.property(fc.array(fc.boolean(), { maxLength: 30 }), (patient) => {
        let [record, now, told]: [DeviceRecord, number, number] = [
          { ...RECORD, expiresAt: Number.MAX_SAFE_INTEGER, polledAt: T0 },
          T0,
          5000,
        ];
        for (const waits of patient) {
          now += waits ? told : told * 0.89;
          const { answer, next } = decidePoll(record, now);
          assert.equal(answer, waits ? 'authorization_pending' : 'slow_down');
          if (answer === 'slow_down') told += 5000;
          assert.ok(next);
          record = next;
        }
      }),
    );
  });

  it('accuses nobody when the clock went backwards', () => {
    assert.equal(decidePoll({ ...RECORD, polledAt: T0 + 60_000 }, T0).answer, 'authorization_pending');
  });

  it('knows the end of a code to the millisecond, approved or not', () => {
    for (const state of ['pending', 'approved', 'denied'] as const) {
      assert.equal(decidePoll({ ...RECORD, state }, RECORD.expiresAt).answer, 'expired_token');
      assert.notEqual(decidePoll({ ...RECORD, state }, RECORD.expiresAt - 1).answer, 'expired_token');
    }
    assert.equal(decided(RECORD, ALICE, RECORD.expiresAt), null);
  });
});
