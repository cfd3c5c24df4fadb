import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmod, mkdir, mkdtemp, rename, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { type Account, GatewayError, Secret, systemClock } from '../../src/kernel/index.ts';
import type { CredentialSource } from '../../src/tokens/index.ts';
import { createFileSource, isFileName } from '../../src/tokens/sources/file-source.ts';
import { passwordIn, readSecretFile } from '../../src/tokens/sources/secret-file.ts';
import { createSharedSource } from '../../src/tokens/sources/shared-source.ts';
import { accountOf } from './replicas.ts';

const versionKey = new Secret('0123456789abcdef0123456789abcdef');

interface Folder extends AsyncDisposable {
  readonly dir: string;
  readonly source: CredentialSource;
  write(name: string, content: string | Buffer): Promise<void>;
}

async function createFolder(): Promise<Folder> {
  const dir = await mkdtemp(join(tmpdir(), 'vovgw-file-source-'));
  return {
    dir,
    source: createFileSource({ dir, versionKey, clock: systemClock }),
    write: (name, content) => writeFile(join(dir, name), content),
    [Symbol.asyncDispose]: () => rm(dir, { recursive: true, force: true }),
  };
}

const passwordOf = async (source: CredentialSource, account: string | Account): Promise<string | undefined> =>
  (await source.find(typeof account === 'string' ? accountOf(account) : account))?.secret.reveal();

/** The error of a source; its caller learns the account, the log the file and the mend. */
async function faultOf(
  source: CredentialSource,
  account: string | Account,
): Promise<{ detail: string; internal: string }> {
  const asked = typeof account === 'string' ? accountOf(account) : account;
  const error = await source.find(asked).catch((thrown: unknown) => thrown);
  assert.ok(error instanceof GatewayError && error.code === 'GW_CREDENTIAL_UNAVAILABLE', String(error));
  assert.match(error.detail, new RegExp(`account ${asked.name} on queue main`));
  return { detail: error.detail, internal: error.internal ?? '' };
}

