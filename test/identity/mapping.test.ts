import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { configSchema } from '../../src/config/index.ts';
import { type Assertion, createIdentityRules, userNameFault } from '../../src/identity/index.ts';

type Tree = Record<string, unknown>;

const SAML = { type: 'saml', name: 'corp', keyFile: '/k', certFile: '/c' };
const OIDC = { type: 'oidc', name: 'entra', issuer: 'https://idp.example', clientId: 'gw' };
const JWT = { type: 'jwt', name: 'programs', issuer: 'https://idp.example', audience: ['gw'] };

const rulesOf = (signIn: Tree, identity: Tree = {}) =>
  createIdentityRules({
    signIn: configSchema.shape.signIn.parse(signIn),
    identity: configSchema.shape.identity.parse(identity),
  });

const says = (attributes: Assertion['attributes'], provider = 'corp'): Assertion => ({
  provider,
  issuer: 'https://idp.example',
  attributes,
});

/** The decision of one SAML provider. */
const decided = (attributes: Assertion['attributes'], corp: Tree = {}, identity: Tree = {}) =>
  rulesOf({ providers: [{ ...SAML, ...corp }] }, identity).toIdentity(says(attributes));

function identityOf(...args: Parameters<typeof decided>) {
  const decision = decided(...args);
  assert.ok(decision.kind === 'identity', JSON.stringify(decision));
  return decision.identity;
}

function reasonOf(...args: Parameters<typeof decided>): string {
  const decision = decided(...args);
  assert.ok(decision.kind === 'refused', JSON.stringify(decision));
  return decision.reason;
}

describe('the identity of an assertion', () => {
  it('takes NameID for SAML, and the realm from the name of the provider', () => {
    assert.deepEqual(identityOf({ NameID: ['alice'] }), {
      subject: 'corp:alice',
      user: 'alice',
      groups: [],
      roles: ['user'],
      provider: 'corp',
      attributes: {},
      bound: null,
    });
  });

  it('takes sub and preferred_username for OIDC and for bearer tokens', () => {
    const rules = rulesOf({ providers: [OIDC], bearers: [JWT] });
    for (const name of ['entra', 'programs']) {
      const decision = rules.toIdentity(says({ sub: ['00u1'], preferred_username: ['alice'] }, name));
      assert.ok(decision.kind === 'identity');
      assert.deepEqual([decision.identity.subject, decision.identity.user], [`${name}:00u1`, 'alice']);
    }
  });

  it('keeps an immutable subject beside a user name that may change', () => {
    const corp = { subject: 'objectGUID', user: { attribute: 'uid' }, realm: 'people' };
    const identity = identityOf({ objectGUID: ['7f3a=='], uid: ['alice'], NameID: ['x'] }, corp);
    assert.deepEqual([identity.subject, identity.user, identity.provider], ['people:7f3a==', 'alice', 'corp']);
  });

  it('makes the user name by pattern and template, over the whole value', () => {
    const user = { pattern: '([a-z]+)\\.([a-z]+)@corp\\.example', template: '$2_$1' };
    assert.equal(identityOf({ NameID: ['ada.lovelace@corp.example'] }, { user }).user, 'lovelace_ada');
    for (const value of [
      'ada.lovelace@corp.example.evil',
      'x ada.lovelace@corp.example',
      'ada.lovelace@corpXexample',
    ]) {
      assert.match(reasonOf({ NameID: [value] }, { user }), /attribute NameID does not match/);
    }
  });

  it('takes a domain off with a backslash too', () => {
    const user = { attribute: 'upn', pattern: 'CORP\\\\(.+)' };
    assert.equal(identityOf({ NameID: ['1'], upn: ['CORP\\alice'] }, { user }).user, 'alice');
  });

  it('refuses a provider that there is not', () => {
    const decision = rulesOf({ providers: [SAML] }).toIdentity(says({ NameID: ['a'] }, 'other'));
    assert.equal(decision.kind === 'refused' && decision.reason, 'no provider is called other');
  });

  it('tells each step in words', () => {
    const corp = {
      user: { attribute: 'mail', pattern: '(.+)@corp' },
      groups: { attribute: 'memberOf', pattern: 'CN=([^,]+),.*' },
      allowGroups: ['cad'],
    };
    const identity = { groups: { local: ['alice'] }, roles: { admin: { groups: ['local'] } } };
    const attributes = { NameID: ['x1'], mail: ['alice@corp'], memberOf: ['CN=cad,OU=g', 'other'] };
    const decision = decided(attributes, corp, identity);
    assert.deepEqual(decision.steps, [
      'subject: attribute NameID is “x1” in the realm corp, so corp:x1',
      'user: attribute mail is “alice@corp”, matches (.+)@corp, so alice',
      'groups: attribute memberOf has 2 values, 1 match CN=([^,]+),.*, so cad',
      'identity.groups: alice is also in local',
      'allowGroups: let in by cad',
      'roles: user, operator, admin',
    ]);
    const refused = decided({ ...attributes, memberOf: [] }, corp, identity);
    assert.equal(refused.steps.at(-1), 'refused: none of allowGroups (cad)');
  });
});

