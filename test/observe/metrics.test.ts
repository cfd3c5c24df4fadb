import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { register } from 'prom-client';
import { createReport, describeMetrics, type ReportHandle } from '../../src/observe/index.ts';
import { captureReport, FULL_RECORD, fixedClock, LineCapture, NOW, PLAIN_RECORD } from './log-capture.ts';

/** The value of one exposed series, exactly as written; undefined when there is none. */
async function seriesValue(report: ReportHandle, series: string): Promise<string | undefined> {
  const lines = (await report.metrics()).split('\n');
  return lines.find((line) => line.startsWith(`${series} `))?.slice(series.length + 1);
}

/** All series of a metric. */
async function seriesOf(report: ReportHandle, name: string): Promise<string[]> {
  return (await report.metrics())
    .split('\n')
    .filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `));
}

describe('metrics of requests', () => {
  it('count by door, route, method and status', async () => {
    await using world = captureReport();
    const { report } = world;
    report.requestEnded(FULL_RECORD);
    report.requestEnded(FULL_RECORD);
    report.requestEnded({ ...PLAIN_RECORD, door: 'token' });
    assert.deepEqual(await seriesOf(report, 'vovgw_requests_total'), [
      'vovgw_requests_total{door="api",route="/api/v3/jobs/{id}",method="GET",code="200"} 2',
      'vovgw_requests_total{door="token",route="none",method="POST",code="404"} 1',
    ]);
  });

  it('measure durations by route and method', async () => {
    await using world = captureReport();
    world.report.requestEnded(FULL_RECORD);
    const labels = 'route="/api/v3/jobs/{id}",method="GET"';
    const bucket = (le: string) =>
      seriesValue(world.report, `vovgw_request_duration_seconds_bucket{le="${le}",${labels}}`);
    assert.equal(await bucket('0.01'), '0');
    assert.equal(await bucket('0.025'), '1');
    assert.equal(await bucket('+Inf'), '1');
    assert.equal(await seriesValue(world.report, `vovgw_request_duration_seconds_sum{${labels}}`), '0.0125');
    assert.equal(await seriesValue(world.report, `vovgw_request_duration_seconds_count{${labels}}`), '1');
  });

  it('follow requests in flight, bytes, aborts and error codes', async () => {
    await using world = captureReport();
    const { report } = world;
    for (let i = 0; i < 3; i += 1) report.requestStarted('api');
    report.requestEnded(FULL_RECORD);
    assert.equal(await seriesValue(report, 'vovgw_requests_in_flight{door="api"}'), '2');
    assert.equal(await seriesValue(report, 'vovgw_response_bytes_total{door="api"}'), '812');
    assert.equal(await seriesValue(report, 'vovgw_requests_aborted_total{door="api"}'), '1');
    assert.equal(await seriesValue(report, 'vovgw_errors_total{code="GW_UPSTREAM_INVALID"}'), '1');
  });

  it('bound method, status and error code', async () => {
    await using world = captureReport();
    const { report } = world;
    for (const method of ['BREW', 'get', 'PROPFIND', '', 'G\r\nT']) report.requestEnded({ ...PLAIN_RECORD, method });
    for (const status of [99, 600, -1, 200.5, Number.NaN]) report.requestEnded({ ...PLAIN_RECORD, status });
    for (const code of ['GW_MADE_UP', 'toString', '__proto__']) report.requestEnded({ ...PLAIN_RECORD, code });
    report.requestEnded({ ...PLAIN_RECORD, status: 0 });
    assert.deepEqual(await seriesOf(report, 'vovgw_requests_total'), [
      'vovgw_requests_total{door="api",route="none",method="other",code="404"} 5',
      'vovgw_requests_total{door="api",route="none",method="POST",code="other"} 5',
      'vovgw_requests_total{door="api",route="none",method="POST",code="404"} 3',
      'vovgw_requests_total{door="api",route="none",method="POST",code="0"} 1',
    ]);
    assert.deepEqual(await seriesOf(report, 'vovgw_errors_total'), ['vovgw_errors_total{code="other"} 3']);
  });

  it('carry no user, account, token, address or path', async () => {
    await using world = captureReport();
    const { report } = world;
    report.requestEnded(FULL_RECORD);
    report.login({
      queue: 'main',
      account: 'alice_v',
      reason: 'first',
      result: 'rejected',
      seconds: 1,
      detail: 'k3v9',
    });
    assert.doesNotMatch(await report.metrics(), /alice|k3v9|nightly|192\.0\.2\.7|45080|req-0000/);
  });
});

describe('metrics of vovserver', () => {
  it('count calls by status or by why there was none', async () => {
    await using world = captureReport();
    const call = { queue: 'main', route: '/api/v3/jobs/{id}', method: 'GET', seconds: 0.2 } as const;
    world.report.upstream({ ...call, result: 200 });
    world.report.upstream({ ...call, result: 'timeout' });
    const labels = 'queue="main",route="/api/v3/jobs/{id}",method="GET"';
    assert.deepEqual(await seriesOf(world.report, 'vovgw_upstream_requests_total'), [
      `vovgw_upstream_requests_total{${labels},result="200"} 1`,
      `vovgw_upstream_requests_total{${labels},result="timeout"} 1`,
    ]);
    assert.equal(await seriesValue(world.report, `vovgw_upstream_request_duration_seconds_count{${labels}}`), '2');
  });

  it('show open connections', async () => {
    await using world = captureReport();
    world.report.upstreamConnections('main', 4);
    world.report.upstreamConnections('main', 3);
    assert.equal(await seriesValue(world.report, 'vovgw_upstream_connections{queue="main"}'), '3');
  });

  it('show TLS level and end of the certificate, its rest as time goes by', async () => {
    await using world = captureReport();
    const { report, clock } = world;
    report.certificate({ queue: 'main', host: 'vov', level: 3, notAfter: NOW + 86_400_000, pin: null });
    clock.time += 3_600_000;
    assert.equal(await seriesValue(report, 'vovgw_upstream_tls_level{queue="main"}'), '3');
    const end = await seriesValue(report, 'vovgw_upstream_certificate_expiry_timestamp_seconds{queue="main"}');
    assert.equal(end, String((NOW + 86_400_000) / 1000));
    assert.equal(await seriesValue(report, 'vovgw_upstream_certificate_remaining_seconds{queue="main"}'), '82800');
  });

  it('show no certificate for plain HTTP', async () => {
    await using world = captureReport();
    const { report } = world;
    report.certificate({ queue: 'main', host: 'vov', level: 3, notAfter: NOW + 1000, pin: null });
    report.certificate({ queue: 'main', host: 'vov', level: 1, notAfter: null, pin: null });
    assert.equal(await seriesValue(report, 'vovgw_upstream_tls_level{queue="main"}'), '1');
    assert.deepEqual(await seriesOf(report, 'vovgw_upstream_certificate_expiry_timestamp_seconds'), []);
    assert.deepEqual(await seriesOf(report, 'vovgw_upstream_certificate_remaining_seconds'), []);
  });
});

describe('metrics of the broker', () => {
  it('count lookups and logins; only real logins have a duration', async () => {
    await using world = captureReport();
    const { report } = world;
    report.jwtLookup('main', 'memory');
    report.jwtLookup('main', 'memory');
    report.jwtLookup('main', 'login');
    const login = { queue: 'main', account: 'a', seconds: 0.3 } as const;
    report.login({ ...login, reason: 'first', result: 'ok' });
    report.login({ ...login, reason: 'renewal', result: 'failed' });
    report.login({ ...login, reason: 'first', result: 'no_password' });
    assert.deepEqual(await seriesOf(report, 'vovgw_jwt_lookups_total'), [
      'vovgw_jwt_lookups_total{queue="main",found="memory"} 2',
      'vovgw_jwt_lookups_total{queue="main",found="login"} 1',
    ]);
    assert.deepEqual(await seriesOf(report, 'vovgw_jwt_logins_total'), [
      'vovgw_jwt_logins_total{queue="main",reason="first",result="ok"} 1',
      'vovgw_jwt_logins_total{queue="main",reason="renewal",result="failed"} 1',
      'vovgw_jwt_logins_total{queue="main",reason="first",result="no_password"} 1',
    ]);
    assert.equal(await seriesValue(report, 'vovgw_jwt_login_duration_seconds_count{queue="main"}'), '2');
  });

  it('let the seconds to expiry run down, and take them away when there is no JWT', async () => {
    await using world = captureReport();
    const { report, clock } = world;
    const rest = () => seriesValue(report, 'vovgw_jwt_min_seconds_to_expiry{queue="main"}');
    report.jwtExpiry('main', 600, 3);
    clock.time += 60_000;
    assert.equal(await rest(), '540');
    assert.equal(await seriesValue(report, 'vovgw_jwt_cached{queue="main"}'), '3');
    report.jwtExpiry('main', null, 0);
    assert.equal(await rest(), undefined);
    assert.equal(await seriesValue(report, 'vovgw_jwt_cached{queue="main"}'), '0');
  });
});

describe('metrics of limits, sign-in, store and configuration', () => {
  it('count decisions and attempts', async () => {
    await using world = captureReport();
    const { report } = world;
    report.limit('identity', 'read', 'allowed', 'lease');
    report.limit('identity', 'read', 'denied', 'store');
    report.attempt('failed', 'token');
    assert.deepEqual(await seriesOf(report, 'vovgw_limit_decisions_total'), [
      'vovgw_limit_decisions_total{policy="identity",class="read",decision="allowed",source="lease"} 1',
      'vovgw_limit_decisions_total{policy="identity",class="read",decision="denied",source="store"} 1',
    ]);
    assert.deepEqual(await seriesOf(report, 'vovgw_auth_attempts_total'), [
      'vovgw_auth_attempts_total{door="token",result="failed"} 1',
    ]);
  });

  it('count what rules of the policy refuse, and would refuse, by the rules of the configuration', async () => {
    await using world = captureReport();
    const { report } = world;
    report.policyDecision('main', 'folders', 'deny');
    report.policyDecision('main', 'folders', 'deny');
    report.policyDecision('main', 'what interns may', 'would_deny');
    assert.deepEqual(await seriesOf(report, 'vovgw_policy_decisions_total'), [
      'vovgw_policy_decisions_total{queue="main",rule="folders",decision="deny"} 2',
      'vovgw_policy_decisions_total{queue="main",rule="what_interns_may",decision="would_deny"} 1',
    ]);
  });

  it('show the store only once it is known', async () => {
    await using world = captureReport();
    const { report } = world;
    assert.deepEqual(await seriesOf(report, 'vovgw_store_up'), []);
    report.store('up', 'connected');
    assert.equal(await seriesValue(report, 'vovgw_store_up'), '1');
    report.store('down', 'timeout');
    assert.equal(await seriesValue(report, 'vovgw_store_up'), '0');
    report.storeCommand('get', 0.002, true);
    report.storeCommand('get', 0.3, false);
    assert.equal(await seriesValue(report, 'vovgw_store_command_duration_seconds_count{command="get"}'), '2');
    assert.equal(await seriesValue(report, 'vovgw_store_errors_total{command="get"}'), '1');
  });

  it('keep the time of the last good configuration', async () => {
    await using world = captureReport();
    const { report, clock } = world;
    const state = async () => [
      await seriesValue(report, 'vovgw_config_last_reload_successful'),
      await seriesValue(report, 'vovgw_config_last_reload_success_timestamp_seconds'),
    ];
    assert.deepEqual(await state(), ['1', String(NOW / 1000)]);
    clock.time += 5000;
    report.configReload(false);
    assert.deepEqual(await state(), ['0', String(NOW / 1000)]);
    report.configReload(true);
    assert.deepEqual(await state(), ['1', String(NOW / 1000 + 5)]);
  });

  it('write a line when the state of store or certificate changes, not when it repeats', async () => {
    await using world = captureReport();
    const { report, capture } = world;
    const certificate = { queue: 'main', host: 'vov', level: 2, notAfter: NOW, pin: 'sha256/x' } as const;
    for (let i = 0; i < 3; i += 1) {
      report.store('up', 'connected');
      report.certificate(certificate);
    }
    report.store('down', 'timeout');
    report.certificate({ ...certificate, level: 3 });
    assert.deepEqual(
      capture.parsed().map((line) => [line['log.level'], line['event.action'], line['vovgw.tls_level']]),
      [
        ['info', 'store', undefined],
        ['warn', 'upstream_certificate', 2],
        ['error', 'store', undefined],
        ['info', 'upstream_certificate', 3],
      ],
    );
  });
});

/** Scrapes until the event loop was looked at more than `than` times; gives the count. */
async function untilLooked(report: ReportHandle, than = 0): Promise<number> {
  let count = than;
  // A scrape starts the watch anew, so it must be left alone for some of its turns.
  while (count <= than) {
    await sleep(100);
    count = Number(await seriesValue(report, 'vovgw_event_loop_delay_seconds_count'));
  }
  return count;
}

describe('the exposition', () => {
  it('says what was built', async () => {
    await using world = captureReport();
    const labels = `version="1.2.3",revision="abc123",node="${process.version}"`;
    assert.equal(await seriesValue(world.report, `vovgw_build_info{${labels}}`), '1');
  });

  it('has a help and a type for each described metric, with names as Prometheus wants them', async () => {
    await using world = captureReport();
    const text = await world.report.metrics();
    for (const { name, type, help } of describeMetrics()) {
      assert.ok(text.includes(`# HELP ${name} ${help}\n# TYPE ${name} ${type}\n`), name);
    }
    for (const [, name = '', type] of text.matchAll(/^# TYPE (\S+) (\S+)$/gm)) {
      assert.match(name, /^vovgw_[a-z0-9_]+$/);
      assert.equal(name.endsWith('_total'), type === 'counter', `${name} is a ${type}`);
      assert.doesNotMatch(name, /milliseconds|minutes|hours|days|kilobytes|megabytes|percent|_count$|_sum$|_bucket$/);
    }
  });

  it('shows the process and the event loop', async () => {
    await using world = captureReport();
    await untilLooked(world.report);
    const text = await world.report.metrics();
    for (const name of ['vovgw_process_cpu_seconds_total', 'vovgw_process_resident_memory_bytes']) {
      assert.match(text, new RegExp(`^${name} [0-9.e+]+$`, 'm'));
    }
    for (const quantile of ['0.5', '0.9', '0.99', '1']) {
      assert.match(text, new RegExp(`^vovgw_event_loop_delay_seconds\\{quantile="${quantile}"\\} [0-9.e+-]+$`, 'm'));
    }
    assert.doesNotMatch(text, /eventloop_lag|active_handles_total/);
  });

  it('counts the event loop upwards although each scrape starts anew', async () => {
    await using world = captureReport();
    const first = await untilLooked(world.report);
    const second = await untilLooked(world.report, first);
    assert.ok(second > first);
  });

  it('is of its own registry: two reports and the global one stay apart', async () => {
    await using first = captureReport();
    await using second = captureReport();
    first.report.requestEnded(PLAIN_RECORD);
    assert.deepEqual(await seriesOf(second.report, 'vovgw_requests_total'), []);
    assert.equal(await register.metrics(), '\n');
  });

  it('names its content type', async () => {
    await using world = captureReport();
    assert.equal(world.report.contentType, 'text/plain; version=0.0.4; charset=utf-8');
  });
});

