import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { configSchema } from '../../src/config/index.ts';
import { type AccountRules, createAccountRules, createIdentityRules } from '../../src/identity/index.ts';
import type { Identity } from '../../src/kernel/index.ts';
import { localIdentity } from '../world/identities.ts';

const rulesOf = (identity: Record<string, unknown>) => createAccountRules(configSchema.shape.identity.parse(identity));

const ALICE: Identity = {
  subject: 'corp:7f3a',
  user: 'alice',
  groups: ['cad'],
  roles: ['user'],
  provider: 'corp',
  attributes: { site: ['A', 'B'], empty: [] },
  bound: null,
};

/** The account, or the reason why there is none. */
function answer(rules: AccountRules, identity: Identity, queue = 'q'): string {
  const decision = rules.accountFor(identity, queue);
  return decision.kind === 'account' ? decision.account.name : decision.reason;
}

const given = (match: Record<string, unknown>, identity = ALICE): boolean =>
  answer(rulesOf({ rules: [{ match, account: 'acc' }] }), identity) === 'acc';

describe('keys of a match', () => {
  const ROWS: readonly (readonly [match: Record<string, unknown>, fits: boolean, local: boolean])[] = [
    [{ subject: 'corp:7f3a' }, true, false],
    [{ subject: 'corp:7F3A' }, false, false],
    [{ subject: '7f3a' }, false, false],
    [{ subject: 'local:alice' }, false, true],
    [{ provider: 'corp' }, true, false],
    [{ provider: 'cor' }, false, false],
    [{ attribute: { name: 'site', value: 'B' } }, true, false],
    [{ attribute: { name: 'site', value: 'b' } }, false, false],
    [{ attribute: { name: 'site', value: 'AB' } }, false, false],
    [{ attribute: { name: 'site', pattern: '[AX]' } }, true, false],
    [{ attribute: { name: 'site', pattern: 'A|BB' } }, true, false],
    [{ attribute: { name: 'site', pattern: '' } }, false, false],
    [{ attribute: { name: 'site' } }, false, false],
    [{ attribute: { name: 'empty', pattern: '.*' } }, false, false],
    [{ attribute: { name: 'other', pattern: '.*' } }, false, false],
    [{ attribute: { name: '__proto__', pattern: '.*' } }, false, false],
    [{ attribute: { name: 'constructor', pattern: '.*' } }, false, false],
    [{ provider: 'corp', user: 'alice', group: 'cad', queue: 'q' }, true, false],
    [{ provider: 'corp', user: 'bob' }, false, false],
    [{ provider: 'corp', group: 'eda' }, false, false],
    [{ provider: 'corp', queue: 'other' }, false, false],
    [{ userPattern: '(a.*)' }, true, true],
  ];
  for (const [match, fits, local] of ROWS) {
    it(`${JSON.stringify(match)} ${fits ? 'fits' : 'does not fit'} a person, ${local ? 'fits' : 'not'} a local user`, () => {
      assert.equal(given(match), fits);
      assert.equal(given(match, localIdentity('alice', ['cad'])), local);
    });
  }

  it('with a broken attribute pattern are an error that names the rule', () => {
    const rules = [
      { match: { user: 'a' }, account: 'a' },
      { match: { attribute: { name: 'x', pattern: '(' } }, account: 'a' },
    ];
    assert.throws(() => rulesOf({ rules }), /identity\.rules\[1\]\.match\.attribute\.pattern is no regular/);
  });
});

describe('a table', () => {
  const rules = rulesOf({
    rules: [
      { match: { provider: 'corp' }, table: { alice: 'al', root2: 'svc', bad: 'a b', dollar: '$0' } },
      { match: { user: 'ci' }, shared: 'svc' },
      { match: { userPattern: '.*' }, account: 'fallback' },
    ],
  });
  const named = (user: string): Identity => ({ ...ALICE, user });

  it('gives exactly the account of its row', () => {
    assert.equal(answer(rules, ALICE), 'al');
    assert.deepEqual(rules.accountFor(ALICE, 'q').rule, 0);
  });

  it('leaves who is not in it to the next rule', () => {
    for (const user of ['Alice', 'alice2', 'bob', 'constructor', '__proto__', 'toString']) {
      const decision = rules.accountFor(named(user), 'q');
      assert.equal(decision.rule, 2);
    }
  });

  it('concerns only whom its match fits', () => {
    assert.equal(answer(rules, localIdentity('alice')), 'fallback');
  });

  it('gives neither a shared account nor what is no account name, and knows no templates', () => {
    assert.match(answer(rules, named('root2')), /“svc”, which is a shared account/);
    assert.match(answer(rules, named('bad')), /“a b”, which is no account name/);
    assert.match(answer(rules, named('dollar')), /“\$0”, which is no account name/);
  });
});