describe('a subject or user attribute', () => {
  const CASES: readonly (readonly [what: string, values: readonly string[] | undefined, reason: RegExp])[] = [
    ['missing', undefined, /attribute NameID is missing/],
    ['without a value', [], /is missing/],
    ['with two values', ['alice', 'root'], /has 2 values, not exactly one/],
    ['with the same value twice', ['alice', 'alice'], /has 2 values/],
    ['empty', [''], /is empty/],
    ['with NUL', ['alice\u0000'], /control or invisible/],
    ['with a line break', ['alice\n'], /control or invisible/],
    ['with a trailing space', ['alice '], /begins or ends with a space/],
    ['with a leading tab', ['\talice'], /control or invisible/],
    ['with a no-break space', ['alice\u00a0'], /begins or ends with a space/],
    ['with a zero-width joiner', ['al\u200dice'], /control or invisible/],
    ['with a direction mark', ['\u202eecila'], /control or invisible/],
    ['with a Cyrillic letter', ['аlice'], /other than printable ASCII/],
    ['in full width', ['ａｌｉｃｅ'], /other than printable ASCII/],
    ['with a combining accent', ['a\u0301lice'], /other than printable ASCII/],
    ['with half a surrogate pair', ['alice\ud800'], /control or invisible/],
    ['with several @', ['alice@corp@evil'], /more than one @/],
    ['of 257 characters', ['a'.repeat(257)], /longer than 256/],
    ['of 10 KB', ['a'.repeat(10_240)], /longer than 256/],
    ['that is no user name', ['al ice'], /other characters than/],
    ['too long for a user name', ['a'.repeat(65)], /longer than 64/],
  ];
  for (const [what, values, reason] of CASES) {
    it(`${what} lets nobody in`, () => {
      assert.match(reasonOf(values === undefined ? {} : { NameID: values }), reason);
    });
  }

  it('with several @ lets nobody in, also where the pattern takes the last part off (GHSA-c5c4-8r6x-56w3)', () => {
    const user = { attribute: 'mail', pattern: '(.+)@corp\\.example' };
    for (const mail of ['alice@evil@corp.example', 'alice@@corp.example', '@alice@corp.example']) {
      assert.match(reasonOf({ NameID: ['1'], mail: [mail] }, { user }), /more than one @/);
    }
  });

  it('is never read from the prototype', () => {
    for (const name of ['__proto__', 'constructor', 'toString']) {
      assert.match(reasonOf({ NameID: ['a'] }, { subject: name }), new RegExp(`attribute ${name} is missing`));
    }
  });

  it('names neither value nor person in the reason', () => {
    for (const [, values] of CASES) {
      assert.doesNotMatch(reasonOf(values === undefined ? {} : { NameID: values }), /alice|corp@evil/);
    }
  });
});

