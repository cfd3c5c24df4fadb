import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { chmod, copyFile, mkdir, readdir, readFile, stat } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname, join } from 'node:path';
import { describe, it } from 'node:test';
import { firstOf } from '../auth/oauth-world.ts';
import { ALICE, createLoginWorld } from './login-world.ts';

const modeOf = async (path: string): Promise<number> => (await stat(path)).mode & 0o777;

describe('vovgw login', () => {
  it('ends with a working token in a private file; whoami, token print and logout go on with it', async () => {
    await using world = await createLoginWorld();
    const login = await world.logIn(['--url', `${world.url}/`, '--scope', 'read,submit']);
    assert.deepEqual({ code: login.code, err: login.err }, { code: 0, err: '' });
    assert.match(login.out, /Page: https:\/\/vovgw\.example\.com\/ui\/device\n/);
    assert.match(login.out, /both are needed/);
    assert.match(
      login.out,
      /Logged in at http:\/\/127\.0\.0\.1:\d+ as alice until 20\d\d-\d\d-\d\d \d\d:\d\d UTC\.\n$/,
    );
    assert.ok(!login.out.includes('vgw_'));

    assert.equal(await modeOf(world.file), 0o600);
    assert.equal(await modeOf(dirname(world.file)), 0o700);
    assert.deepEqual(await readdir(dirname(world.file)), ['login.json']);
    const saved = JSON.parse(await readFile(world.file, 'utf8'));
    assert.deepEqual(Object.keys(saved), ['url', 'user', 'token', 'expires_at', 'ca_file']);
    assert.equal(saved.url, world.url);
    assert.equal(saved.user, 'alice');
    assert.equal(saved.ca_file, null);
    const { tokens } = firstOf(world.oauth);
    const caller = await tokens.authenticate(saved.token);
    assert.deepEqual(caller.identity, ALICE);
    assert.deepEqual([...caller.scopes], ['read', 'submit']);
    assert.equal(caller.tokenLabel, `vovgw login on ${hostname()}`);
    assert.ok(Math.abs(Date.parse(saved.expires_at) - caller.expiresAt) < 60_000);

    assert.deepEqual(await world.run(['token', 'print']), { code: 0, out: `${saved.token}\n`, err: '' });
    const who = await world.run(['whoami']);
    assert.equal(who.code, 0);
    for (const line of [
      /^user +alice$/m,
      /^subject +corp:alice-1$/m,
      /^queue main +vovserver account alice$/m,
      /^queue regress +vovserver account farm \(shared\)$/m,
      /^queue other +no vovserver account$/m,
      /^scopes +read, submit$/m,
    ]) {
      assert.match(who.out, line);
    }
    const json = JSON.parse((await world.run(['whoami', '--json'])).out);
    assert.equal(json.credential.id, caller.tokenId);

    const logout = await world.run(['logout']);
    assert.deepEqual(logout, { code: 0, out: `Logged out at ${world.url}.\n`, err: '' });
    assert.ok(!existsSync(world.file));
    assert.deepEqual(await tokens.list(), []);
    assert.equal((await world.run(['logout'])).out, 'There is no login.\n');
  });

  it('says that it was denied, and saves nothing', async () => {
    await using world = await createLoginWorld();
    const terminal = world.start(['login', '--url', world.url]);
    await world.decide(terminal, 'deny');
    assert.equal(await terminal.exit, 1);
    assert.match(terminal.err(), /^vovgw login: the login was denied in the browser\.\n$/);
    assert.ok(!existsSync(dirname(world.file)));
  });

  it('says that the code has expired', async () => {
    await using world = await createLoginWorld({ device: { life: 1500 } });
    const { code, err } = await world.call(['login', '--url', world.url]);
    assert.equal(code, 1);
    assert.match(err, /the code has expired before anybody approved it/);
    assert.ok(!existsSync(dirname(world.file)));
  });

  it('leaves nothing behind on Ctrl-C', async () => {
    await using world = await createLoginWorld();
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      const terminal = world.start(['login', '--url', world.url]);
      await terminal.shows(/(Waiting) for/);
      terminal.kill(signal);
      assert.equal(await terminal.exit, 1);
      assert.match(terminal.err(), /given up; nothing was saved/);
    }
    assert.deepEqual(await readdir(world.home), []);
    assert.deepEqual(await firstOf(world.oauth).tokens.list(), []);
  });

  it('ends a token that came while Ctrl-C was pressed', async () => {
    await using world = await createLoginWorld();
    const terminal = world.start(['login', '--url', world.url]);
    await terminal.shows(/(Waiting) for/);
    world.intercept = async (req) => {
      if (req.url !== '/oauth/token') return null;
      // The poll is under way: its answer comes after the signal.
      terminal.kill('SIGINT');
      await terminal.shows(/(Giving up)/);
      return null;
    };
    await world.decide(terminal, 'approve');
    assert.equal(await terminal.exit, 1);
    assert.match(terminal.err(), /given up/);
    assert.deepEqual(await firstOf(world.oauth).tokens.list(), []);
    assert.ok(!existsSync(world.file));
  });

  it('with --no-wait prints and ends; the next login waits for the same code', async () => {
    await using world = await createLoginWorld();
    const begun = world.start(['login', '--no-wait', '--url', world.url]);
    assert.equal(await begun.exit, 0);
    const pending = join(dirname(world.file), 'pending.json');
    assert.equal(await modeOf(pending), 0o600);
    await world.decide(begun, 'approve');
    const { code, out } = await world.run(['login'], { VOVGW_URL: world.url });
    assert.equal(code, 0);
    assert.match(out, new RegExp(`Code: ${/Code: (\S+)/.exec(begun.out())?.[1]}\n`));
    assert.deepEqual(await readdir(dirname(world.file)), ['login.json']);
    assert.equal(world.requests.filter((line) => line.includes('device_authorization')).length, 1);
  });

  it('finds the gateway by $VOVGW_URL, $NC_URL and the last login, in this order', async () => {
    await using world = await createLoginWorld();
    await using other = await createLoginWorld();
    const began = async (env: Readonly<Record<string, string>>) => {
      const before = world.requests.length;
      assert.equal((await world.call(['login', '--no-wait'], env)).code, 0);
      return world.requests.length > before;
    };
    assert.ok(await began({ VOVGW_URL: world.url, NC_URL: other.url }));
    assert.ok(!(await began({ NC_URL: other.url })));
    assert.ok(await began({ NC_URL: `${world.url}/` }));
    await world.save();
    assert.ok(await began({}));
    assert.match((await other.call(['login', '--no-wait'])).err, /where is the gateway\?/);
  });

  it('keeps its file where XDG_CONFIG_HOME says, when that is a whole path', async () => {
    await using world = await createLoginWorld();
    const env = { XDG_CONFIG_HOME: join(world.home, 'etc') };
    const terminal = world.start(['login', '--url', world.url], env);
    await world.decide(terminal, 'approve');
    assert.equal(await terminal.exit, 0);
    assert.equal(await modeOf(join(world.home, 'etc', 'vovgw', 'login.json')), 0o600);
    assert.equal((await world.call(['print'], env)).code, 0);
    assert.equal((await world.call(['print'], { XDG_CONFIG_HOME: 'etc' })).code, 1);
  });

  it('ends the token that it replaces, after the new one was saved', async () => {
    await using world = await createLoginWorld();
    const { tokens } = firstOf(world.oauth);
    const before = await world.save();
    const savedThen: boolean[] = [];
    world.intercept = async ({ url }) => {
      if (url === '/oauth/revoke') savedThen.push(!(await readFile(world.file, 'utf8')).includes(before));
      return null;
    };
    const { code, err } = await world.logIn();
    assert.equal(code, 0);
    assert.equal(err, 'The token of the login before has ended.\n');
    assert.equal(await tokens.inspect(before), null);
    const { token } = JSON.parse(await readFile(world.file, 'utf8'));
    assert.notEqual(await tokens.inspect(token), null);
    assert.deepEqual(savedThen, [true]);
  });

  it('is logged in all the same when the token that it replaces cannot be ended, and says so', async () => {
    await using world = await createLoginWorld();
    const before = await world.save();
    world.intercept = ({ url }) => (url === '/oauth/revoke' ? { status: 503, body: { detail: 'Not now.' } } : null);
    const { code, out, err } = await world.logIn();
    assert.equal(code, 0);
    assert.match(out, /Logged in/);
    assert.equal(
      err,
      `The token of the login before was not ended: Not now. (503)\nEnd it on the page ${world.url}/ui/tokens.\n`,
    );
    assert.equal((await readFile(world.file, 'utf8')).includes(before), false);
  });

  it('sends the token of a login at another gateway nowhere', async () => {
    await using other = await createLoginWorld();
    await using world = await createLoginWorld();
    const token = await other.save();
    await mkdir(dirname(world.file), { recursive: true, mode: 0o700 });
    await copyFile(other.file, world.file);
    const { code, err } = await world.logIn();
    assert.equal(code, 0);
    assert.match(err, new RegExp(`another gateway\\nEnd it on the page ${other.url}/ui/tokens`));
    assert.ok(![...world.requests, ...other.requests].some((line) => line.endsWith('/oauth/revoke')));
    assert.notEqual(await firstOf(other.oauth).tokens.inspect(token), null);
  });

  it('replaces an older login, even one whose file others could read', async () => {
    await using world = await createLoginWorld();
    await world.save();
    const first = await readFile(world.file, 'utf8');
    await chmod(world.file, 0o644);
    await chmod(dirname(world.file), 0o755);
    const { code, err } = await world.logIn();
    assert.equal(code, 0);
    assert.match(err, /was not ended: .* can be read by others[\s\S]*\/ui\/tokens/);
    assert.notEqual(await readFile(world.file, 'utf8'), first);
    assert.equal(await modeOf(world.file), 0o600);
    assert.equal(await modeOf(dirname(world.file)), 0o700);
  });

  it('passes on what the gateway says when it refuses', async () => {
    await using world = await createLoginWorld({ providers: false });
    const refused = await world.call(['login', '--url', world.url]);
    assert.equal(refused.code, 1);
    assert.match(refused.err, /no identity provider is configured.*vovgw token create/);
    world.intercept = () => ({ status: 404, body: ['\u001b[2J'] });
    assert.match(
      (await world.call(['login', '--url', world.url])).err,
      /it answered 404; is a vov-gateway at this URL\?/,
    );
    for (const status of [200, 302, 401, 500]) {
      world.intercept = () => ({ status, body: {} });
      const { code, err } = await world.call(['login', '--url', world.url]);
      assert.equal(code, 1);
      assert.ok(err.includes(`it answered ${status};`), err);
    }
    world.intercept = () => ({ status: 400, body: { error_description: 'no\u001b[2J\u202eway' } });
    assert.match((await world.call(['login', '--url', world.url])).err, /no\?\[2J\?way/);
  });

  it('goes on without knowing the user where the gateway does not tell', async () => {
    await using world = await createLoginWorld();
    world.intercept = (req) => (req.url === '/gateway/v1/me' ? { status: 500, body: {} } : null);
    assert.match((await world.logIn()).out, /as \(unknown\)/);
    assert.match((await world.call(['print'])).out, /^vgw_/);
  });
});
