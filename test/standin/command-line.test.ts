import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { HELP, readCommandLine } from '../../standin/command-line.ts';
import { changeProfile, DEFAULT_PROFILE } from '../../standin/vovserver/profile.ts';

/** What a start would do with these arguments, but for listening. */
function changeAll(args: readonly string[]): void {
  const { server } = readCommandLine(args);
  changeProfile(DEFAULT_PROFILE, server.profile ?? {});
}

describe('the command line', () => {
  it('has defaults', () => {
    const { server, control, certDir, help } = readCommandLine([]);
    assert.deepEqual(
      [server.host, server.port, server.transport, server.queueName],
      ['127.0.0.1', 6271, 'https-selfsigned', 'vnc'],
    );
    assert.deepEqual([control, certDir, help, server.ledger], [{ host: '127.0.0.1', port: 6270 }, null, false, true]);
  });

  it('reads lives and clocks', () => {
    for (const [text, ms] of [
      ['20s', 20_000],
      ['250ms', 250],
      ['1.5m', 90_000],
      ['4h', 14_400_000],
    ] as const) {
      assert.equal(readCommandLine(['--jwt-life', text]).server.profile?.jwtLifeMs, ms);
    }
    const manual = readCommandLine(['--clock', 'manual']).server.clock;
    assert.equal(manual?.now(), manual?.now());
  });

  it('takes chance from a seed', () => {
    const numbers = (seed: string): number[] => {
      const { random = Math.random } = readCommandLine(['--seed', seed]).server;
      return Array.from({ length: 1000 }, random);
    };
    assert.deepEqual(numbers('7'), numbers('7'));
    assert.notDeepEqual(numbers('7'), numbers('8'));
    const mean = numbers('7').reduce((sum, one) => sum + one, 0) / 1000;
    assert.ok(mean > 0.45 && mean < 0.55 && numbers('7').every((one) => one >= 0 && one < 1), String(mean));
    assert.throws(() => readCommandLine(['--seed', 'x']), /--seed x: must be a number/);
  });

  it('splits users at their first colon', () => {
    assert.deepEqual(readCommandLine(['--users', 'alice:a:b,bob:']).server.users, { alice: 'a:b', bob: '' });
  });

  it('sends the control port to the host of the web port unless told otherwise', () => {
    assert.equal(readCommandLine(['--host', '0.0.0.0']).control.host, '0.0.0.0');
    assert.equal(readCommandLine(['--host', '0.0.0.0', '--control-host', '127.0.0.1']).control.host, '127.0.0.1');
  });

  it('explains each of its options', () => {
    for (const [, option] of HELP.matchAll(/^ {2}(--[a-z-]+)/gm)) {
      assert.throws(() => readCommandLine([`${option}=`, `${option}-nonsense`]), /nonsense|does not take/);
    }
  });

  for (const [args, pattern] of [
    [['--transport', 'carrier-pigeon'], /--transport carrier-pigeon: must be http, /],
    [['--users', 'alice'], /--users alice: write it like alice:password/],
    [['--profile', 'nonsense=1'], /profile\.nonsense: no such switch/],
    [['--profile', 'slots=-1'], /profile\.slots: must not be negative/],
    [['--profile', 'submitStatus=204'], /profile\.submitStatus: must be 200 or 201/],
    [['--jwt-life', 'soon'], /--jwt-life soon: write it like 20s/],
    [['--clock', 'sundial'], /--clock sundial: must be real or manual/],
    [['--port', '99999'], /--port 99999: must be a port number/],
    [['--nonsense'], /Unknown option '--nonsense'/],
    [['--users-file', '/nonexistent'], /ENOENT/],
  ] as const) {
    it(`refuses ${args.join(' ')}`, () => assert.throws(() => changeAll(args), { message: pattern }));
  }
});
