import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { chmod, mkdir, readFile, rename, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { firstOf } from '../auth/oauth-world.ts';
import { createLoginWorld } from './login-world.ts';

describe('the login file', () => {
  it('is not used when others can read it, with the command that mends it', async () => {
    await using world = await createLoginWorld();
    await world.save();
    for (const mode of [0o604, 0o640, 0o666]) {
      await chmod(world.file, mode);
      for (const args of [['print'], ['whoami'], ['logout'], ['login']]) {
        const { code, out, err } = await world.call(args);
        assert.equal(code, 1, args.join(' '));
        assert.equal(out, '');
        assert.ok(err.includes(`chmod 600 '${world.file}'`), err);
        assert.ok(!err.includes('vgw_'));
      }
    }
    await chmod(world.file, 0o600);
    assert.equal((await world.call(['print'])).code, 0);
  });

  it('is not used as a link, a folder, or damaged', async () => {
    await using world = await createLoginWorld();
    await world.save();
    const moved = join(world.home, 'moved.json');
    await rename(world.file, moved);
    await symlink(moved, world.file);
    assert.match((await world.call(['print'])).err, /is a link/);
    await rename(moved, world.file);
    await writeFile(world.file, '{"url":');
    assert.match((await world.call(['print'])).err, /is damaged; run: vovgw login/);
    await writeFile(world.file, '{"url":"x","user":"y","token":"z","expires_at":"never"}');
    assert.match((await world.call(['print'])).err, /is damaged/);
    await rename(world.file, moved);
    await mkdir(world.file);
    assert.match((await world.call(['print'])).err, /no plain file/);
  });
});

describe('vovgw token print', () => {
  it('prints nothing and a hint without a login, or with one that has expired', async () => {
    await using world = await createLoginWorld();
    const without = await world.call(['print']);
    assert.deepEqual(without, {
      code: 1,
      out: '',
      err: 'vovgw token print: you are not logged in. Run: vovgw login\n',
    });
    await world.save();
    const saved = JSON.parse(await readFile(world.file, 'utf8'));
    await writeFile(world.file, JSON.stringify({ ...saved, expires_at: '2026-01-01T00:00:00.000Z' }));
    const expired = await world.call(['print']);
    assert.equal(expired.code, 1);
    assert.equal(expired.out, '');
    assert.match(expired.err, /has expired at 2026-01-01T00:00:00.000Z. Run: vovgw login/);
  });
});

describe('vovgw whoami', () => {
  it('says so when the token has ended', async () => {
    await using world = await createLoginWorld();
    await world.save();
    const { tokens } = firstOf(world.oauth);
    for (const { id } of await tokens.list()) await tokens.revoke(id);
    const { code, out, err } = await world.call(['whoami']);
    assert.deepEqual({ code, out }, { code: 1, out: '' });
    assert.match(err, /no longer valid. Run: vovgw login/);
  });
});

describe('vovgw logout', () => {
  it('keeps the file while the gateway is away, unless forced', async () => {
    await using world = await createLoginWorld();
    await world.save();
    await world.stop();
    const away = await world.call(['logout']);
    assert.equal(away.code, 1);
    assert.match(away.err, /the token was not ended: http:\/\/127\.0\.0\.1:\d+ does not answer \(ECONNREFUSED\)/);
    assert.match(away.err, /vovgw logout --force/);
    assert.ok(existsSync(world.file));
    const forced = await world.call(['logout', '--force']);
    assert.equal(forced.code, 0);
    assert.match(forced.out, /deleted here, but its token holds until 20/);
    assert.ok(!existsSync(world.file));
  });

  it('does not believe an answer that is none', async () => {
    await using world = await createLoginWorld();
    await world.save();
    world.intercept = () => ({ status: 503, body: { detail: 'The store is away.' } });
    const { code, err } = await world.call(['logout']);
    assert.equal(code, 1);
    assert.match(err, /not ended: The store is away\. \(503\)/);
    assert.ok(existsSync(world.file));
  });
});
