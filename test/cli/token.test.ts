import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type OpenTokens, runToken } from '../../src/cli/token.ts';
import type { StoreDeps } from '../../src/cli/verb.ts';
import { createAuthWorld } from '../auth/auth-world.ts';

const DAY = 86_400_000;

/** The verb on one store: each call opens it anew, as a process of its own would. */
function createTerminal() {
  const world = createAuthWorld();
  const opened: (string | undefined)[] = [];
  let closed = 0;
  const deps: StoreDeps<OpenTokens> = {
    async open(configFile) {
      opened.push(configFile);
      const tokens = world.join();
      return { tokens, [Symbol.asyncDispose]: async () => void closed++ };
    },
  };
  const type = async (line: string | readonly string[], use: StoreDeps<OpenTokens> = deps) => {
    let [out, err] = ['', ''];
    const argv = typeof line === 'string' ? line.split(' ').filter((word) => word !== '') : line;
    const code = await runToken(
      argv,
      use,
      (text) => {
        out += text;
      },
      (text) => {
        err += text;
      },
    );
    return { code, out, err };
  };
  return { world, type, opened, closed: () => closed, [Symbol.asyncDispose]: () => world[Symbol.asyncDispose]() };
}

describe('vovgw token create', () => {
  it('prints the token alone on standard output and its properties on standard error', async () => {
    await using terminal = createTerminal();
    const { code, out, err } = await terminal.type(
      'create --user alice --label laptop --scope read,submit --expires 12h',
    );
    assert.equal(code, 0);
    assert.match(out, /^vgw_[0-9a-z]{12}_[0-9A-Za-z]{34}\n$/);
    const id = out.slice(4, 16);
    assert.match(err, new RegExp(`^Access token ${id} of alice for read, submit, until 2026-01-01 12:00 UTC\\.\\n`));
    assert.match(err, /shown this once/);
    assert.ok(!err.includes(out.trim()));
    const caller = await terminal.world.join().authenticate(out.trim());
    assert.deepEqual([...caller.scopes], ['read', 'submit']);
    assert.equal(caller.expiresAt, terminal.world.clock.now() + DAY / 2);
  });

  it('takes all scopes and the configured life when none is named', async () => {
    await using terminal = createTerminal();
    const { out } = await terminal.type('create --user alice --label laptop');
    const caller = await terminal.world.join().authenticate(out.trim());
    assert.deepEqual([...caller.scopes], ['read', 'submit', 'control']);
    assert.equal(caller.expiresAt, terminal.world.clock.now() + 30 * DAY);
  });

  it('prints everything as JSON on request', async () => {
    await using terminal = createTerminal();
    const { out, err } = await terminal.type('create --user alice --label laptop --expires 90m --json');
    assert.equal(err, '');
    const made = JSON.parse(out);
    assert.match(made.token, /^vgw_/);
    assert.equal(made.user, 'alice');
    assert.equal(made.id, made.token.slice(4, 16));
    assert.equal(made.expiresAt - made.createdAt, 90 * 60_000);
  });

  it('hands the configuration file on and closes what it opened', async () => {
    await using terminal = createTerminal();
    await terminal.type('create --user alice --label laptop --config /etc/x.yaml');
    await terminal.type('create --user alice --label laptop');
    assert.deepEqual(terminal.opened, ['/etc/x.yaml', undefined]);
    assert.equal(terminal.closed(), 2);
  });

  it('takes a label with spaces', async () => {
    await using terminal = createTerminal();
    const { code } = await terminal.type(['create', '--user', 'alice', '--label', 'build farm 7']);
    assert.equal(code, 0);
    assert.match((await terminal.type('list')).out, /build farm 7/);
  });

  it('tells what the configuration does not allow, as wrong use', async () => {
    await using terminal = createTerminal();
    const { code, out, err } = await terminal.type('create --user alice --label laptop --expires 91d');
    assert.equal(code, 2);
    assert.equal(out, '');
    assert.match(err, /at most 90 days \(accessTokens\.maxLife\), not 91/);
    assert.equal(terminal.closed(), 1);
  });
});

describe('vovgw token called wrongly', () => {
  const wrong: readonly [string, RegExp][] = [
    ['', /say create, list, revoke or print/],
    ['make', /there is no “make”/],
    ['create', /needs --user NAME/],
    ['create --user alice', /needs --label TEXT/],
    ['create --label x', /needs --user NAME/],
    ['create --user= --label x', /needs --user NAME/],
    ['create --user alice --label x --scope admin', /no scope “admin”; choose from read, submit, control/],
    ['create --user alice --label x --scope read,', /no scope “”/],
    ['create --user alice --label x --expires 30', /--expires 30 is no life; write for example 90m, 12h or 30d/],
    ['create --user alice --label x --expires 0d', /is no life/],
    ['create --user alice --label x --expires 1w', /is no life/],
    ['create --user alice --label x --expires -1d', /./],
    ['create --user alice --label x --owner bob', /--owner/],
    ['create --user alice --label x surplus', /surplus/],
    ['list --label x', /--label/],
    ['list alice', /alice/],
    ['revoke', /needs one ID/],
    ['revoke a b', /needs one ID/],
    ['revoke --all', /--all/],
  ];
  for (const [line, text] of wrong) {
    it(`“${line}” exits 2 with the reason and the usage, and opens no store`, async () => {
      await using terminal = createTerminal();
      const { code, out, err } = await terminal.type(line);
      assert.equal(code, 2);
      assert.equal(out, '');
      assert.match(err, text);
      assert.match(err, /vovgw token create --user NAME/);
      assert.deepEqual(terminal.opened, []);
    });
  }

  it('shows the usage on --help', async () => {
    await using terminal = createTerminal();
    for (const line of ['--help', 'create --help', 'help']) {
      const { code, out, err } = await terminal.type(line);
      assert.deepEqual([code, err], [0, '']);
      assert.match(out, /vovgw token revoke ID/);
    }
  });
});