describe('groups', () => {
  const groups = { attribute: 'memberOf', pattern: 'CN=([^,]+),.*' };

  it('are taken by pattern and template, each once, and others dropped', () => {
    const memberOf = ['CN=cad,OU=x', 'CN=cad,OU=y', 'CN=eda,OU=x', 'eda', 'OU=z,CN=no,OU=x', ''];
    assert.deepEqual(identityOf({ NameID: ['a'], memberOf }, { groups }).groups, ['cad', 'eda']);
    const template = { ...groups, template: 'ad-$1' };
    assert.deepEqual(identityOf({ NameID: ['a'], memberOf }, { groups: template }).groups, ['ad-cad', 'ad-eda']);
  });

  it('may have any letters, but nothing invisible, and end at 256 characters', () => {
    const plain = { attribute: 'memberOf' };
    const memberOf = ['Entwickler Köln', 'a\u0000', 'b\u200b', 'x'.repeat(256), 'y'.repeat(257)];
    assert.deepEqual(identityOf({ NameID: ['a'], memberOf }, { groups: plain }).groups, [
      'Entwickler Köln',
      'x'.repeat(256),
    ]);
  });

  it('too many are refused, since a dropped one could be what denies', () => {
    const memberOf = Array.from({ length: 1001 }, (_, at) => `g${at}`);
    assert.match(reasonOf({ NameID: ['a'], memberOf }, { groups }), /more than 1000 values/);
  });

  it('are not read without being asked for', () => {
    assert.deepEqual(identityOf({ NameID: ['a'], memberOf: ['x'], groups: ['y'] }).groups, []);
  });

  it('of the configuration are added by user name, but are not remembered as the provider’s', () => {
    const decision = decided(
      { NameID: ['a'], memberOf: ['CN=cad,'] },
      { groups },
      { groups: { own: ['a'], cad: ['a'] } },
    );
    assert.ok(decision.kind === 'identity');
    assert.deepEqual(decision.identity.groups, ['cad', 'own']);
    assert.deepEqual(decision.providerGroups, ['cad']);
  });

  it('decide who is let in', () => {
    const corp = { groups, allowGroups: ['cad', 'own'] };
    const identity = { groups: { own: ['bob'] } };
    assert.equal(identityOf({ NameID: ['alice'], memberOf: ['CN=cad,'] }, corp, identity).user, 'alice');
    assert.equal(identityOf({ NameID: ['bob'] }, corp, identity).user, 'bob');
    for (const memberOf of [['CN=CAD,'], ['CN=cad2,'], ['cad'], []]) {
      assert.match(reasonOf({ NameID: ['alice'], memberOf }, corp, identity), /allowGroups/);
    }
  });
});

describe('attributes for the rules', () => {
  it('are those that a rule names, and no other', () => {
    const rules = [
      { match: { attribute: { name: 'site', value: 'A' } }, account: 'a' },
      { match: { attribute: { name: 'none', value: 'A' } }, account: 'a' },
    ];
    const identity = identityOf({ NameID: ['a'], site: ['A', 'B', 'A', ''], mail: ['a@b'] }, {}, { rules });
    assert.deepEqual(identity.attributes, { site: ['A', 'B'] });
  });
});

