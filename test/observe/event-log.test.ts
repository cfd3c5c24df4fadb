import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { LoginRecord } from '../../src/observe/index.ts';
import { captureReport, NOW } from './log-capture.ts';

/** The fields that every line has. */
const ALWAYS = new Set(['log.level', '@timestamp', 'service.name', 'service.version', 'message']);

/** Level, message and own fields of each line. */
function told(lines: readonly Record<string, unknown>[]) {
  return lines.map((line) => ({
    level: line['log.level'],
    message: line.message,
    ...Object.fromEntries(Object.entries(line).filter(([name]) => !ALWAYS.has(name))),
  }));
}

const LOGIN: LoginRecord = { queue: 'main', account: 'alice_v', reason: 'renewal', result: 'ok', seconds: 0.25 };

describe('lines of logins', () => {
  it('say who, why and how long', async () => {
    await using world = captureReport();
    world.report.login(LOGIN);
    assert.deepEqual(told(world.capture.parsed()), [
      {
        level: 'info',
        message: 'logged in at vovserver',
        'event.action': 'jwt_login',
        'event.reason': 'ok (renewal)',
        'vovgw.queue': 'main',
        'vovgw.account': 'alice_v',
        'vovgw.seconds': 0.25,
      },
    ]);
  });

  it('warn of every failure, with its detail', async () => {
    await using world = captureReport();
    world.report.login({ ...LOGIN, result: 'rejected' });
    world.report.login({ ...LOGIN, result: 'failed', detail: 'HTTP 500' });
    world.report.login({ ...LOGIN, reason: 'first', result: 'no_password', detail: 'no source knows it' });
    assert.deepEqual(
      told(world.capture.parsed()).map((line) => [line.level, line['event.reason' as keyof typeof line]]),
      [
        ['warn', 'rejected (renewal)'],
        ['warn', 'failed (renewal): HTTP 500'],
        ['warn', 'no_password (first): no source knows it'],
      ],
    );
  });
});

describe('lines of certificates', () => {
  const seen = { queue: 'main', host: 'vov', level: 3, notAfter: NOW, pin: 'sha256/abc' } as const;

  it('give end, key and level', async () => {
    await using world = captureReport();
    world.report.certificate(seen);
    assert.deepEqual(told(world.capture.parsed()), [
      {
        level: 'info',
        message: 'certificate of vovserver verified',
        'event.action': 'upstream_certificate',
        'event.reason': 'valid until 2026-11-25T00:00:00.000Z, public key sha256/abc',
        'vovgw.queue': 'main',
        'server.address': 'vov',
        'vovgw.tls_level': 3,
      },
    ]);
  });

  it('warn below level 3, and say that plain HTTP has none', async () => {
    await using world = captureReport();
    world.report.certificate({ ...seen, level: 1, notAfter: null, pin: null });
    const [line] = world.capture.parsed();
    assert.equal(line?.['log.level'], 'warn');
    assert.equal(line['event.reason'], 'no certificate');
    assert.equal(line.message, 'the identity of vovserver is not verified');
  });

  it('come for each queue, and for each change of host, end or key', async () => {
    await using world = captureReport();
    const changes = [{}, { queue: 'night' }, {}, { host: 'vov2' }, { notAfter: NOW + 1 }, { pin: 'sha256/def' }];
    for (const change of changes) world.report.certificate({ ...seen, ...change });
    assert.equal(world.capture.lines.length, 5);
  });

  it('survive an end that is no time', async () => {
    await using world = captureReport();
    for (const notAfter of [Number.NaN, 1e300, Number.NEGATIVE_INFINITY])
      world.report.certificate({ ...seen, notAfter });
    assert.deepEqual(
      world.capture.parsed().map((line) => line['event.reason']),
      Array.from({ length: 3 }, () => 'valid until unknown, public key sha256/abc'),
    );
  });
});

describe('lines of calls to vovserver', () => {
  const call = { queue: 'main', route: '/api/v3/jobs', method: 'GET', seconds: 2 } as const;

  it('come only for calls without an answer, at level debug', async () => {
    await using world = captureReport({ level: 'debug' });
    world.report.upstream({ ...call, result: 200 });
    world.report.upstream({ ...call, result: 500 });
    world.report.upstream({ ...call, result: 'connect' });
    assert.deepEqual(told(world.capture.parsed()), [
      {
        level: 'debug',
        message: 'no answer',
        'event.action': 'upstream',
        'event.reason': 'GET /api/v3/jobs: connect',
        'vovgw.queue': 'main',
        'vovgw.seconds': 2,
      },
    ]);
  });

  it('are not written at level info', async () => {
    await using world = captureReport();
    world.report.upstream({ ...call, result: 'timeout' });
    assert.deepEqual(world.capture.lines, []);
  });
});

describe('lines of the configuration', () => {
  it('tell whether a new one was taken; the one of the start is not worth a line', async () => {
    await using world = captureReport();
    assert.deepEqual(world.capture.lines, []);
    world.report.configReload(false);
    world.report.configReload(true);
    assert.deepEqual(
      world.capture.parsed().map((line) => [line['log.level'], line['event.action'], line.message]),
      [
        ['error', 'config_reload', 'configuration refused; the last good one stays in force'],
        ['info', 'config_reload', 'configuration accepted'],
      ],
    );
  });
});

describe('events that are only counted', () => {
  it('leave no line, at level debug neither', async () => {
    await using world = captureReport({ level: 'debug' });
    const { report } = world;
    report.requestStarted('api');
    report.jwtLookup('main', 'store');
    report.jwtExpiry('main', 10, 1);
    report.limit('identity', 'any', 'denied', 'local');
    report.attempt('blocked', 'token');
    report.storeCommand('get', 1, false);
    report.upstreamConnections('main', 1);
    assert.deepEqual(world.capture.lines, []);
  });
});
