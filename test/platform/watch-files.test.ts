import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rename, rm, symlink, unlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { watchFiles } from '../../src/platform/index.ts';
import { eventually } from '../world/eventually.ts';
import { createManualClock } from '../world/manual-clock.ts';

let root: string;
let number = 0;

before(async () => {
  root = await mkdtemp(join(tmpdir(), 'watch-'));
});
after(() => rm(root, { recursive: true, force: true }));

/** A watch over `names` in a new folder; `look` lets one poll happen completely. */
async function openWatch(names: readonly string[], prepare: (at: (name: string) => string) => Promise<void>) {
  number += 1;
  const dir = join(root, String(number));
  await mkdir(dir);
  const at = (name: string): string => join(dir, name);
  await prepare(at);
  const clock = createManualClock();
  const seen = { changes: 0 };
  const watch = watchFiles(names.map(at), { clock, intervalMs: 1000 }, () => {
    seen.changes += 1;
  });
  const look = async (): Promise<void> => {
    await clock.advance(1000);
    // The poll itself is real input and output; a second watch over nothing would not tell when it is done.
    for (let turn = 0; turn < 5; turn += 1) await new Promise((resolve) => setTimeout(resolve, 1));
  };
  const looks = async (count: number): Promise<void> => {
    for (let index = 0; index < count; index += 1) await look();
  };
  const until = (changes: number): Promise<unknown> =>
    eventually(`${changes} changes`, async () => {
      await look();
      return seen.changes >= changes;
    });
  return { at, seen, looks, until, [Symbol.dispose]: () => watch[Symbol.dispose]() };
}

test('says nothing while nothing changes, even when a file is touched', async () => {
  using watch = await openWatch(['a'], (at) => writeFile(at('a'), 'x'));
  await watch.looks(3);
  await utimes(watch.at('a'), new Date(0), new Date(0));
  await writeFile(watch.at('a'), 'x');
  await watch.looks(4);
  assert.equal(watch.seen.changes, 0);
});

test('tells a change once, and the next one again, also back to what was before', async () => {
  using watch = await openWatch(['a', 'b'], async (at) => {
    await writeFile(at('a'), 'x');
    await writeFile(at('b'), 'x');
  });
  for (const [round, content] of ['y', 'z', 'x'].entries()) {
    await writeFile(watch.at('b'), content);
    await watch.until(round + 1);
    await watch.looks(3);
    assert.equal(watch.seen.changes, round + 1);
  }
});

test('a change between the call and the first look counts', async () => {
  using watch = await openWatch(['a'], (at) => writeFile(at('a'), 'x'));
  await writeFile(watch.at('a'), 'y');
  await watch.until(1);
});

test('a file that still grows is not told before it has stayed the same', async () => {
  using watch = await openWatch(['a'], (at) => writeFile(at('a'), ''));
  let content = '';
  for (let round = 0; round < 6; round += 1) {
    content += 'part\n';
    await writeFile(watch.at('a'), content);
    await watch.looks(1);
    assert.equal(watch.seen.changes, 0);
  }
  await watch.until(1);
});

test('a half-written file that returns to the old content is no change', async () => {
  using watch = await openWatch(['a'], (at) => writeFile(at('a'), 'whole'));
  await writeFile(watch.at('a'), 'who');
  await watch.looks(1);
  await writeFile(watch.at('a'), 'whole');
  await watch.looks(4);
  assert.equal(watch.seen.changes, 0);
});

test('content of the same length with the same time is seen', async () => {
  const time = new Date(1_700_000_000_000);
  using watch = await openWatch(['a'], async (at) => {
    await writeFile(at('a'), 'one');
    await utimes(at('a'), time, time);
  });
  await watch.looks(2);
  await writeFile(watch.at('a'), 'two');
  await utimes(watch.at('a'), time, time);
  await watch.until(1);
});

test('a replaced file is seen', async () => {
  using watch = await openWatch(['a'], (at) => writeFile(at('a'), 'x'));
  await writeFile(watch.at('a.new'), 'y');
  await rename(watch.at('a.new'), watch.at('a'));
  await watch.until(1);
});

test('a swapped symbolic link, as Kubernetes updates secrets, is one change of all files', async () => {
  using watch = await openWatch(['tls.crt', 'tls.key'], async (at) => {
    for (const version of ['v1', 'v2']) {
      await mkdir(at(version));
      await writeFile(join(at(version), 'tls.crt'), `certificate ${version}`);
      await writeFile(join(at(version), 'tls.key'), `key ${version}`);
    }
    await symlink('v1', at('..data'));
    await symlink(join('..data', 'tls.crt'), at('tls.crt'));
    await symlink(join('..data', 'tls.key'), at('tls.key'));
  });
  await watch.looks(2);
  await symlink('v2', watch.at('..data_tmp'));
  await rename(watch.at('..data_tmp'), watch.at('..data'));
  await rm(watch.at('v1'), { recursive: true });
  await watch.until(1);
  await watch.looks(3);
  assert.equal(watch.seen.changes, 1);
});

test('the coming and going of a file are changes; its absence is none', async () => {
  using watch = await openWatch(['a'], async () => undefined);
  await watch.looks(3);
  assert.equal(watch.seen.changes, 0);
  await writeFile(watch.at('a'), 'x');
  await watch.until(1);
  await unlink(watch.at('a'));
  await watch.until(2);
});

test('a disposed watch is silent, in the middle of a look too', async () => {
  using watch = await openWatch(['a'], (at) => writeFile(at('a'), 'x'));
  await writeFile(watch.at('a'), 'y');
  await watch.looks(1);
  watch[Symbol.dispose]();
  await watch.looks(4);
  assert.equal(watch.seen.changes, 0);
});
