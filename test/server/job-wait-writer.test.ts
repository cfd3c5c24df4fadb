import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { JobNews, JobWatch, NewsReader, WatchedJob } from '../../src/jobs/index.ts';
import { GatewayError, type WebStream } from '../../src/kernel/index.ts';
import { openJobEvents } from '../../src/server/job-events.ts';
import { createManualClock } from '../world/manual-clock.ts';

// What is written to a reader of events: a watch and a connection in the hands of the test.

const JOB: WatchedJob = {
  ...{ jobId: '7', user: 'alice', status: 'Done', state: 'done', host: 'farm1', exit: 0, duration: '1s' },
  ended: 1000,
  seenAt: 1_001_000,
};
const newsOf = (id: string | null): JobNews => ({ queue: 'test', changes: [{ id, job: JOB }], head: id ?? 'a-9' });

async function open(check: () => Promise<void> = async () => undefined) {
  const clock = createManualClock();
  const readers: NewsReader[] = [];
  const given: string[] = [];
  const watch: Pick<JobWatch, 'follow'> = {
    async follow(_ask, reader) {
      readers.push(reader);
      reader.begin('new', 'a-0');
      return { [Symbol.dispose]: () => void given.push('back') };
    },
  };
  const identity = { subject: 's', user: 'alice', groups: [], roles: [], provider: null, attributes: {}, bound: null };
  const ask = { account: { queue: 'test', name: 'alice', shared: false }, identity, after: null };
  const answer = await openJobEvents(watch as JobWatch, ask, { clock, check, headOnly: false });
  assert.ok(answer.kind === 'stream');
  const written: (string | Buffer)[] = [];
  const line = { waiting: 0, ended: false };
  const stream: WebStream = {
    write: (bytes) => void written.push(bytes),
    get waiting() {
      return line.waiting;
    },
    end: () => {
      line.ended = true;
    },
  };
  const opened = answer.open(stream);
  const [reader] = readers;
  assert.ok(reader !== undefined);
  return { clock, reader, written, line, given, opened, text: () => written.map(String).join('') };
}

describe('the writer of events', () => {
  it('writes what was read before there was anybody to write to', async () => {
    const { text } = await open();
    assert.equal(text(), 'retry: 2000\n\nevent: ready\nid: a-0\ndata: {"queue":"test"}\n\n');
  });

  it('writes the same bytes to all who read the same', async () => {
    const [one, two] = [await open(), await open()];
    const news = newsOf('a-1');
    for (const { reader } of [one, two]) reader.read(news);
    assert.ok(Buffer.isBuffer(one.written.at(-1)));
    assert.equal(one.written.at(-1), two.written.at(-1));
    assert.match(
      String(one.written.at(-1)),
      /^event: job\nid: a-1\ndata: \{"job_id":"7".*"ended_at":"1970-01-01T00:16:40.000Z".*\}\n\n$/,
    );
    one.reader.read(newsOf(null));
    assert.doesNotMatch(String(one.written.at(-1)), /^id:/m);
  });

  it('gives a sign of life, and looks at the credential', async () => {
    let checks = 0;
    const { clock, text, opened } = await open(async () => void checks++);
    await clock.advance(15_000);
    assert.match(text(), /\n\n:\n\n$/);
    assert.equal(checks, 30);
    opened[Symbol.dispose]();
    const before = text();
    await clock.advance(60_000);
    assert.deepEqual([text(), checks], [before, 30], 'nothing goes on after the end');
  });

  it('cuts a reader that is too slow, with a last word, and writes no more to it', async () => {
    const { reader, line, written, given } = await open();
    line.waiting = 262_145;
    reader.read(newsOf('a-1'));
    assert.equal(String(written.at(-1)), 'event: end\ndata: {"reason":"slow"}\n\n');
    assert.deepEqual([line.ended, given], [true, ['back']]);
    const count = written.length;
    reader.read(newsOf('a-2'));
    reader.end();
    assert.equal(written.length, count);
  });

  it('ends with the credential, and with the gateway', async () => {
    const ended = await open(() => Promise.reject(new GatewayError('GW_UNAUTHENTICATED', 'revoked')));
    await ended.clock.advance(500);
    assert.match(ended.text(), /event: end\ndata: \{"reason":"credential"\}\n\n$/);
    const drained = await open();
    drained.reader.end();
    assert.match(drained.text(), /event: end\ndata: \{"reason":"draining"\}\n\n$/);
    assert.deepEqual([drained.line.ended, drained.given], [true, ['back']]);
  });

  it('tells nothing while a look at the credential is late, and nothing more when it has ended', async () => {
    const looks: PromiseWithResolvers<void>[] = [];
    const { clock, reader, text, line } = await open(() => {
      const look = Promise.withResolvers<void>();
      looks.push(look);
      return look.promise;
    });
    reader.read(newsOf('a-1'));
    assert.match(text(), /id: a-1\n/, 'it was looked at when the stream was opened');
    await clock.advance(501);
    reader.read(newsOf('a-2'));
    reader.read(newsOf('a-3'));
    assert.doesNotMatch(text(), /id: a-2\n/);
    assert.equal(looks.length, 1, 'one look for all');
    looks[0]?.resolve();
    await clock.advance(0);
    assert.match(text(), /id: a-2\n.*\n\n.*\nid: a-3\n/);
    await clock.advance(501);
    reader.read(newsOf('a-4'));
    looks[1]?.reject(new GatewayError('GW_UNAUTHENTICATED', 'revoked'));
    await clock.advance(0);
    assert.doesNotMatch(text(), /id: a-4\n/);
    assert.match(text(), /event: end\ndata: \{"reason":"credential"\}\n\n$/);
    assert.equal(line.ended, true);
  });

  it('tells a reset in its place among the news', async () => {
    const { clock, reader, text } = await open();
    reader.begin('reset', 'b-0');
    assert.match(text(), /event: ready\n.*event: reset\nid: b-0\n/s);
    await clock.advance(501);
    const before = text().length;
    clock.step(600);
    reader.read(newsOf('b-1'));
    reader.begin('reset', 'c-0');
    assert.equal(text().length, before);
    await clock.advance(500);
    assert.match(text().slice(before), /id: b-1\n.*event: reset\nid: c-0\n/s);
  });

  it('keeps a bounded number of news for a look that does not end', async () => {
    const { clock, reader, text } = await open(() => new Promise(() => undefined));
    await clock.advance(501);
    for (let nth = 0; nth < 2000; nth += 1) reader.read(newsOf(`a-${nth}`));
    assert.match(text(), /event: end\ndata: \{"reason":"slow"\}\n\n$/);
    assert.doesNotMatch(text(), /event: job/);
  });
});