describe('roles', () => {
  const rules = rulesOf({
    groups: { ops: ['bob'], chiefs: ['carl'] },
    roles: { operator: { users: ['dora'], groups: ['ops'] }, admin: { users: ['eve'], groups: ['chiefs'] } },
  });
  const ROWS: readonly (readonly [user: string, roles: readonly string[]])[] = [
    ['alice', ['user']],
    ['bob', ['user', 'operator']],
    ['carl', ['user', 'operator', 'admin']],
    ['dora', ['user', 'operator']],
    ['eve', ['user', 'operator', 'admin']],
    ['Eve', ['user']],
    ['ops', ['user']],
  ];
  for (const [user, roles] of ROWS) {
    it(`of ${user}: ${roles.join(', ')}`, () => assert.deepEqual(rules.identityOf(user).roles, roles));
  }
});

describe('roles by subject and by provider', () => {
  const provider = (name: string) => ({
    type: 'saml',
    name,
    keyFile: '/k',
    certFile: '/c',
    user: { attribute: 'uid' },
    groups: { attribute: 'groups' },
  });
  const signIn = configSchema.shape.signIn.parse({ providers: [provider('corp'), provider('partner')] });
  const rolesOf = (admin: Record<string, unknown>, from: string, user = 'carol', groups: string[] = []) => {
    const identity = configSchema.shape.identity.parse({ roles: { admin } });
    const attributes = { NameID: [`id-${user}`], uid: [user], groups };
    const decision = createIdentityRules({ identity, signIn }).toIdentity({ provider: from, issuer: 'x', attributes });
    return decision.kind === 'identity' && decision.identity.roles.includes('admin');
  };

  it('a subject holds whatever its user name, and no other does', () => {
    const admin = { subjects: ['corp:id-carol'] };
    assert.equal(rolesOf(admin, 'corp'), true);
    assert.equal(rolesOf(admin, 'partner'), false);
    assert.equal(rolesOf(admin, 'corp', 'mallory'), false);
  });

  it('names and groups of other providers count for nothing', () => {
    const admin = { users: ['carol'], groups: ['chiefs'], providers: ['corp'] };
    assert.equal(rolesOf(admin, 'corp'), true);
    assert.equal(rolesOf(admin, 'partner'), false);
    assert.equal(rolesOf(admin, 'corp', 'bob', ['chiefs']), true);
    assert.equal(rolesOf(admin, 'partner', 'bob', ['chiefs']), false);
    assert.equal(rolesOf({ ...admin, providers: [] }, 'corp'), false);
    const rules = rulesOf({ roles: { admin } });
    assert.deepEqual(rules.identityOf('carol').roles, ['user'], 'nor the administrator’s own users');
  });

  it('a provider alone makes nobody anything', () => {
    assert.equal(rolesOf({ providers: ['corp'] }, 'corp'), false);
  });
});