describe('vovgw token list', () => {
  it('is a table, the oldest first, aligned, without a secret', async () => {
    await using terminal = createTerminal();
    const first = await terminal.type('create --user alice --label laptop --scope read');
    await terminal.world.clock.advance(60_000);
    const second = await terminal.type('create --user bob --label ci --expires 1d');
    await terminal.world.join().authenticate(second.out.trim());
    const { code, out } = await terminal.type('list');
    assert.equal(code, 0);
    const lines = out.trimEnd().split('\n');
    assert.equal(lines.length, 3);
    const [head = '', one = '', two = ''] = lines;
    assert.match(head, /^ID +USER +LABEL +SCOPES +CREATED +EXPIRES +LAST USED +DERIVED FROM$/);
    assert.match(one, /^[0-9a-z]{12} +alice +laptop +read +2026-01-01 00:00 UTC +2026-01-31 00:00 UTC +never$/);
    assert.match(
      two,
      /^[0-9a-z]{12} +bob +ci +read,submit,control +2026-01-01 00:01 UTC +2026-01-02 00:01 UTC +2026-01-01 00:01 UTC$/,
    );
    for (const column of ['USER', 'LABEL', 'SCOPES', 'CREATED']) {
      const at = head.indexOf(column);
      assert.ok(one[at - 1] === ' ' && one[at] !== ' ', column);
    }
    for (const made of [first, second]) assert.ok(!out.includes(made.out.slice(17, 30)));
  });

  it('shows one user, or JSON', async () => {
    await using terminal = createTerminal();
    await terminal.type('create --user alice --label laptop');
    await terminal.type('create --user bob --label ci');
    const table = (await terminal.type('list --user bob')).out;
    assert.ok(table.includes('bob') && !table.includes('alice'));
    const json = JSON.parse((await terminal.type('list --user alice --json')).out);
    assert.deepEqual(
      json.map(({ user, label }: { user: string; label: string }) => [user, label]),
      [['alice', 'laptop']],
    );
  });

  it('names the parent of a derived token', async () => {
    await using terminal = createTerminal();
    const { out } = await terminal.type('create --user alice --label laptop');
    await terminal.world.join().derive(out.trim(), () => true, DAY);
    assert.match((await terminal.type('list')).out, new RegExp(`${out.slice(4, 16)}\\n`));
  });

  it('of nothing is the headings alone', async () => {
    await using terminal = createTerminal();
    assert.match((await terminal.type('list')).out, /^ID {2}USER.*\n$/);
    assert.equal((await terminal.type('list --json')).out, '[]\n');
  });
});

describe('vovgw token revoke', () => {
  it('ends a token by its id', async () => {
    await using terminal = createTerminal();
    const token = (await terminal.type('create --user alice --label laptop')).out.trim();
    const id = token.slice(4, 16);
    const { code, out } = await terminal.type(`revoke ${id}`);
    assert.equal(code, 0);
    assert.equal(out, `Access token ${id} and what was derived from it have ended.\n`);
    await assert.rejects(async () => terminal.world.join().authenticate(token), { code: 'GW_UNAUTHENTICATED' });
  });

  it('ends a leaked token that is given whole, and does not print it', async () => {
    await using terminal = createTerminal();
    const token = (await terminal.type('create --user alice --label laptop')).out.trim();
    const { code, out } = await terminal.type(`revoke ${token}`);
    assert.equal(code, 0);
    assert.ok(!out.includes(token));
  });

  it('exits 1 when there is none', async () => {
    await using terminal = createTerminal();
    const { code, out, err } = await terminal.type('revoke abcdefghijkl');
    assert.deepEqual([code, out], [1, '']);
    assert.match(err, /there is no access token “abcdefghijkl”/);
    const json = await terminal.type('revoke abcdefghijkl --json');
    assert.deepEqual([json.code, json.out, json.err], [1, '{"id":"abcdefghijkl","revoked":false}\n', '']);
  });
});

describe('vovgw token without a store', () => {
  it('exits 1 when the caller refused, without a word of its own', async () => {
    await using terminal = createTerminal();
    const { code, out, err } = await terminal.type('list', { open: async () => null });
    assert.deepEqual([code, out, err], [1, '', '']);
  });

  it('exits 1 with the reason when the store is away', async () => {
    await using terminal = createTerminal();
    terminal.world.store.away = true;
    const { code, err } = await terminal.type('list');
    assert.equal(code, 1);
    assert.equal(err, 'vovgw token: Access tokens cannot be checked or changed right now.\n');
  });

  it('exits 1 with the reason when it cannot be opened', async () => {
    await using terminal = createTerminal();
    const { code, err } = await terminal.type('list', { open: () => Promise.reject(new Error('no such host')) });
    assert.deepEqual([code, err], [1, 'vovgw token: no such host\n']);
  });
});
