import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { GatewayError, Secret, systemClock } from '../../src/kernel/index.ts';
import { createExecSource, type ExecSourceOptions, readAnswer } from '../../src/tokens/sources/exec-source.ts';
import { oneLine } from '../../src/tokens/sources/run-program.ts';
import { accountOf, createRecordedReport, type RecordedReport } from './replicas.ts';

/** A source whose program is this piece of JavaScript. */
function sourceOf(script: string, options: Partial<ExecSourceOptions> = {}) {
  const report: RecordedReport = createRecordedReport();
  const source = createExecSource({
    command: [process.execPath, '-e', script],
    timeout: 10_000,
    cache: 60_000,
    versionKey: new Secret('key'),
    clock: systemClock,
    report,
    env: { PATH: process.env.PATH },
    ...options,
  });
  return { source, report, [Symbol.asyncDispose]: () => source[Symbol.asyncDispose]() };
}

async function faultOf(found: Promise<unknown>): Promise<string> {
  const error = await found.catch((thrown: unknown) => thrown);
  assert.ok(error instanceof GatewayError && error.code === 'GW_CREDENTIAL_UNAVAILABLE', String(error));
  assert.match(error.detail, /account alice on queue main/);
  return error.internal ?? '';
}

async function temporaryFolder(): Promise<{ dir: string } & AsyncDisposable> {
  const dir = await mkdtemp(join(tmpdir(), 'vovgw-exec-source-'));
  return { dir, [Symbol.asyncDispose]: () => rm(dir, { recursive: true, force: true }) };
}

const ECHO = `process.stdin.on('data', (d) => process.stdout.write(JSON.stringify({ password: String(d).trim() })))`;

/** Whether a process of this id is there and no zombie. */
async function runs(pid: number): Promise<boolean> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => 'State:\tX');
  return !/^State:\s+[XZ]/m.test(status);
}

async function until(check: () => Promise<boolean>): Promise<void> {
  while (!(await check())) await new Promise((resolve) => setTimeout(resolve, 10));
}

