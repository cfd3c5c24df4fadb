import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { Secret } from '../../src/kernel/index.ts';
import { EVENT_FIELDS, type LogFields, REQUEST_FIELDS, type RequestRecord } from '../../src/observe/index.ts';
import { captureReport, FULL_RECORD, PLAIN_RECORD } from './log-capture.ts';

const HEAD = '"@timestamp":"2026-11-25T00:00:00.000Z","service.name":"vov-gateway","service.version":"1.2.3"';

describe('the request line', () => {
  it('is exactly this when everything is known', async () => {
    await using world = captureReport();
    world.report.requestEnded(FULL_RECORD);
    assert.deepEqual(world.capture.lines, [
      `{"log.level":"info",${HEAD},"event.action":"request","http.request.id":"req-00000001","vovgw.door":"api",` +
        '"http.request.method":"GET","vovgw.route":"/api/v3/jobs/{id}","url.path":"/api/v3/jobs/45080",' +
        '"http.response.status_code":200,"http.response.body.bytes":812,"vovgw.seconds":0.0125,' +
        '"vovgw.upstream_seconds":0.0101,"client.ip":"192.0.2.7","vovgw.queue":"main","user.name":"alice",' +
        '"vovgw.account":"alice_v","vovgw.token_id":"k3v9","vovgw.token_label":"nightly",' +
        '"error.code":"GW_UPSTREAM_INVALID","event.reason":"short body",' +
        '"trace.id":"0af7651916cd43dd8448eb211c80319c","vovgw.aborted":true,"message":"request"}\n',
    ]);
  });

  it('leaves out what is not known', async () => {
    await using world = captureReport();
    world.report.requestEnded(PLAIN_RECORD);
    assert.deepEqual(world.capture.lines, [
      `{"log.level":"info",${HEAD},"event.action":"request","http.request.id":"req-00000002","vovgw.door":"api",` +
        '"http.request.method":"POST","vovgw.route":"none","url.path":"/nothing","http.response.status_code":404,' +
        '"http.response.body.bytes":0,"vovgw.seconds":0.001,"client.ip":"192.0.2.7",' +
        '"trace.id":"0af7651916cd43dd8448eb211c80319c","message":"request"}\n',
    ]);
  });

  it('is a warning from status 500 on', async () => {
    await using world = captureReport();
    for (const status of [499, 500, 504]) world.report.requestEnded({ ...PLAIN_RECORD, status });
    assert.deepEqual(
      world.capture.parsed().map((line) => line['log.level']),
      ['info', 'warn', 'warn'],
    );
  });

  it('is not written when the configuration says so, and is counted all the same', async () => {
    await using world = captureReport({ requests: false });
    world.report.requestEnded(PLAIN_RECORD);
    assert.deepEqual(world.capture.lines, []);
    assert.match(await world.report.metrics(), /vovgw_requests_total\{.*code="404"\} 1/);
  });

  it('leaves out a traceparent that is none', async () => {
    await using world = captureReport();
    world.report.requestEnded({ ...PLAIN_RECORD, traceparent: '00-\r\nforged-line' });
    assert.equal(world.capture.parsed()[0]?.['trace.id'], undefined);
    assert.doesNotMatch(world.capture.lines.join(''), /forged/);
  });
});

describe('the log of events', () => {
  it('names its fields as documented', async () => {
    await using world = captureReport();
    world.report.log.warn(
      { event: 'jwt_login', queue: 'main', account: 'alice', reason: 'rejected', seconds: 0.5, count: 2, port: 8443 },
      'login failed',
    );
    assert.deepEqual(world.capture.lines, [
      `{"log.level":"warn",${HEAD},"event.action":"jwt_login","event.reason":"rejected","vovgw.queue":"main",` +
        '"vovgw.account":"alice","server.port":8443,"vovgw.seconds":0.5,"vovgw.count":2,"message":"login failed"}\n',
    ]);
  });

  it('says whether it was a dry run', async () => {
    await using world = captureReport();
    for (const dry of [true, false]) world.report.log.info({ event: 'policy_observed', dry_run: dry }, 'a');
    world.report.log.info({ event: 'policy_observed', dry_run: 'yes' as unknown as boolean }, 'a');
    const said = world.capture.parsed().map((line) => line['vovgw.dry_run']);
    assert.deepEqual(said, [true, false, undefined]);
  });

  it('writes an error as four fields; a code of the event wins', async () => {
    await using world = captureReport();
    const error = Object.assign(new RangeError('too far'), { code: 'EFAR' });
    world.report.log.error({ error }, 'a');
    world.report.log.error({ error, code: 'GW_INTERNAL' }, 'b');
    const [first, second] = world.capture.parsed();
    assert.equal(first?.['error.type'], 'RangeError');
    assert.equal(first['error.message'], 'too far');
    assert.equal(first['error.code'], 'EFAR');
    assert.match(String(first['error.stack_trace']), /^at /);
    assert.equal(second?.['error.code'], 'GW_INTERNAL');
  });

  it('writes nothing below its level, and follows a change of it', async () => {
    await using world = captureReport({ level: 'warn' });
    const { log } = world.report;
    log.debug({}, 'debug 1');
    log.info({}, 'info 1');
    log.warn({}, 'warn 1');
    world.report.setLogLevel('debug');
    log.debug({}, 'debug 2');
    world.report.setLogLevel('error');
    log.warn({}, 'warn 2');
    log.error({}, 'error 2');
    assert.deepEqual(
      world.capture.parsed().map((line) => line.message),
      ['warn 1', 'debug 2', 'error 2'],
    );
  });

  it('takes the time from the clock, line by line', async () => {
    await using world = captureReport();
    world.report.log.info({}, 'a');
    world.report.log.info({}, 'b');
    world.clock.time += 1;
    world.report.log.info({}, 'c');
    assert.deepEqual(
      world.capture.parsed().map((line) => line['@timestamp']),
      ['2026-11-25T00:00:00.000Z', '2026-11-25T00:00:00.000Z', '2026-11-25T00:00:00.001Z'],
    );
  });

  it('never takes a message for a format', async () => {
    await using world = captureReport();
    world.report.log.info({}, '100 %s %j %d');
    assert.equal(world.capture.parsed()[0]?.message, '100 %s %j %d');
  });
});

