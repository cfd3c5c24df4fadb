import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { createSubmissionPolicy, type PolicyDecision, policyRefusal } from '../../src/access/index.ts';
import { jobsWith, member, SITE } from './policy-world.ts';

interface Entry {
  readonly why: string;
  readonly body: string;
  readonly type?: string;
  readonly allowed: boolean;
  readonly fields?: readonly (string | null)[];
}

const CORPUS = JSON.parse(readFileSync(join(import.meta.dirname, 'policy-corpus.json'), 'utf8')) as readonly Entry[];
const JSON_TYPE = 'application/json';

const named = (decision: PolicyDecision): (string | null)[] => [
  ...new Set(decision.violations.map(({ field }) => field)),
];
const sorted = (fields: readonly (string | null)[]): string => JSON.stringify([...fields].sort());

/** What these rules say of these fields. */
const checked = (rules: readonly object[], fields: unknown, groups: readonly string[] = []): PolicyDecision =>
  createSubmissionPolicy(jobsWith(...rules)).check(
    member(...groups),
    'chips',
    Buffer.from(JSON.stringify(fields)),
    JSON_TYPE,
  );

describe('the corpus of submissions', () => {
  const enforced = createSubmissionPolicy(jobsWith(SITE));
  const observed = createSubmissionPolicy(jobsWith({ ...SITE, mode: 'observe' }));

  it('holds both kinds in number', () => {
    const allowed = CORPUS.filter((entry) => entry.allowed).length;
    assert.ok(allowed >= 30, String(allowed));
    assert.ok(CORPUS.length - allowed >= 150, String(CORPUS.length));
  });

  for (const [at, { why, body, type, allowed, fields }] of CORPUS.entries()) {
    it(`${at + 1}: ${why}: ${JSON.stringify(body).slice(0, 80)}`, () => {
      const decision = enforced.check(member(), 'chips', Buffer.from(body), type ?? JSON_TYPE);
      assert.equal(decision.allowed, allowed, JSON.stringify(decision.violations));
      assert.equal(sorted(named(decision)), sorted(fields ?? []));
      const seen = observed.check(member(), 'chips', Buffer.from(body), type ?? JSON_TYPE);
      assert.equal(seen.allowed, true);
      assert.deepEqual(seen.body, Buffer.from(body));
      assert.deepEqual(
        seen.violations,
        decision.violations.map((violation) => ({ ...violation, mode: 'observe' })),
      );
    });
  }
});

describe('an order to a job', () => {
  const rules = createSubmissionPolicy(jobsWith(SITE));
  const order = (body: string): PolicyDecision => rules.checkControl(member(), 'chips', Buffer.from(body));

  it('may hold what no rule speaks of, and nothing at all', () => {
    for (const body of [
      '',
      '{}',
      '{"action":"stop"}',
      '{"action":"stop","signal":9}',
      '{"env":"BASE","cmd":"sim a"}',
    ]) {
      const { allowed, violations, defaults, body: sent } = order(body);
      assert.deepEqual([allowed, violations, defaults, sent.toString()], [true, [], {}, body]);
    }
  });

  it('may hold no field that a change could not', () => {
    for (const [body, field] of [
      ['{"action":"stop","rundir":"/etc"}', 'rundir'],
      ['{"dir":"/etc"}', 'dir'],
      ['{"RUNDIR":"/proj"}', 'RUNDIR'],
      ['{"wrapper":1}', 'wrapper'],
      ['{"env":"X","env":"BASE"}', null],
      ['env=X', null],
      ['[]', null],
    ] as const) {
      const decision = order(body);
      assert.equal(decision.allowed, false, body);
      assert.deepEqual(named(decision), [field], body);
    }
  });
});

