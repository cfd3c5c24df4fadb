import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { configSchema } from '../../src/config/index.ts';
import { createAccountRules } from '../../src/identity/index.ts';
import type { Identity } from '../../src/kernel/index.ts';
import { localIdentity } from '../world/identities.ts';

type IdentityConfig = Parameters<typeof createAccountRules>[0];
type RuleConfig = IdentityConfig['rules'][number];

const identitySchema = configSchema.shape.identity;
const DEFAULTS: IdentityConfig = identitySchema.parse({});

const rulesOf = (rules: readonly RuleConfig[], groups: IdentityConfig['groups'] = {}) =>
  createAccountRules(identitySchema.parse({ rules, groups }));

const user = (name: string, groups: readonly string[] = []): Identity => ({
  ...localIdentity(name, groups),
  subject: `x:${name}`,
});

/** The account name that a single pattern rule gives, or the reason why there is none. */
function mapped(userPattern: string, account: string, name: string): string {
  const decision = rulesOf([{ match: { userPattern }, account }]).accountFor(user(name), 'q');
  return decision.kind === 'account' ? decision.account.name : `none: ${decision.reason}`;
}

describe('identityOf', () => {
  const rules = createAccountRules({
    ...DEFAULTS,
    groups: { cad: ['alice', 'bob', 'alice'], ci: ['bot', 'alice'], none: [] },
  });

  it('names the way of signing in, the user and the groups of the configuration in their order', () => {
    assert.deepEqual(rules.identityOf('alice'), localIdentity('alice', ['cad', 'ci']));
    assert.deepEqual(rules.identityOf('bot'), localIdentity('bot', ['ci']));
    assert.deepEqual(rules.identityOf('eve'), localIdentity('eve'));
  });

  it('compares names exactly', () => {
    for (const name of ['Alice', 'alice ', 'ALICE', 'аlice', '__proto__', 'constructor']) {
      assert.deepEqual(rules.identityOf(name).groups, []);
    }
  });
});

describe('the default rule', () => {
  const rules = createAccountRules(DEFAULTS);

  it('gives a plain Unix name its own account', () => {
    assert.deepEqual(rules.accountFor(user('alice'), 'vnc'), {
      kind: 'account',
      account: { queue: 'vnc', name: 'alice', shared: false },
      rule: 0,
    });
  });

  for (const name of ['Alice', '1alice', 'a.b', 'alice@example.com', 'a'.repeat(33), '-a']) {
    it(`gives ${name} none`, () => {
      assert.deepEqual(rules.accountFor(user(name), 'vnc'), { kind: 'none', reason: 'no rule fits', rule: null });
    });
  }
});

describe('which rule decides', () => {
  const rules = rulesOf([
    { match: { user: 'root' }, deny: true },
    { match: { group: 'blocked' }, deny: true },
    { match: { user: 'alice', queue: 'fast' }, account: 'alice_fast' },
    { match: { group: 'ci', userPattern: 'bot-(\\d+)' }, shared: 'cibot' },
    { match: { userPattern: '([a-z]+)@corp\\.example' }, account: '$1' },
    { match: { userPattern: '[a-z]+' }, account: '$0' },
  ]);
  const decide = (name: string, groups: readonly string[] = [], queue = 'main') =>
    rules.accountFor(user(name, groups), queue);

  it('the first that fits', () => {
    assert.deepEqual(decide('alice', [], 'fast').rule, 2);
    assert.deepEqual(decide('alice').rule, 5);
    assert.deepEqual(decide('alice', ['blocked'], 'fast').rule, 1);
  });

  it('a denial is a decision: no later rule is asked', () => {
    assert.deepEqual(decide('root'), { kind: 'none', reason: 'the rule denies an account', rule: 0 });
    assert.deepEqual(decide('alice', ['blocked']), { kind: 'none', reason: 'the rule denies an account', rule: 1 });
  });

  it('a rule of one queue says nothing about another', () => {
    const fast = decide('alice', [], 'fast');
    assert.equal(fast.kind === 'account' && fast.account.name, 'alice_fast');
    const main = decide('alice', [], 'main');
    assert.equal(main.kind === 'account' && main.account.name, 'alice');
    assert.equal(main.kind === 'account' && main.account.queue, 'main');
  });

  it('all keys of a match must fit', () => {
    assert.deepEqual(decide('bot-7', ['ci']), {
      kind: 'account',
      account: { queue: 'main', name: 'cibot', shared: true },
      rule: 3,
    });
    assert.equal(decide('bot-7').kind, 'none');
    assert.equal(decide('bot-x', ['ci']).kind, 'none');
  });

  it('says when no rule fits', () => {
    assert.deepEqual(decide('X'), { kind: 'none', reason: 'no rule fits', rule: null });
    assert.deepEqual(rulesOf([]).accountFor(user('alice'), 'q').rule, null);
  });

  it('gives the same decision object for the same identity and queue', () => {
    const alice = user('alice');
    assert.equal(rules.accountFor(alice, 'main'), rules.accountFor(alice, 'main'));
    assert.notEqual(rules.accountFor(alice, 'main'), rules.accountFor(alice, 'fast'));
    assert.deepEqual(rules.accountFor(user('alice'), 'main'), rules.accountFor(alice, 'main'));
  });
});

