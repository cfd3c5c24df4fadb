import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { type Authority, createAuthority, createSelfSigned, type LeafOptions } from '../../standin/certificates.ts';
import { createLoginWorld, type LoginWorld } from './login-world.ts';

async function withTls(
  options: LeafOptions = {},
): Promise<{ world: LoginWorld; authority: Authority; caFile: string }> {
  const authority = await createAuthority('Company authority');
  const world = await createLoginWorld({ leaf: await authority.leaf(options) });
  const caFile = join(world.home, 'ca.pem');
  await writeFile(caFile, authority.certPem);
  return { world, authority, caFile };
}

describe('vovgw login over TLS', () => {
  it('trusts the authority of --ca-file, and remembers it for the other verbs', async () => {
    const { world, caFile } = await withTls();
    await using _ = world;
    const login = await world.logIn(['--url', world.url, '--ca-file', caFile]);
    assert.equal(login.code, 0, login.err);
    assert.equal(JSON.parse(await readFile(world.file, 'utf8')).ca_file, caFile);
    assert.equal((await world.call(['whoami'])).code, 0);
    assert.equal((await world.call(['login', '--no-wait'])).code, 0);
    assert.equal((await world.call(['logout'])).code, 0);
  });

  it('takes the authority from $VOVGW_CA_FILE, too', async () => {
    const { world, caFile } = await withTls();
    await using _ = world;
    const begun = await world.call(['login', '--no-wait', '--url', world.url], { VOVGW_CA_FILE: caFile });
    assert.equal(begun.code, 0, begun.err);
  });

  it('sends nothing to a gateway whose certificate is not trusted, and names --ca-file', async () => {
    const { world } = await withTls();
    await using _ = world;
    const { code, out, err } = await world.call(['login', '--url', world.url]);
    assert.deepEqual({ code, out }, { code: 1, out: '' });
    assert.match(err, /the certificate of https:\/\/127\.0\.0\.1:\d+ is not trusted \([A-Z_]+\).*--ca-file FILE/);
    assert.deepEqual(world.requests, []);
  });

  it('cannot be talked out of it by the environment', async () => {
    const { world } = await withTls();
    await using _ = world;
    const env = { NODE_TLS_REJECT_UNAUTHORIZED: '0' };
    const { code, err } = await world.run(['login', '--no-wait', '--url', world.url], env);
    assert.equal(code, 1);
    assert.match(err, /is not trusted/);
    assert.deepEqual(world.requests, []);
  });

  it('says so when no TLS is spoken there', async () => {
    await using world = await createLoginWorld();
    const { code, err } = await world.call(['login', '--url', world.url.replace('http:', 'https:')]);
    assert.equal(code, 1);
    assert.match(err, /does not speak TLS as it should/);
  });

  for (const [name, options, code] of [
    ['expired', { validity: 'expired' }, 'CERT_HAS_EXPIRED'],
    ['for another host', { hosts: ['other.example.com'] }, 'ERR_TLS_CERT_ALTNAME_INVALID'],
  ] as const) {
    it(`refuses a certificate that is ${name}, whatever the authority`, async () => {
      const { world, caFile } = await withTls(options);
      await using _ = world;
      const { code: exit, err } = await world.call(['login', '--url', world.url, '--ca-file', caFile]);
      assert.equal(exit, 1);
      assert.ok(err.includes(code) && err.includes('--ca-file'), err);
      assert.deepEqual(world.requests, []);
    });
  }

  it('refuses another authority than the named one, also at logout, and keeps the file', async () => {
    const { world, caFile } = await withTls();
    await using _ = world;
    await world.save(caFile);
    const before = world.requests.length;
    await writeFile(caFile, (await createSelfSigned()).certPem);
    for (const args of [['whoami'], ['logout'], ['login']]) {
      const { code, err } = await world.call(args);
      assert.equal(code, 1);
      assert.match(err, /not trusted/);
    }
    assert.equal(world.requests.length, before);
    assert.ok(existsSync(world.file));
  });

  it('says which file of authorities cannot be read', async () => {
    const { world } = await withTls();
    await using _ = world;
    const { code, err } = await world.call(['login', '--url', world.url, '--ca-file', '/nowhere/ca.pem']);
    assert.equal(code, 1);
    assert.match(err, /--ca-file \/nowhere\/ca\.pem cannot be read/);
  });
});
