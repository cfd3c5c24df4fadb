import assert from 'node:assert/strict';
import { chown, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { deletePrivate, PrivateFileError, readPrivate, writePrivate } from '../../src/cli/private-file.ts';

describe('a private file', () => {
  let folder: string;
  const at = (...names: string[]): string => join(folder, ...names);
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'vovgw-private-'));
  });
  after(() => rm(folder, { recursive: true }));

  it('is written whole, for its owner only, over whatever was there', async () => {
    const umask = process.umask(0);
    try {
      writePrivate(at('a', 'b', 'file.json'), 'one');
      writePrivate(at('a', 'b', 'file.json'), 'two');
    } finally {
      process.umask(umask);
    }
    assert.equal(readPrivate(at('a', 'b', 'file.json')), 'two');
    assert.equal((await stat(at('a', 'b', 'file.json'))).mode & 0o777, 0o600);
    assert.equal((await stat(at('a', 'b'))).mode & 0o777, 0o700);
    assert.deepEqual(await readdir(at('a', 'b')), ['file.json']);
  });

  it('is complete for every reader while it is replaced', async () => {
    const path = at('swap', 'file.json');
    writePrivate(path, 'x'.repeat(10_000));
    const seen = new Set<string | null>();
    const reading = (async () => {
      for (let n = 0; n < 50; n++) seen.add(await readFile(path, 'utf8'));
    })();
    for (let n = 0; n < 50; n++) writePrivate(path, (n % 2 ? 'x' : 'y').repeat(10_000));
    await reading;
    assert.deepEqual(new Set([...seen].map((text) => text?.length)), new Set([10_000]));
  });

  it('leaves no draft when it cannot be written', async () => {
    await mkdir(at('full', 'file.json', 'inside'), { recursive: true });
    assert.throws(() => writePrivate(at('full', 'file.json'), 'secret'), PrivateFileError);
    assert.deepEqual(await readdir(at('full')), ['file.json']);
    await writeFile(at('plain'), '');
    assert.throws(() => writePrivate(at('plain', 'file.json'), 'secret'), /plain\/file\.json cannot be written \(E/);
  });

  it('of another user is not read', async () => {
    const isRoot = process.getuid?.() === 0;
    const path = isRoot ? at('foreign.json') : '/etc/passwd';
    if (isRoot) {
      await writeFile(path, '{}', { mode: 0o600 });
      await chown(path, 65_534, 65_534);
    }
    assert.throws(() => readPrivate(path), /belongs to another user/);
  });

  it('is named in a command that a shell understands', async () => {
    const path = at("it's here.json");
    await writeFile(path, '{}', { mode: 0o644 });
    assert.throws(
      () => readPrivate(path),
      (error) => {
        assert.ok(error instanceof PrivateFileError);
        assert.ok(error.message.endsWith(`chmod 600 '${folder}/it'\\''s here.json'`), error.message);
        return true;
      },
    );
  });

  it('that is not there is no error', () => {
    assert.equal(readPrivate(at('nothing')), null);
    assert.equal(readPrivate(at('no', 'folder')), null);
    assert.equal(deletePrivate(at('nothing')), false);
    writePrivate(at('here'), '');
    assert.equal(deletePrivate(at('here')), true);
    assert.equal(readPrivate(at('here')), null);
  });
});