describe('the exec source', () => {
  it('gives the account on standard input and takes the password from standard output', async () => {
    await using program = sourceOf(ECHO);
    const password = await program.source.find(accountOf(`al"ice; $(id)`));
    assert.equal(password?.secret.reveal(), '{"queue":"main","account":"al\\"ice; $(id)"}');
    assert.match(password?.version ?? '', /^[A-Za-z0-9_-]{43}$/);
  });

  it('starts no shell', async () => {
    await using program = sourceOf('', { command: ['echo', '{"password":"$HOME `id` ; *"}'] });
    assert.equal((await program.source.find(accountOf('alice')))?.secret.reveal(), '$HOME `id` ; *');
  });

  it('knows nothing of an account that the program does not find', async () => {
    await using program = sourceOf(`console.log('{"found": false}')`);
    assert.equal(await program.source.find(accountOf('alice')), null);
  });

  it('keeps the gateway’s own variables from the program', async () => {
    const env = { PATH: process.env.PATH, VOVGW_SECRETS_TOKEN_KEY: 'hidden', VAULT_ADDR: 'https://vault' };
    await using program = sourceOf(`console.log(JSON.stringify({ password: JSON.stringify(process.env) }))`, { env });
    const seen = (await program.source.find(accountOf('alice')))?.secret.reveal() ?? '';
    assert.match(seen, /VAULT_ADDR/);
    assert.doesNotMatch(seen, /VOVGW_|hidden/);
  });

  it('asks once for all who wait, then once in each `cache`', async () => {
    await using folder = await temporaryFolder();
    let now = Date.now();
    const clock = { ...systemClock, now: () => now };
    const count = `require('fs').appendFileSync(${JSON.stringify(join(folder.dir, 'runs'))}, '.');${ECHO}`;
    await using program = sourceOf(count, { clock, cache: 60_000 });
    await Promise.all(Array.from({ length: 20 }, () => program.source.find(accountOf('alice'))));
    await program.source.find(accountOf('alice'));
    const runCount = async (): Promise<number> => (await readFile(join(folder.dir, 'runs'), 'utf8')).length;
    assert.equal(await runCount(), 1);
    now += 59_999;
    await program.source.find(accountOf('alice'));
    assert.equal(await runCount(), 1);
    now += 1;
    await program.source.find(accountOf('alice'));
    await program.source.find(accountOf('bob'));
    await program.source.find(accountOf('alice', 'other'));
    assert.equal(await runCount(), 4);
  });

  it('keeps a failure for five seconds only', async () => {
    await using folder = await temporaryFolder();
    let now = Date.now();
    const clock = { ...systemClock, now: () => now };
    const file = join(folder.dir, 'answer');
    await using program = sourceOf('', { clock, command: ['cat', file] });
    assert.match(await faultOf(program.source.find(accountOf('alice'))), /exited with code 1/);
    await writeFile(file, '{"password":"there"}');
    await faultOf(program.source.find(accountOf('alice')));
    now += 5000;
    assert.equal((await program.source.find(accountOf('alice')))?.secret.reveal(), 'there');
  });

  it('says how the program failed, and never what it wrote to standard output', async () => {
    for (const [script, problem] of [
      [`console.log('{"password":"hunter2"}'); process.exitCode = 3`, /exited with code 3/],
      [`process.kill(process.pid, 'SIGTERM'); setTimeout(() => {}, 1000)`, /ended by SIGTERM/],
      [`console.log('password=hunter2')`, /not JSON/],
      [`console.log('["hunter2"]')`, /no JSON object/],
      [`console.log('null')`, /no JSON object/],
      [`console.log('{"passwort":"hunter2"}')`, /no text in "password"/],
      [`console.log('{"password":""}')`, /no text in "password"/],
      [`console.log('{"password":42}')`, /no text in "password"/],
      [``, /not JSON/],
    ] as const) {
      await using program = sourceOf(script);
      const internal = await faultOf(program.source.find(accountOf('alice')));
      assert.match(internal, problem);
      assert.match(internal, /exec .*account alice, queue main.*run it by hand/);
      assert.doesNotMatch(internal + program.report.all.join(), /hunter2/);
    }
  });

  it('says when the program cannot be started', async () => {
    await using program = sourceOf('', { command: ['/nowhere/credential-program'] });
    assert.match(
      await faultOf(program.source.find(accountOf('alice'))),
      /exec \/nowhere.*cannot be started \(ENOENT\)/,
    );
  });

  it('does not mind a program that does not read its input', async () => {
    await using program = sourceOf('', { command: ['sh', '-c', `exec <&-; sleep 0.1; echo '{"password":"x"}'`] });
    assert.equal((await program.source.find(accountOf('alice')))?.secret.reveal(), 'x');
  });

  it('writes standard error to the log, bounded and in one clean line', async () => {
    const script = `process.stderr.write('bad\\n\\u001b[31mnews\\u202e' + 'x'.repeat(1e6)); process.exitCode = 1`;
    await using program = sourceOf(script);
    await faultOf(program.source.find(accountOf('alice')));
    const [line, ...others] = program.report.all;
    assert.equal(others.length, 0);
    assert.match(line ?? '', /"reason":"bad \[31mnews x+"/);
    assert.ok((line ?? '').length < 1000);
  });

  it('ends a program that writes too much', async () => {
    await using program = sourceOf(`for (;;) process.stdout.write('x'.repeat(65536))`);
    assert.match(await faultOf(program.source.find(accountOf('alice'))), /more than 65536 bytes/);
  });

  it('ends a program that takes too long, with everything that it started', async () => {
    await using folder = await temporaryFolder();
    const file = join(folder.dir, 'pids');
    const script = `sleep 300 & echo $! $$ > ${file}.tmp; mv ${file}.tmp ${file}; sleep 300`;
    let limitReached: (() => void) | undefined;
    const clock = {
      ...systemClock,
      after: (_ms: number, fn: () => void) => {
        limitReached = fn;
        return { [Symbol.dispose]: () => undefined };
      },
    };
    await using program = sourceOf('', { command: ['sh', '-c', script], clock, timeout: 5000 });
    const fault = faultOf(program.source.find(accountOf('alice')));
    let pids: number[] = [];
    await until(async () => {
      pids = (await readFile(file, 'utf8').catch(() => '')).trim().split(' ').map(Number);
      return pids.length === 2;
    });
    assert.deepEqual(await Promise.all(pids.map(runs)), [true, true]);
    limitReached?.();
    assert.match(await fault, /took longer than 5000 ms/);
    await until(async () => !(await Promise.all(pids.map(runs))).includes(true));
  });

  it('does not wait for something that left the group and holds the output open', async () => {
    await using folder = await temporaryFolder();
    const file = join(folder.dir, 'pid');
    const script = `setsid sh -c 'echo $$ > ${file}.tmp; mv ${file}.tmp ${file}; exec sleep 300' & sleep 300`;
    let limitReached: (() => void) | undefined;
    const clock = {
      ...systemClock,
      after: (_ms: number, fn: () => void) => {
        limitReached = fn;
        return { [Symbol.dispose]: () => undefined };
      },
    };
    await using program = sourceOf('', { command: ['sh', '-c', script], clock });
    const fault = faultOf(program.source.find(accountOf('alice')));
    let pid = Number.NaN;
    await until(async () => {
      pid = Number.parseInt(await readFile(file, 'utf8').catch(() => ''), 10);
      return !Number.isNaN(pid);
    });
    limitReached?.();
    await fault;
    process.kill(pid, 'SIGKILL');
  });

  it('ends running programs when it is disposed', async () => {
    const program = sourceOf(`setTimeout(() => {}, 300000)`);
    const found = program.source.find(accountOf('alice'));
    const fault = assert.rejects(found, /GW_CREDENTIAL_UNAVAILABLE/);
    await program.source[Symbol.asyncDispose]();
    await fault;
    await assert.rejects(async () => await program.source.find(accountOf('bob')), /GW_CREDENTIAL_UNAVAILABLE/);
  });

  it('runs four programs at once at most', async () => {
    await using folder = await temporaryFolder();
    const here = JSON.stringify(folder.dir);
    const script = `const fs = require('fs'); const f = ${here} + '/' + process.pid; fs.writeFileSync(f, '');
      setTimeout(() => { const n = fs.readdirSync(${here}).length; fs.unlinkSync(f);
      console.log(JSON.stringify({ password: String(n) })) }, 50)`;
    await using program = sourceOf(script);
    const names = Array.from({ length: 9 }, (_, index) => `u${index}`);
    const found = await Promise.all(names.map((name) => program.source.find(accountOf(name))));
    const most = Math.max(...found.map((password) => Number(password?.secret.reveal())));
    assert.ok(most >= 1 && most <= 4, `${most} at once`);
  });
});

describe('the answer of a credential program', () => {
  it('is a password, nothing, or a problem that quotes nothing', () => {
    assert.deepEqual(readAnswer(' {"password":"x","more":1}\n'), { password: 'x' });
    assert.deepEqual(readAnswer('{"found":true,"password":"x"}'), { password: 'x' });
    assert.deepEqual(readAnswer('{"found":false,"password":"x"}'), { password: null });
    const canary = 'c4n4ry';
    fc.assert(
      fc.property(fc.string(), fc.string(), (before, after) => {
        const answer = readAnswer(`${before}${canary}${after}`);
        assert.ok('password' in answer || !answer.problem.includes(canary));
      }),
    );
  });

  it('never breaks a log line', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 700 }), (text) => {
        assert.match(oneLine(text), /^[^\p{Cc}\p{Cf}\p{Zl}\p{Zp}]{0,500}$/u);
      }),
    );
  });
});