describe('userPattern', () => {
  it('means the whole user name', () => {
    assert.equal(mapped('alice', 'a', 'alice'), 'a');
    for (const name of ['alice2', 'malice', 'alice-x', 'alicealice']) {
      assert.equal(mapped('alice', 'a', name), 'none: no rule fits');
    }
  });

  it('means the whole name for every branch', () => {
    assert.equal(mapped('alice|bob', 'x', 'bob'), 'x');
    for (const name of ['alice2', 'xbob', 'alicebob'])
      assert.equal(mapped('alice|bob', 'x', name), 'none: no rule fits');
  });

  it('is no regular expression when it would close its own anchors', () => {
    assert.throws(
      () => rulesOf([{ match: { userPattern: 'a)|(?:b' }, account: 'x' }]),
      /identity\.rules\[0\]\.match\.userP/,
    );
  });

  it('names the rule whose pattern is broken', () => {
    const good: RuleConfig = { match: { user: 'a' }, account: 'a' };
    assert.throws(() => rulesOf([good, { match: { userPattern: '(' }, account: 'x' }]), /identity\.rules\[1\]/);
  });

  it('gives its groups to the account, each place once', () => {
    assert.equal(mapped('(\\w+)\\.(\\w+)@corp', '$2_$1', 'ada.lovelace@corp'), 'lovelace_ada');
    assert.equal(mapped('([a-z]+)', 'u_$1_$1', 'al'), 'u_al_al');
    assert.equal(mapped('([a-z]+)(?:-(x))?', '$1$2', 'al'), 'al');
    assert.equal(mapped('([a-z]+)', '$0', 'al'), 'al');
    assert.equal(mapped('([a-z]+)', 'svc$', 'al'), 'svc$');
  });

  it('gives no account whose name is none, and says so', () => {
    const cases: readonly [string, string, string][] = [
      ['(.*)', '$1', '1abc'],
      ['(.*)', '$1', 'a@b'],
      ['(.*)', '$1', 'a'.repeat(40)],
      ['(.*)', '-$1', 'al'],
      ['al', '$1', 'al'],
      ['al', 'a b', 'al'],
      ['al', '../x', 'al'],
      ['al', 'ä', 'al'],
      ['al', 'a\nb', 'al'],
      ['al', '', 'al'],
    ];
    for (const [pattern, account, name] of cases) {
      assert.match(mapped(pattern, account, name), /^none: the rule gives “[\x20-\x7e]*”, which is no account name$/);
    }
  });

  it('still names the rule then', () => {
    const rules = rulesOf([
      { match: { user: 'a' }, deny: true },
      { match: { userPattern: '.*' }, account: 'a b' },
    ]);
    assert.equal(rules.accountFor(user('al'), 'q').rule, 1);
  });
});