describe('whom a rule concerns', () => {
  const denying = { denyKeys: ['wrapper'] };
  const job = { wrapper: 'x' };

  for (const [rule, groups, allowed] of [
    [{}, [], false],
    [{ groups: ['cad'] }, [], true],
    [{ groups: ['cad'] }, ['CAD'], true],
    [{ groups: ['cad', 'eda'] }, ['eda'], false],
    [{ exceptGroups: ['cad'] }, [], false],
    [{ exceptGroups: ['cad'] }, ['cad'], true],
    [{ groups: ['eda'], exceptGroups: ['cad'] }, ['eda', 'cad'], true],
    [{ queues: ['chips'] }, [], false],
    [{ queues: ['other'] }, [], true],
  ] as const) {
    it(`${JSON.stringify(rule)} and members of [${groups}]`, () => {
      assert.equal(checked([{ ...denying, ...rule }], job, groups).allowed, allowed);
    });
  }

  it('looks at nothing when no rule concerns the caller', () => {
    const policy = createSubmissionPolicy(jobsWith({ ...SITE, groups: ['cad'] }));
    const body = Buffer.from([0xff, 0x00]);
    const decision = policy.check(member(), 'chips', body, 'text/plain');
    assert.deepEqual(decision, { allowed: true, body, violations: [], defaults: {} });
    assert.equal(decision.body, body);
  });

  it('meets every rule that concerns the caller, not the first alone', () => {
    const decision = checked([{ fields: { env: { oneOf: ['BASE'] } } }, { denyKeys: ['env'] }], { env: 'D' });
    assert.deepEqual(
      decision.violations.map(({ rule, reason }) => [rule, reason]),
      [
        ['rule-1', 'must be "BASE"'],
        ['rule-2', 'is not allowed'],
      ],
    );
  });
});

describe('the bytes to send', () => {
  it('are the caller’s own when nothing was put in', () => {
    const body = Buffer.from(' {"env" : "BASE"}\n');
    const policy = createSubmissionPolicy(jobsWith({ defaults: { env: 'CLEAN' } }));
    assert.equal(policy.check(member(), 'chips', body, JSON_TYPE).body, body);
  });

  it('have the defaults at their end, and else every byte of the caller', () => {
    const policy = createSubmissionPolicy(jobsWith({ defaults: { env: 'BASE', 'priority,sched': 4 } }));
    const body = Buffer.from(' {"x" : 12345678901234567890 , "é":"\\u00e9"\n}\r\n');
    const decision = policy.check(member(), 'chips', Buffer.from(body.toString().replace('"é"', '"e"')), JSON_TYPE);
    assert.equal(
      decision.body.toString(),
      ' {"x" : 12345678901234567890 , "e":"\\u00e9","env":"BASE","priority,sched":4}\r\n',
    );
    assert.deepEqual(decision.defaults, { env: 'BASE', 'priority,sched': 4 });
  });

  it('are well formed behind an object without fields', () => {
    const policy = createSubmissionPolicy(jobsWith({ defaults: { env: 'BASE' } }));
    assert.equal(policy.check(member(), 'chips', Buffer.from('{ }'), JSON_TYPE).body.toString(), '{"env":"BASE"}');
  });

  it('have the default of the first rule that has one', () => {
    const decision = checked([{ defaults: { env: 'A' } }, { defaults: { env: 'B', jobclass: 'c' } }], {});
    assert.deepEqual(decision.defaults, { env: 'A', jobclass: 'c' });
  });

  it('have no default beside another spelling of the field', () => {
    const decision = checked([{ defaults: { env: 'A' } }], { Env: 'D' });
    assert.equal(decision.allowed, false);
    assert.deepEqual(decision.defaults, {});
  });

  it('have a default before rules look at the field', () => {
    const rules = [{ fields: { env: { required: true, oneOf: ['A'] } } }, { defaults: { env: 'A' } }];
    assert.equal(checked(rules, {}).allowed, true);
    assert.equal(checked([rules[0] ?? {}, { defaults: { env: 'B' } }], {}).allowed, false);
  });

  it('have no default of a rule that only observes', () => {
    const rules = [{ fields: { env: { required: true } } }, { defaults: { env: 'A' }, mode: 'observe' }];
    const decision = checked(rules, {});
    assert.equal(decision.allowed, false);
    assert.deepEqual(decision.defaults, {});
    assert.equal(checked([{ ...rules[0], mode: 'observe' }, rules[1] ?? {}], {}).violations.length, 0);
  });
});