describe('what is remembered', () => {
  const signIn = { providers: [{ ...SAML, realm: 'people', allowGroups: ['cad'] }, OIDC] };
  const person = { subject: 'people:1', user: 'a', provider: 'corp', attributes: {}, bound: { q: 'a' } };

  it('becomes an identity under the rules of today', () => {
    const identity = { groups: { own: ['a'] }, roles: { operator: { users: ['a'] } } };
    assert.deepEqual(rulesOf(signIn, identity).recall({ ...person, providerGroups: ['cad'] }), {
      ...person,
      groups: ['cad', 'own'],
      roles: ['user', 'operator'],
    });
  });

  it('is nobody when they would not be let in any more', () => {
    const rules = rulesOf(signIn);
    const cad = { ...person, providerGroups: ['cad'] };
    assert.ok(rules.recall(cad));
    assert.equal(rules.recall({ ...person, providerGroups: ['eda'] }), null);
    assert.equal(rules.recall({ ...cad, provider: 'gone' }), null);
    assert.equal(rules.recall({ ...cad, provider: 'entra' }), null);
    assert.equal(rules.recall({ ...cad, subject: 'corp:1' }), null);
    assert.equal(rules.recall({ ...cad, subject: 'local:1' }), null);
  });
});

describe('a mapping that cannot be', () => {
  it('is an error with its place', () => {
    assert.throws(() => rulesOf({ providers: [{ ...SAML, user: { pattern: '(' } }] }), /user\.pattern of corp/);
    assert.throws(() => rulesOf({ bearers: [{ ...JWT, groups: { pattern: 'a)|(?:b' } }] }), /groups\.pattern of prog/);
    assert.throws(() => rulesOf({ providers: [{ ...SAML, realm: 'local' }] }), /realm local of corp/);
    assert.throws(() => rulesOf({ providers: [{ ...SAML, name: 'local' }] }), /realm local of local/);
  });
});

describe('the mapping as a whole', () => {
  const value = fc.oneof(
    fc.string({ maxLength: 12 }),
    fc.string({ unit: 'binary', maxLength: 8 }),
    fc.stringMatching(/^[a-z][a-z0-9.:@-]{0,12}$/),
  );
  const values = fc.oneof(
    { weight: 5, arbitrary: value.map((one) => [one]) },
    { weight: 1, arbitrary: fc.array(value) },
  );
  const names = ['a', 'ab', 'a.b', 'corp', 'local.a'];
  const rules = rulesOf({
    providers: names.map((name) => ({ ...SAML, name, user: { attribute: 'uid', pattern: '([^@]*)(?:@.*)?' } })),
  });

  it('two realms or two values never give one subject', () => {
    const seen = new Map<string, string>();
    fc.assert(
      fc.property(fc.constantFrom(...names), value, (name, id) => {
        const decision = rules.toIdentity(says({ NameID: [id], uid: ['x'] }, name));
        if (decision.kind === 'refused') return;
        const { subject } = decision.identity;
        const source = JSON.stringify([name, id]);
        assert.equal(seen.get(subject) ?? source, source);
        seen.set(subject, source);
        assert.ok(!subject.startsWith('local:'));
        assert.equal(subject.indexOf(':'), name.length);
      }),
      { numRuns: 5000 },
    );
    assert.ok(seen.size > 500, `only ${seen.size} subjects`);
  });

  it('nobody is let in under a name that is none, and nothing throws', () => {
    let accepted = 0;
    fc.assert(
      fc.property(values, values, values, (id, uid, memberOf) => {
        const decision = rules.toIdentity(says({ NameID: id, uid, memberOf }));
        if (decision.kind === 'refused') return;
        accepted++;
        const { user, subject, roles, bound } = decision.identity;
        assert.equal(userNameFault(user), null);
        assert.match(subject, /^corp:[\x20-\x7e]{1,256}$/);
        assert.deepEqual([id.length, uid.length, roles, bound], [1, 1, ['user'], null]);
      }),
      { numRuns: 5000 },
    );
    assert.ok(accepted > 500, `only ${accepted} accepted`);
  });

  it('is pure', () => {
    fc.assert(
      fc.property(values, values, (NameID, uid) => {
        const assertion = says({ NameID, uid });
        assert.deepEqual(rules.toIdentity(assertion), rules.toIdentity(structuredClone(assertion)));
      }),
    );
  });
});