describe('the file source', () => {
  it('finds the password in the file of the account, without the end of the line', async () => {
    await using folder = await createFolder();
    for (const [name, content] of [
      ['plain', 'secret'],
      ['unix', 'secret\n'],
      ['dos', 'secret\r\n'],
      ['bom', '\ufeffsecret'],
    ] as const) {
      await folder.write(name, content);
      assert.equal(await passwordOf(folder.source, name), 'secret', name);
    }
    await folder.write('spaced', '  sp äce\t ');
    assert.equal(await passwordOf(folder.source, 'spaced'), '  sp äce\t ');
  });

  it('knows nothing of an account without a file', async () => {
    await using folder = await createFolder();
    assert.equal(await folder.source.find(accountOf('alice')), null);
    await folder.write('alice', 'one');
    assert.equal(await passwordOf(folder.source, 'alice'), 'one');
    await rm(join(folder.dir, 'alice'));
    assert.equal(await folder.source.find(accountOf('alice')), null);
  });

  it('sees every change: content, replacement, restored time stamp, swapped link', async () => {
    await using folder = await createFolder();
    const { dir } = folder;
    // Read long after the change, so that what was read counts as settled.
    const source = createFileSource({ dir, versionKey, clock: { ...systemClock, now: () => Date.now() + 60_000 } });
    const past = new Date(Date.now() - 3_600_000);
    await folder.write('alice', 'aaaa');
    await utimes(join(dir, 'alice'), past, past);
    assert.equal(await passwordOf(source, 'alice'), 'aaaa');
    await folder.write('alice', 'bbbb');
    await utimes(join(dir, 'alice'), past, past);
    assert.equal(await passwordOf(source, 'alice'), 'bbbb', 'same size, same mtime');
    await folder.write('next', 'cccc');
    await rename(join(dir, 'next'), join(dir, 'alice'));
    assert.equal(await passwordOf(source, 'alice'), 'cccc');
    // As Kubernetes mounts secrets: the folder behind a link is swapped.
    await mkdir(join(dir, '..v1'));
    await mkdir(join(dir, '..v2'));
    await folder.write('..v1/bob', 'old');
    await folder.write('..v2/bob', 'new');
    await symlink('..v1', join(dir, '..data'));
    await symlink('..data/bob', join(dir, 'bob'));
    assert.equal(await passwordOf(source, 'bob'), 'old');
    await symlink('..v2', join(dir, '..tmp'));
    await rename(join(dir, '..tmp'), join(dir, '..data'));
    assert.equal(await passwordOf(source, 'bob'), 'new');
  });

  it('sees rewrites of one size in quick succession', async () => {
    await using folder = await createFolder();
    for (let round = 0; round < 50; round += 1) {
      const password = String(1000 + round);
      await folder.write('alice', password);
      assert.equal(await passwordOf(folder.source, 'alice'), password);
    }
  });

  it('keeps what it read while the file stays the same, once its time stamp is settled', async () => {
    await using folder = await createFolder();
    await folder.write('alice', 'kept');
    const path = join(folder.dir, 'alice');
    const fresh = await readSecretFile(path, null, Date.now());
    assert.equal(fresh?.settled, false);
    assert.notEqual(await readSecretFile(path, fresh, Date.now()), fresh, 'it may have changed within one tick');
    const settled = await readSecretFile(path, fresh, Date.now() + 60_000);
    assert.equal(settled?.settled, true);
    assert.equal(await readSecretFile(path, settled, Date.now() + 60_000), settled);
  });

  it('gives equal versions on every replica and other ones for other passwords, accounts and keys', async () => {
    await using folder = await createFolder();
    await folder.write('alice', 'same');
    await folder.write('bob', 'same');
    const again = createFileSource({ dir: folder.dir, versionKey, clock: systemClock });
    const other = createFileSource({ dir: folder.dir, versionKey: new Secret('another key'), clock: systemClock });
    const versionOf = async (source: CredentialSource, name: string, queue = 'main') =>
      (await source.find(accountOf(name, queue)))?.version;
    const version = await versionOf(folder.source, 'alice');
    assert.equal(await versionOf(again, 'alice'), version);
    assert.match(version ?? '', /^[A-Za-z0-9_-]{43}$/);
    const others = [
      await versionOf(folder.source, 'bob'),
      await versionOf(folder.source, 'alice', 'other'),
      await versionOf(other, 'alice'),
    ];
    await folder.write('alice', 'changed');
    others.push(await versionOf(folder.source, 'alice'));
    assert.equal(new Set([version, ...others]).size, 5);
  });

  it('names account, file, problem and mend when the file is of no use', async () => {
    await using folder = await createFolder();
    await folder.write('empty', '\n');
    await folder.write('lines', 'hunter2\nhunter3\n');
    await folder.write('binary', Buffer.from([0xff, 0xfe, 0x00]));
    await folder.write('nul', 'a\0b');
    await folder.write('long', 'x'.repeat(5000));
    await mkdir(join(folder.dir, 'folder'));
    execFileSync('mkfifo', [join(folder.dir, 'pipe')]);
    for (const [name, problem] of [
      ['empty', /is empty; write the password into it/],
      ['lines', /more than one line.*; leave only the password/],
      ['binary', /is not UTF-8; save it as UTF-8/],
      ['nul', /NUL/],
      ['long', /longer than 4096 bytes; put/],
      ['folder', /is no regular file/],
      ['pipe', /is no regular file/],
    ] as const) {
      const { detail, internal } = await faultOf(folder.source, name);
      assert.match(internal, problem);
      assert.ok(internal.includes(join(folder.dir, name)), internal);
      assert.ok(!detail.includes(folder.dir), 'no path for the caller');
      assert.doesNotMatch(internal, /hunter|xxxx/, 'nothing of the content');
    }
  });

  it('tells a missing folder from a missing account', async () => {
    await using folder = await createFolder();
    const source = createFileSource({ dir: join(folder.dir, 'absent'), versionKey, clock: systemClock });
    const { internal } = await faultOf(source, 'alice');
    assert.match(internal, /no such folder.*credentials\[\]\.dir/);
  });

  it('says when it cannot or may not read the file', async () => {
    await using folder = await createFolder();
    await symlink('loop', join(folder.dir, 'loop'));
    assert.match((await faultOf(folder.source, 'loop')).internal, /loop, account loop.*cannot be read \(ELOOP\)/);
    await folder.write('alice', 'secret');
    await chmod(join(folder.dir, 'alice'), 0);
    const internal = (): Promise<string> => faultOf(folder.source, 'alice').then((fault) => fault.internal);
    // The superuser may read everything.
    if (process.getuid?.() === 0) assert.equal(await passwordOf(folder.source, 'alice'), 'secret');
    else assert.match(await internal(), /EACCES.*give the user of the gateway the right/);
  });

  it('never leaves its folder', async () => {
    await using folder = await createFolder();
    await mkdir(join(folder.dir, 'inner'));
    await folder.write('outside', 'secret');
    await folder.write('inner/.hidden', 'secret');
    const source = createFileSource({ dir: join(folder.dir, 'inner'), versionKey, clock: systemClock });
    for (const name of [
      '../outside',
      '..',
      '.',
      '',
      '.hidden',
      './.hidden',
      '/etc/hostname',
      'a/../../outside',
      'a\0',
      'a\\b',
    ]) {
      assert.equal(await source.find(accountOf(name)), null, JSON.stringify(name));
    }
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (name) => {
        if (!isFileName(name)) return;
        const path = join('/folder', name);
        assert.equal(path, `/folder/${name}`);
        assert.doesNotMatch(name, /[/\\\0]|^\./);
      }),
    );
  });
});

describe('the content of a secret file', () => {
  it('is the password whatever one line it is', () => {
    const line = fc
      .string({ unit: 'grapheme', minLength: 1 })
      .filter((text) => !/[\r\n\0]|^\ufeff/.test(text) && text.isWellFormed());
    fc.assert(
      fc.property(line, fc.constantFrom('', '\n', '\r\n'), (text, end) => passwordIn(Buffer.from(text + end)) === text),
    );
  });
});

describe('the shared source', () => {
  const SVC = { ...accountOf('svc'), shared: true };

  it('knows its one account', async () => {
    await using folder = await createFolder();
    await folder.write('password', 'secret\n');
    const passwordFile = join(folder.dir, 'password');
    const source = createSharedSource({ account: 'svc', passwordFile, versionKey, clock: systemClock });
    assert.equal(await passwordOf(source, SVC), 'secret');
    assert.equal(await source.find(accountOf('alice')), null);
    assert.equal(await source.find(accountOf('svc')), null, 'an account of its own that is called alike');
    await folder.write('password', 'changed\n');
    assert.equal(await passwordOf(source, SVC), 'changed');
    await source[Symbol.asyncDispose]();
    assert.equal(await passwordOf(source, SVC), 'changed');
  });

  it('says which file is missing', async () => {
    await using folder = await createFolder();
    const passwordFile = join(folder.dir, 'absent');
    const source = createSharedSource({ account: 'svc', passwordFile, versionKey, clock: systemClock });
    const { internal } = await faultOf(source, SVC);
    assert.ok(internal.includes(passwordFile));
    assert.match(internal, /no such file; .*credentials\[\]\.passwordFile/);
  });
});