describe('the size of a submission', () => {
  const reasonOf = (body: string): string | undefined =>
    createSubmissionPolicy(jobsWith({})).check(member(), 'chips', Buffer.from(body), JSON_TYPE).violations[0]?.reason;

  for (const [body, reason] of [
    [JSON.stringify({ a: 'x'.repeat(1_048_576) }), 'is longer than 1048576 bytes'],
    [JSON.stringify({ a: 'x'.repeat(1_048_576 - 8) }), undefined],
    [JSON.stringify({ a: Array(20_002).fill(1) }), 'holds more than 20000 values'],
    [JSON.stringify({ a: Array(20_001).fill(1) }), undefined],
    [JSON.stringify({ a: ','.repeat(50_000) }), undefined],
    [JSON.stringify({ a: '"\\'.repeat(50_000) }), undefined],
    [`{"a":${'['.repeat(500_000)}`, 'is nested deeper than 32 levels'],
    [JSON.stringify(Object.fromEntries(Array.from({ length: 257 }, (_, at) => [at, 1]))), 'holds more than 256 fields'],
    [JSON.stringify(Object.fromEntries(Array.from({ length: 256 }, (_, at) => [at, 1]))), undefined],
  ] as const) {
    it(`${body.length} characters of ${body.slice(0, 9)}: ${reason ?? 'fine'}`, () =>
      assert.equal(reasonOf(body), reason));
  }
});

describe('a change of a job', () => {
  const policy = createSubmissionPolicy(jobsWith(SITE));
  const change = (fields: object): PolicyDecision =>
    policy.checkChange(member(), 'chips', Buffer.from(JSON.stringify(fields)), JSON_TYPE);

  for (const [fields, allowed] of [
    [{}, true],
    [{ command: 'sim' }, true],
    [{ cmd: 'sim' }, true],
    [{ cmd: 'bash' }, false],
    [{ cmd: 'sim', command: 'sim' }, false],
    [{ CMD: 'sim' }, false],
    [{ dir: '/proj/x' }, true],
    [{ dir: '/etc' }, false],
    [{ res: 'RAM/1' }, true],
    [{ env: 'D' }, false],
    [{ 'priority,sched': 15 }, false],
    [{ wrapper: 'x' }, false],
  ] as const) {
    it(`${JSON.stringify(fields)} ${allowed ? 'may' : 'may not'}`, () => {
      const decision = change(fields);
      assert.equal(decision.allowed, allowed);
      assert.deepEqual(decision.defaults, {});
    });
  }
});

describe('a refusal', () => {
  it('tells every rule that is enforced', () => {
    const error = policyRefusal(checked([SITE, { name: 'soft', denyKeys: ['env'], mode: 'observe' }], { env: 'D' }));
    assert.equal(error.code, 'GW_POLICY');
    assert.equal(error.status, 422);
    assert.equal(
      error.detail,
      '"command" is missing (rule site); "rundir" is missing (rule site); "env" must be "BASE" or "CLEAN+BASE" (rule site).',
    );
  });

  it('speaks of the body as a whole', () => {
    const policy = createSubmissionPolicy(jobsWith({ name: 'soft', mode: 'observe' }, { name: 'hard' }));
    const error = policyRefusal(policy.check(member(), 'chips', Buffer.from('['), JSON_TYPE));
    assert.equal(error.detail, 'The body is no JSON in UTF-8 (RFC 8259) (rule hard).');
  });

  it('stays short and printable', () => {
    const fields = Object.fromEntries(Array.from({ length: 200 }, (_, at) => [`field ${at} ${'x'.repeat(100)}`, 1]));
    const { detail } = policyRefusal(checked([{ allowKeys: ['env'] }], fields));
    assert.match(detail, /^[\x20-\x7e…]+; and 150 more\.$/);
    assert.ok(detail.length < 5000, String(detail.length));
    const odd = policyRefusal(checked([{}], { 'a\nb\u202e': 1 }));
    assert.equal(odd.detail, 'The body holds "a?b?", which no field is named (rule rule-1).');
  });
});
