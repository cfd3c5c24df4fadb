import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { runExplain } from '../../src/cli/explain.ts';

const folder = mkdtempSync(join(tmpdir(), 'vovgw-explain-'));
after(() => rmSync(folder, { recursive: true }));

writeFileSync(join(folder, 'cibot'), 'swordfish\n');
const file = join(folder, 'gateway.yaml');
writeFileSync(
  file,
  `mode: development
server: { host: 127.0.0.1 }
credentials: [{ type: shared, account: cibot, passwordFile: cibot }]
queues:
  - name: vnc
    urls: [https://one.example:6330]
  - name: fast
    urls: [https://two.example:6330]
identity:
  groups:
    ci: [bot]
    cad: [alice, bot]
  rules:
    - match: { user: root }
      deny: true
    - match: { group: ci, queue: fast }
      shared: cibot
    - match: { userPattern: '([a-z]+)@corp\\.example' }
      account: $1
    - match: { user: alice }
      account: alice
    - match: { user: bad }
      account: 'no name'
`,
);

async function explain(...argv: string[]) {
  let [out, err] = ['', ''];
  const code = await runExplain(
    [...argv, '--config', file],
    {},
    (text) => {
      out += text;
    },
    (text) => {
      err += text;
    },
  );
  return { code, out, err };
}

describe('vovgw explain user', () => {
  it('shows the account on every queue and the rule that decided', async () => {
    const { code, out, err } = await explain('user', 'alice');
    assert.deepEqual([code, err], [0, '']);
    assert.equal(
      out,
      [
        'user alice, in cad',
        'queue vnc: account alice',
        '  by identity.rules[3]: {"match":{"user":"alice"},"account":"alice"}',
        'queue fast: account alice',
        '  by identity.rules[3]: {"match":{"user":"alice"},"account":"alice"}',
        '',
      ].join('\n'),
    );
  });

  it('shows a pattern at work', async () => {
    const { code, out } = await explain('user', 'ada@corp.example', '--queue', 'vnc');
    assert.equal(code, 0);
    assert.match(
      out,
      /^user ada@corp\.example, in no group of identity\.groups\nqueue vnc: account ada\n {2}by identity\.rules\[2\]/,
    );
    assert.ok(!out.includes('fast'));
  });

  it('exits 1 when a queue gives no account, and says which does', async () => {
    const { code, out } = await explain('user', 'bot');
    assert.equal(code, 1);
    assert.match(out, /queue vnc: no account, because no rule fits\n {2}none of the 5 identity\.rules decided/);
    assert.match(out, /queue fast: shared account cibot\n {2}by identity\.rules\[1\]/);
    assert.equal((await explain('user', 'bot', '--queue', 'fast')).code, 0);
  });

  it('shows a denial, a rule that gives no name, and a user name that is none', async () => {
    assert.match(
      (await explain('user', 'root')).out,
      /no account, because the rule denies an account\n {2}by identity\.rules\[0\]/,
    );
    assert.match(
      (await explain('user', 'bad')).out,
      /the rule gives “no name”, which is no account name\n {2}by .*rules\[4\]/,
    );
    const odd = await explain('user', 'а\u001b[2Jlice');
    assert.equal(odd.code, 1);
    assert.match(
      odd.out,
      /^user \?\?\[2Jlice, .*\nqueue vnc: no account, because the user name holds other characters/,
    );
  });

  it('names the queues when there is none of that name', async () => {
    const { code, out, err } = await explain('user', 'alice', '--queue', 'slow');
    assert.deepEqual([code, out], [2, '']);
    assert.equal(err, 'vovgw explain: there is no queue “slow”; the configuration has vnc, fast\n');
  });

  for (const argv of [[], ['user'], ['group', 'ci'], ['user', 'a', 'b'], ['user', 'a', '--all']]) {
    it(`“${argv.join(' ')}” exits 2 with the usage`, async () => {
      const { code, out, err } = await explain(...argv);
      assert.deepEqual([code, out], [2, '']);
      assert.match(err, /vovgw explain user NAME \[--queue QUEUE\]/);
    });
  }

  it('shows the usage on --help', async () => {
    const { code, out } = await explain('--help');
    assert.equal(code, 0);
    assert.match(out, /Exit code 0 when the user has an account/);
  });

  it('exits 1 with all faults of a configuration that has some', async () => {
    const broken = join(folder, 'broken.yaml');
    writeFileSync(broken, 'mode: development\nqueues: []\nidentity: { rules: [{ match: {}, account: a }] }\n');
    let err = '';
    const code = await runExplain(['user', 'alice', '--config', broken], {}, assert.fail, (text) => {
      err += text;
    });
    assert.equal(code, 1);
    assert.match(err, /queues/);
    assert.match(err, /identity\.rules/);
  });
});
