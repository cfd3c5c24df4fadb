import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { promisify } from 'node:util';
import { systemClock } from '../../src/kernel/index.ts';
import { createFdSink } from '../../src/observe/fd-sink.ts';

/** A file that is open for writing, in a folder of its own. */
function tempFile(): Disposable & { readonly fd: number; text(): string } {
  const folder = mkdtempSync(join(tmpdir(), 'vovgw-log-'));
  const path = join(folder, 'log');
  const fd = openSync(path, 'w');
  return {
    fd,
    text: () => readFileSync(path, 'utf8'),
    [Symbol.dispose]() {
      closeSync(fd);
      rmSync(folder, { recursive: true });
    },
  };
}

const INDEX = new URL('../../src/observe/index.ts', import.meta.url).href;
const KERNEL = new URL('../../src/kernel/index.ts', import.meta.url).href;

/** A program that makes a report on standard output, does `body` with it, and ends it. */
const program = (body: string): string => `
  import { createReport } from '${INDEX}';
  import { systemClock } from '${KERNEL}';
  const report = createReport({ log: { level: 'info', requests: true }, clock: systemClock, version: '1' });
  const lost = async () => /^vovgw_log_lines_lost_total (\\d+)$/m.exec(await report.metrics())[1];
  ${body}
  await report[Symbol.asyncDispose]();
`;

const run = (body: string) => promisify(execFile)(process.execPath, ['--input-type=module', '-e', program(body)]);

describe('the sink of standard output', () => {
  it('writes every line once and in order', async () => {
    using file = tempFile();
    const sink = createFdSink(file.fd, systemClock, () => assert.fail('lost'));
    const lines = Array.from({ length: 20_000 }, (_, i) => `line ${i} ${'x'.repeat(i % 200)}\n`);
    for (const line of lines) sink.write(line);
    await sink.flush();
    assert.equal(file.text(), lines.join(''));
  });

  it('writes a lone line without being asked, soon', async () => {
    using file = tempFile();
    const sink = createFdSink(file.fd, systemClock, () => assert.fail('lost'));
    sink.write('alone ü\n');
    while (file.text() === '') await systemClock.sleep(10);
    assert.equal(file.text(), 'alone ü\n');
  });

  it('has nothing to flush at the start, and may be flushed twice at once', async () => {
    using file = tempFile();
    const sink = createFdSink(file.fd, systemClock, () => assert.fail('lost'));
    await sink.flush();
    sink.write('a\n');
    await Promise.all([sink.flush(), sink.flush()]);
    assert.equal(file.text(), 'a\n');
  });

  it('counts what a full disk refuses, and goes on', async () => {
    const fd = openSync('/dev/full', 'w');
    let lost = 0;
    const sink = createFdSink(fd, systemClock, (lines) => {
      lost += lines;
    });
    sink.write('a\n');
    sink.write('b\n');
    await sink.flush();
    assert.equal(lost, 2);
    sink.write('c\n');
    await sink.flush();
    assert.equal(lost, 3);
    closeSync(fd);
  });

  it('keeps a bounded backlog while nobody reads, and tells how many lines it lost', async () => {
    const body = `
      const path = '/x'.repeat(100);
      for (let i = 0; i < 60_000; i += 1) report.log.info({ file: path }, 'many');
      process.stderr.write(await lost());
    `;
    const child = spawn(process.execPath, ['--input-type=module', '-e', program(body)], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const [lost] = (await once(child.stderr.setEncoding('utf8'), 'data')) as [string];
    let lines = 0;
    for await (const piece of child.stdout.setEncoding('utf8')) lines += String(piece).split('\n').length - 1;
    assert.ok(Number(lost) > 0 && Number(lost) < 60_000, lost);
    assert.equal(lines, 60_000 - Number(lost));
  });
});

describe('a report on standard output', () => {
  it('has written everything when it is disposed', async () => {
    const { stdout } = await run("for (let i = 0; i < 5000; i += 1) report.log.info({ count: i }, 'n');");
    const counts = stdout
      .trimEnd()
      .split('\n')
      .map((line) => (JSON.parse(line) as { 'vovgw.count': number })['vovgw.count']);
    assert.deepEqual(
      counts,
      Array.from({ length: 5000 }, (_, i) => i),
    );
  });

  it('does not keep a process alive that has nothing else to do', async () => {
    const { stdout } = await run("report.log.info({}, 'one');");
    assert.equal(stdout.trimEnd().split('\n').length, 1);
  });

  it('lets the process end although its reader has gone', async () => {
    const body = "for (let i = 0; i < 100_000; i += 1) report.log.info({ count: i }, 'n'); await report.flush();";
    const child = spawn(process.execPath, ['--input-type=module', '-e', program(body)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    child.stdout.destroy();
    const [code] = (await once(child, 'exit')) as [number | null];
    assert.equal(code, 0);
  });
});