describe('user names', () => {
  const rules = rulesOf([{ match: { userPattern: '[^]*' }, account: 'everyone' }]);

  for (const name of ['alice', 'Alice', 'a.b', 'a_b', 'a-b', 'a@b.example', '7', 'a'.repeat(64)]) {
    it(`takes ${name}`, () => assert.equal(rules.accountFor(user(name), 'q').kind, 'account'));
  }

  const bad = ['', ' ', 'alice ', ' alice', 'al ice', 'alice\n', 'alice\u0000', 'alice\t', '\u001b[2J', 'a'.repeat(65)];
  const alike = ['аlice', 'ａlice', 'alıce', 'alice\u200b', 'a\u0301lice', '\u202eecila', 'ﬁona', 'alice\u00a0'];
  const meaning = [
    'a@b@c',
    'alice@corp@evil',
    'a/b',
    '../a',
    'a\\b',
    'a;b',
    'a$b',
    'a`b',
    "a'b",
    'a"b',
    'a*',
    'a:b',
    'a,b',
    'a%00',
  ];
  for (const name of [...bad, ...alike, ...meaning]) {
    it(`refuses ${JSON.stringify(name)} whatever the rules say`, () => {
      const decision = rules.accountFor(user(name), 'q');
      assert.equal(decision.kind, 'none');
      assert.equal(decision.rule, null);
      assert.match(decision.kind === 'none' ? decision.reason : '', /^the user name /);
    });
  }
});

describe('account rules as a whole', () => {
  const text = fc.oneof(
    fc.string({ maxLength: 12 }),
    fc.string({ unit: 'binary', maxLength: 8 }),
    fc.stringMatching(/^[a-z_][a-z0-9_.@-]{0,20}$/),
  );
  const wide = rulesOf([
    { match: { userPattern: '([^@]*)@x' }, account: '$1' },
    { match: { userPattern: '(.*)' }, account: '$1' },
  ]);

  it('every account name is a Unix account name, and every user who has one is plain ASCII', () => {
    let accounts = 0;
    fc.assert(
      fc.property(text, (name) => {
        const decision = wide.accountFor(user(name), 'q');
        if (decision.kind === 'none') return;
        accounts++;
        assert.match(decision.account.name, /^[A-Za-z_][A-Za-z0-9_.-]{0,31}\$?$/);
        assert.match(name, /^[A-Za-z0-9._@-]{1,64}$/);
        assert.equal(name.normalize('NFKC'), name);
      }),
      { numRuns: 5000 },
    );
    assert.ok(accounts > 500, `only ${accounts} accounts`);
  });

  it('two users never share an account of their own under the default rule', () => {
    const rules = createAccountRules(DEFAULTS);
    fc.assert(
      fc.property(text, text, (a, b) => {
        const [first, second] = [rules.accountFor(user(a), 'q'), rules.accountFor(user(b), 'q')];
        if (a === b || first.kind === 'none' || second.kind === 'none') return;
        assert.notEqual(first.account.name, second.account.name);
      }),
      { numRuns: 5000 },
    );
  });

  it('is pure: a second table of the same rules decides the same', () => {
    const twin = rulesOf([
      { match: { userPattern: '([^@]*)@x' }, account: '$1' },
      { match: { userPattern: '(.*)' }, account: '$1' },
    ]);
    fc.assert(
      fc.property(text, (name) => {
        assert.deepEqual(twin.accountFor(user(name), 'q'), wide.accountFor(user(name), 'q'));
      }),
    );
  });
});

describe('shared accounts', () => {
  const rules = rulesOf([
    { match: { group: 'contractors' }, shared: 'svc' },
    { match: { userPattern: '([a-z]+)' }, account: '$1' },
  ]);

  it('are reached through their rule only: a user of the same name has no account', () => {
    const member = rules.accountFor(user('eve', ['contractors']), 'q');
    assert.deepEqual(member.kind === 'account' && member.account, { queue: 'q', name: 'svc', shared: true });
    const namesake = rules.accountFor(user('svc'), 'q');
    assert.equal(namesake.kind, 'none');
    assert.match(namesake.kind === 'none' ? namesake.reason : '', /shared account/);
  });
});