const SECRET = 'S3cretS3cretS3cretS3cretS3cret';
const secretText = fc.constantFrom(
  `vgw_k3v9_${SECRET}`,
  `eyJhbGciOiJIUzI1NiJ9.${SECRET}.${SECRET}`,
  `Bearer ${SECRET}`,
  `Bearer:${SECRET}`,
  `password=${SECRET}`,
  `redis://gateway:${SECRET}@redis:6379`,
  `a\r\n{"password":"${SECRET}"}`,
);

/** A value of any wrong type in place of a field; never text, which is allowed. */
const wrongType = fc.constantFrom<unknown>(
  new Secret(SECRET),
  { toString: () => SECRET, toJSON: () => SECRET },
  [SECRET],
  Buffer.from(SECRET),
  () => SECRET,
  null,
  undefined,
);

const namesOf = (rules: readonly { readonly name: string }[]): string[] => rules.map((rule) => rule.name);
const ALLOWED = new Set([
  ...['log.level', '@timestamp', 'service.name', 'service.version', 'event.action', 'message', 'trace.id'],
  ...['error.type', 'error.message', 'error.code', 'error.stack_trace', 'vovgw.aborted'],
  ...namesOf(EVENT_FIELDS),
  ...namesOf(REQUEST_FIELDS),
]);

/** One line of JSON, only documented names, and no trace of the secret. */
function assertClean(lines: readonly string[]): void {
  assert.equal(lines.length, 1);
  for (const line of lines) {
    assert.ok(!line.includes(SECRET), line);
    assert.equal(line.indexOf('\n'), line.length - 1);
    assert.doesNotMatch(line.slice(0, -1), /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/);
    for (const [name, value] of Object.entries(JSON.parse(line) as Record<string, unknown>)) {
      assert.ok(ALLOWED.has(name), `field ${name}`);
      if (name !== 'error.stack_trace') assert.ok(String(value).length <= 512, name);
    }
  }
}

describe('redaction', () => {
  const eventKeys = [...EVENT_FIELDS.map((rule) => rule.from), 'error', 'unknown', 'password', '__proto__', 'toJSON'];
  const requestKeys = [...REQUEST_FIELDS.map((rule) => rule.from), 'traceparent', 'unknown', 'headers', 'body'];

  it('holds for every field of an event, whatever is in it', async () => {
    await using world = captureReport({ level: 'debug' });
    const fields = fc.dictionary(fc.constantFrom(...eventKeys), fc.oneof(secretText, wrongType));
    fc.assert(
      fc.property(fields, secretText, (given, message) => {
        world.capture.lines.length = 0;
        world.report.log.info(given as LogFields, message);
        assertClean(world.capture.lines);
      }),
    );
  });

  it('holds for every field of a request, whatever is in it', async () => {
    await using world = captureReport();
    const fields = fc.dictionary(fc.constantFrom(...requestKeys), fc.oneof(secretText, wrongType));
    fc.assert(
      fc.property(fields, (given) => {
        world.capture.lines.length = 0;
        world.report.requestEnded({ ...FULL_RECORD, ...given } as RequestRecord);
        assertClean(world.capture.lines);
      }),
    );
  });

  it('holds for errors with secrets everywhere', async () => {
    await using world = captureReport();
    fc.assert(
      fc.property(secretText, secretText, wrongType, (message, causeMessage, property) => {
        world.capture.lines.length = 0;
        const error = new Error(message, { cause: new Error(causeMessage) });
        Object.assign(error, { config: property, response: { body: message }, code: message });
        world.report.log.error({ error }, 'failed');
        assertClean(world.capture.lines);
      }),
    );
  });

  it('holds for the events that write their own line', async () => {
    await using world = captureReport({ level: 'debug' });
    fc.assert(
      fc.property(secretText, (text) => {
        const { report, capture } = world;
        const calls: (() => void)[] = [
          () =>
            report.login({ queue: text, account: text, reason: 'first', result: 'failed', seconds: 1, detail: text }),
          () =>
            report.certificate({ queue: text, host: `${text}${Math.random()}`, level: 3, notAfter: null, pin: text }),
          () => report.upstream({ queue: text, route: text, method: text, result: 'reset', seconds: 1 }),
        ];
        for (const call of calls) {
          capture.lines.length = 0;
          call();
          assertClean(capture.lines);
        }
      }),
      { numRuns: 30 },
    );
  });

  it('leaves names, numbers and times that are no numbers out', async () => {
    await using world = captureReport();
    world.report.log.info(
      { seconds: Number.NaN, count: Number.POSITIVE_INFINITY, port: '8443' } as unknown as LogFields,
      'x',
    );
    const [line] = world.capture.parsed();
    assert.deepEqual(Object.keys(line ?? {}), [
      'log.level',
      '@timestamp',
      'service.name',
      'service.version',
      'message',
    ]);
  });
});
