import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { runExplain } from '../../src/cli/explain.ts';

const folder = mkdtempSync(join(tmpdir(), 'vovgw-explain-'));
after(() => rmSync(folder, { recursive: true }));

const put = (name: string, content: unknown): string => {
  const path = join(folder, name);
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content));
  return path;
};

const base = `mode: development
server: { host: 127.0.0.1, publicUrl: 'https://gw.example' }
credentials: [{ type: enrolled }]
queues:
  - { name: vnc, urls: ['https://one.example:6330'] }
  - { name: fast, urls: ['https://two.example:6330'] }
signIn:
  providers:
    - { type: oidc, name: entra, issuer: 'https://idp.example', clientId: gw, clientSecret: hunter2,
        user: { attribute: email, pattern: '(.+)@corp\\.example' },
        groups: { attribute: groups }, allowGroups: [cad, ops] }
  bearers:
    - { type: jwt, name: programs, issuer: 'https://idp.example', audience: [gw] }
`;

const file = put(
  'gateway.yaml',
  `${base}identity:
  groups: { local: [alice] }
  roles: { operator: { groups: [ops] } }
  rules:
    - { match: { attribute: { name: site, value: B } }, deny: true }
    - { match: { provider: entra, queue: fast }, table: { alice: al } }
    - { match: { group: cad }, account: cad_user }
`,
);

async function explain(...argv: string[]) {
  let [out, err] = ['', ''];
  const config = argv.includes('--config') ? [] : ['--config', file];
  const code = await runExplain(
    [...argv, ...config],
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

const attributes = { sub: '00u1', email: ['alice@corp.example'], groups: ['cad', 'ops'], site: 'A' };

describe('vovgw explain user ASSERTION.json', () => {
  it('shows each step of the mapping, the identity, and the rule of each queue', async () => {
    const { code, out, err } = await explain('user', put('alice.json', { provider: 'entra', attributes }));
    assert.deepEqual([code, err], [0, '']);
    assert.equal(
      out,
      [
        'provider entra',
        '  subject: attribute sub is “00u1” in the realm entra, so entra:00u1',
        '  user: attribute email is “alice@corp.example”, matches (.+)@corp\\.example, so alice',
        '  groups: attribute groups has 2 values, 2 match (.+), so cad, ops',
        '  identity.groups: alice is also in local',
        '  allowGroups: let in by cad',
        '  roles: user, operator',
        'user alice, in cad, ops, local, operator',
        '  attribute site for the rules: A',
        'queue vnc: account cad_user',
        '  by identity.rules[2]: {"match":{"group":"cad"},"account":"cad_user"}',
        'queue fast: account al',
        '  by identity.rules[1]: {"match":{"provider":"entra","queue":"fast"},"table":{"alice":"al"}}',
        '',
      ].join('\n'),
    );
  });

  it('exits 1 when a rule denies', async () => {
    const path = put('denied.json', { provider: 'entra', attributes: { ...attributes, site: ['A', 'B'] } });
    const { code, out } = await explain('user', path, '--queue', 'vnc');
    assert.equal(code, 1);
    assert.match(out, /queue vnc: no account, because the rule denies an account\n {2}by identity\.rules\[0\]/);
    assert.ok(!out.includes('queue fast'));
  });

  it('exits 1 when the mapping refuses, and says where', async () => {
    const path = put('refused.json', { provider: 'entra', attributes: { ...attributes, email: 'alice@evil.example' } });
    const { code, out } = await explain('user', path);
    assert.equal(code, 1);
    assert.match(out, /refused: attribute email does not match \(\.\+\)@corp\\\.example\nnobody is signed in\n$/);
    assert.ok(!out.includes('queue'));
  });

  it('takes the provider from the option, then from the file, then the first', async () => {
    const named = put('named.json', { provider: 'entra', attributes: { ...attributes, preferred_username: 'ci' } });
    assert.match((await explain('user', named, '--provider', 'programs')).out, /^provider programs\n/);
    assert.match((await explain('user', named)).out, /^provider entra\n/);
    assert.match((await explain('user', put('unnamed.json', { attributes }))).out, /^provider entra\n/);
  });

  it('takes a file of any name when there is one', async () => {
    assert.match((await explain('user', put('assertion', { attributes }))).out, /^provider entra\n/);
  });

  it('neutralises what a hostile assertion holds', async () => {
    const path = put('hostile.json', {
      attributes: { ...attributes, groups: ['\u001b[2Jcad', 'cad'], site: 'а\u202e' },
    });
    const { out } = await explain('user', path);
    assert.match(out, /^[\x20-\x7e\n“”]*$/);
  });

  const WRONG: readonly (readonly [name: string, content: unknown, reason: RegExp])[] = [
    ['broken.json', '{', /cannot be read: /],
    ['list.json', [], /is no JSON object/],
    ['empty.json', {}, /has no attributes/],
    ['number.json', { attributes: { sub: 7 } }, /attribute sub in .* is no text or list of texts/],
    ['provider.json', { provider: 7, attributes }, /names no provider/],
    ['issuer.json', { issuer: 7, attributes }, /issuer in .* is no text/],
    ['other.json', { provider: 'other', attributes }, /no provider “other”; the configuration has entra, programs/],
  ];
  for (const [name, content, reason] of WRONG) {
    it(`exits 2 for ${name}`, async () => {
      const { code, out, err } = await explain('user', put(name, content));
      assert.deepEqual([code, out], [2, '']);
      assert.match(err, reason);
    });
  }

  it('exits 2 for a file that there is not, and for --provider with a name', async () => {
    assert.match((await explain('user', join(folder, 'none.json'))).err, /none\.json cannot be read: .*ENOENT/);
    const { code, err } = await explain('user', 'alice', '--provider', 'entra');
    assert.equal(code, 2);
    assert.match(err, /--provider goes with an ASSERTION\.json/);
  });
});

describe('vovgw explain without rules of one’s own', () => {
  const plain = put('plain.yaml', base);

  it('speaks of the default rule', async () => {
    const { code, out } = await explain('user', 'alice', '--queue', 'vnc', '--config', plain);
    assert.equal(code, 0);
    assert.match(out, /queue vnc: account alice\n {2}by the default rule: \{"match":/);
    assert.ok(!out.includes('identity.rules'));
  });

  it('also when it does not fit', async () => {
    const { code, out } = await explain('user', 'Alice', '--queue', 'vnc', '--config', plain);
    assert.equal(code, 1);
    assert.match(out, /no account, because no rule fits\n {2}the default rule did not fit\n$/);
  });
});