describe('attributes of many values', () => {
  const signIn = configSchema.shape.signIn.parse({
    providers: [{ type: 'saml', name: 'corp', keyFile: '/k', certFile: '/c', user: { attribute: 'uid' } }],
  });
  const rulesWith = (pattern: string) =>
    createIdentityRules({
      signIn,
      identity: configSchema.shape.identity.parse({
        rules: [{ match: { attribute: { name: 'g', pattern } }, account: 'acc' }],
      }),
    });
  const decide = (count: number) =>
    rulesWith('x').toIdentity({
      provider: 'corp',
      issuer: 'x',
      attributes: { NameID: ['1'], uid: ['a'], g: Array.from({ length: count }, (_, at) => `${at}`) },
    });

  it('are looked at up to 256, and more are a refusal that says so', () => {
    assert.equal(decide(256).kind, 'identity');
    const refused = decide(257);
    assert.match(refused.kind === 'refused' ? refused.reason : '', /attribute g has more than 256 values/);
  });

  it('are matched once for an identity, whatever the number of queues', () => {
    const rules = rulesWith('x');
    let looks = 0;
    const attributes = {
      get g() {
        looks += 1;
        return ['x'];
      },
    };
    const identity: Identity = { ...ALICE, attributes };
    assert.equal(answer(rules, identity, 'one'), 'acc');
    const first = looks;
    assert.ok(first > 0);
    for (const queue of ['two', 'three', 'four']) assert.equal(answer(rules, identity, queue), 'acc');
    assert.equal(looks, first);
  });
});

describe('what is said of somebody who is refused', () => {
  const signIn = configSchema.shape.signIn.parse({
    providers: [
      {
        type: 'saml',
        name: 'corp',
        keyFile: '/k',
        certFile: '/c',
        user: { attribute: 'uid' },
        groups: { attribute: 'groups' },
        allowGroups: ['staff'],
      },
    ],
  });
  const rules = createIdentityRules({ identity: configSchema.shape.identity.parse({}), signIn });
  const knownOf = (attributes: Record<string, string[]>) => {
    const decision = rules.toIdentity({ provider: 'corp', issuer: 'x', attributes });
    assert.equal(decision.kind, 'refused');
    return decision.kind === 'refused' ? decision.known : undefined;
  };

  it('names subject and groups, so that what was remembered can end', () => {
    const known = { subject: 'corp:1', provider: 'corp', providerGroups: ['guests'], attributes: {} };
    assert.deepEqual(knownOf({ NameID: ['1'], uid: ['a'], groups: ['guests'] }), known);
    assert.deepEqual(knownOf({ NameID: ['1'], groups: ['guests'] }), known);
  });

  it('is nothing without a subject', () => {
    assert.equal(knownOf({ uid: ['a'], groups: ['staff'] }), undefined);
    assert.equal(knownOf({ NameID: ['1', '2'], uid: ['a'] }), undefined);
  });
});

describe('accounts that are bound', () => {
  const rules = rulesOf({
    rules: [
      { match: { group: 'guests' }, shared: 'svc' },
      { match: { user: 'denied' }, deny: true },
      { match: { userPattern: '(.*)' }, account: '$1' },
    ],
  });
  const boundTo = (bound: Identity['bound'], more: Partial<Identity> = {}): Identity => ({ ...ALICE, ...more, bound });

  it('are used', () => assert.equal(answer(rules, boundTo({ q: 'alice' })), 'alice'));

  it('are not used for another account, another queue or none at all', () => {
    for (const bound of [{ q: 'alicia' }, { other: 'alice' }, {}, { q: '' }]) {
      const decision = rules.accountFor(boundTo(bound), 'q');
      assert.equal(decision.kind, 'none');
      assert.equal(decision.rule, 2);
      assert.match(decision.kind === 'none' ? decision.reason : '', /“alice”.*sign in again/);
    }
  });

  it('by a name of the prototype are none', () => {
    assert.match(answer(rules, boundTo({}), 'constructor'), /sign in again/);
  });

  it('do not matter for shared accounts, denials and users whom the administrator vouches for', () => {
    assert.equal(answer(rules, boundTo({}, { groups: ['guests'] })), 'svc');
    assert.equal(answer(rules, boundTo({}, { user: 'denied' })), 'the rule denies an account');
    assert.equal(answer(rules, boundTo(null)), 'alice');
  });

  it('are decided once for each identity object', () => {
    const [one, two] = [boundTo({ q: 'alice' }), boundTo({ q: 'bob' })];
    assert.equal(rules.accountFor(one, 'q'), rules.accountFor(one, 'q'));
    assert.equal(rules.accountFor(one, 'q').kind, 'account');
    assert.equal(rules.accountFor(two, 'q').kind, 'none');
    assert.equal(rules.accountFor(one, 'q').kind, 'account');
  });
});