describe('a report', () => {
  it('never throws, whatever it is told', async () => {
    await using world = captureReport({ level: 'debug' });
    const { report } = world;
    for (const odd of [undefined, null, Symbol('x'), 5, {}, [], Number.NaN]) {
      for (const call of Object.values(report)) {
        if (typeof call === 'function' && call !== report.setLogLevel)
          (call as (...all: unknown[]) => void)(odd, odd, odd);
      }
      const { log } = report as unknown as { log: Record<string, (...all: unknown[]) => void> };
      for (const level of ['debug', 'info', 'warn', 'error']) log[level]?.(odd, odd);
    }
    assert.notEqual(await seriesValue(report, 'vovgw_log_lines_lost_total'), '0');
    report.requestEnded(PLAIN_RECORD);
    assert.match(await report.metrics(), /vovgw_requests_total\{.*code="404"\} 1/);
  });

  it('counts lines that its output refuses', async () => {
    const output = new LineCapture();
    const report = createReport({ log: { level: 'info', requests: true }, clock: fixedClock(), version: '1', output });
    output.destroy(new Error('gone'));
    report.log.info({}, 'a');
    report.log.info({}, 'b');
    await report.flush();
    assert.equal(await seriesValue(report, 'vovgw_log_lines_lost_total'), '2');
    await report[Symbol.asyncDispose]();
  });

  it('says unknown when it was not told its revision', async () => {
    const output = new LineCapture();
    await using report = createReport({
      log: { level: 'info', requests: true },
      clock: fixedClock(),
      version: '1',
      output,
    });
    assert.match(await report.metrics(), /vovgw_build_info\{version="1",revision="unknown"/);
  });
});
