import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { createSubmissionPolicy, type PolicyDecision, policyRefusal } from '../../src/access/index.ts';
import { jobsWith, member } from './policy-world.ts';

const JSON_TYPE = 'application/json';
const NAMES = ['env', 'rundir', 'command', 'priority,sched', 'wrapper', 'jobname'] as const;

interface RuleText {
  readonly mode: 'enforce' | 'observe';
  readonly groups: readonly string[];
  readonly exceptGroups: readonly string[];
  readonly allowKeys?: readonly string[];
  readonly denyKeys: readonly string[];
  readonly fields: Readonly<Record<string, FieldText>>;
  readonly defaults: Readonly<Record<string, string | number>>;
}

interface FieldText {
  readonly pattern?: string;
  readonly oneOf?: readonly string[];
  readonly under?: readonly string[];
  readonly most?: number;
  readonly required?: boolean;
}

const fieldRule: fc.Arbitrary<FieldText> = fc.oneof(
  fc.record({ required: fc.boolean() }),
  fc.record({ oneOf: fc.constant(['BASE', '4', '/proj/x']) }),
  fc.record({ pattern: fc.constantFrom('[a-z]+', 'BASE|CLEAN', '/proj/[^;]*', '[^x]*') }),
  fc.record({ under: fc.constantFrom(['/proj'], ['/'], ['/proj/x', '/scratch']), required: fc.boolean() }),
  fc.record({ most: fc.constantFrom(4, 8.5, -1) }),
);

const rule: fc.Arbitrary<RuleText> = fc
  .record({
    mode: fc.constantFrom('enforce', 'observe'),
    groups: fc.subarray(['cad', 'eda']),
    exceptGroups: fc.subarray(['robots']),
    allowKeys: fc.option(fc.subarray([...NAMES], { minLength: 1 })),
    denyKeys: fc.subarray(['wrapper', 'jobname']),
    fields: fc.dictionary(fc.constantFrom(...NAMES), fieldRule, { maxKeys: 4 }),
    defaults: fc.dictionary(fc.constantFrom(...NAMES), fc.constantFrom('BASE', 4, '/proj/x'), { maxKeys: 2 }),
  })
  .map(({ allowKeys, ...rest }) => ({ ...rest, ...(allowKeys === null ? {} : { allowKeys }) }) as RuleText);

const respelled = fc
  .tuple(fc.constantFrom(...NAMES, 'cmd', 'dir', 'res', 'user', '__proto__'), fc.constantFrom('', '_', ' ', '\0', '\t'))
  .chain(([name, extra]) =>
    fc.constantFrom(name, name, name, name.toUpperCase(), `${name}${extra}`, `${extra}${name}`),
  );

const value = fc.oneof(
  fc.constantFrom(
    'BASE',
    'base',
    '/proj/x',
    '/proj/../etc',
    '/proj/./x',
    '/proj~',
    '/projx',
    'a',
    '',
    '4',
    '04',
    '9',
    'x\0',
  ),
  fc.constantFrom<unknown>(4, 9, -2, 0.5, 1e21, null, true, [], {}, ['BASE']),
  fc.string({ unit: 'binary' }),
  fc.jsonValue(),
);

const honest = fc
  .dictionary(fc.constantFrom(...NAMES), fc.constantFrom('BASE', '/proj/x', 4, 'a'))
  .map((fields) => Buffer.from(JSON.stringify(fields)));

/** Texts of submissions that name a field twice, break off or mean something else to another reader. */
const crooked = fc
  .array(fc.tuple(respelled, value), { maxLength: 8 })
  .chain((pairs) => {
    const text = `{${pairs.map(([name, one]) => `${JSON.stringify(name)}: ${JSON.stringify(one)}`).join(',')}}`;
    const once = JSON.stringify(Object.fromEntries(pairs));
    return fc.constantFrom(once, once, once, text, `\ufeff${once}`, text.slice(1), `${once}\0`);
  })
  .map((text) => Buffer.from(text));

const body = fc.oneof(honest, crooked);

const groups = fc.subarray(['cad', 'eda', 'robots']);

const concerns = (one: RuleText, of: readonly string[]): boolean =>
  (one.groups.length === 0 || one.groups.some((group) => of.includes(group))) &&
  !one.exceptGroups.some((group) => of.includes(group));

/** The rule of a field again, in other words than the policy's. */
function satisfies(found: unknown, { required, oneOf, pattern, under, most }: FieldText): boolean {
  if (found === undefined) return required !== true;
  if (typeof found !== 'string' && typeof found !== 'number') return false;
  const text = String(found);
  if (oneOf !== undefined && !oneOf.some((one) => one === text)) return false;
  if (pattern !== undefined && new RegExp(`(?:${pattern})`).exec(text)?.[0] !== text) {
    const longest = new RegExp(`^(?:${pattern})$`).exec(text);
    if (longest?.[0] !== text) return false;
  }
  if (most !== undefined && !(Number(text) <= most && /^-?\d+(\.\d+)?$/.test(text))) return false;
  if (under === undefined) return true;
  const segments = text.split('/');
  if (segments[0] !== '' || segments.some((part) => part === '.' || part === '..' || /[~$\0]/.test(part))) return false;
  return under.some((folder) => folder.split('/').every((part, at) => part === '' || segments[at] === part));
}

const lower = (name: string): string => name.toLowerCase().replaceAll(/[\s_]/g, '');

function meets(found: Readonly<Record<string, unknown>>, one: RuleText): boolean {
  const names = Object.keys(found);
  const own = (name: string): unknown => (Object.hasOwn(found, name) ? found[name] : undefined);
  return (
    names.every((name) => !one.denyKeys.includes(lower(name))) &&
    (one.allowKeys === undefined || names.every((name) => one.allowKeys?.includes(name))) &&
    Object.entries(one.fields).every(([name, field]) => satisfies(own(name), field)) &&
    Object.keys(one.fields).every((name) => names.every((other) => other === name || lower(other) !== name))
  );
}

const check = (rules: readonly RuleText[], of: readonly string[], bytes: Buffer, type = JSON_TYPE): PolicyDecision =>
  createSubmissionPolicy(jobsWith(...rules)).check(member(...of), 'chips', bytes, type);

const rules = fc.array(rule, { maxLength: 4 });

describe('the policy, over any rules and bodies', () => {
  it('never throws for any bytes', () => {
    fc.assert(
      fc.property(rules, groups, fc.uint8Array({ maxLength: 200 }), fc.string(), (some, of, bytes, type) => {
        const decision = check(some, of, Buffer.from(bytes), type);
        if (!decision.allowed) assert.equal(policyRefusal(decision).status, 422);
      }),
    );
  });

  it('what is allowed and sent meets each rule, read by another reader', () => {
    let allowed = 0;
    fc.assert(
      fc.property(rules, groups, body, (some, of, bytes) => {
        const decision = check(some, of, bytes);
        const enforced = some.filter((one) => one.mode === 'enforce' && concerns(one, of));
        if (!decision.allowed || enforced.length === 0) return;
        allowed += 1;
        const sent = JSON.parse(decision.body.toString()) as Record<string, unknown>;
        for (const one of enforced) assert.ok(meets(sent, one), `${decision.body} against ${JSON.stringify(one)}`);
      }),
      { numRuns: 3000 },
    );
    assert.ok(allowed > 10, String(allowed));
  });

  it('what is refused breaks a rule or is read differently by somebody', () => {
    fc.assert(
      fc.property(
        rules,
        groups,
        fc.dictionary(fc.constantFrom(...NAMES), fc.constantFrom('BASE', '/proj/x', 4, 'a')),
        (some, of, fields) => {
          const enforced = some.filter((one) => one.mode === 'enforce' && concerns(one, of));
          const sent = { ...Object.assign({}, ...enforced.map((one) => one.defaults).reverse()), ...fields };
          const decision = check(some, of, Buffer.from(JSON.stringify(fields)));
          assert.equal(
            decision.allowed,
            enforced.every((one) => meets(sent, one)),
          );
        },
      ),
      { numRuns: 1000 },
    );
  });

  it('decides the same in observe mode', () => {
    fc.assert(
      fc.property(rules, groups, body, (some, of, bytes) => {
        const strict = check(
          some.map((one) => ({ ...one, mode: 'enforce' as const })),
          of,
          bytes,
        );
        const soft = check(
          some.map((one) => ({ ...one, mode: 'observe' as const })),
          of,
          bytes,
        );
        assert.ok(soft.allowed);
        assert.equal(soft.body, bytes);
        assert.deepEqual(
          soft.violations.map(({ mode: _, ...rest }) => rest),
          strict.violations.map(({ mode: _, ...rest }) => rest),
        );
      }),
    );
  });

  it('adds the defaults that it tells, and nothing else', () => {
    fc.assert(
      fc.property(rules, groups, body, (some, of, bytes) => {
        const decision = check(some, of, bytes);
        if (Object.keys(decision.defaults).length === 0) return assert.equal(decision.body, bytes);
        const before = Object.entries(JSON.parse(bytes.toString()) as object);
        const after = Object.entries(JSON.parse(decision.body.toString()) as object);
        assert.deepEqual(after, [...before, ...Object.entries(decision.defaults)]);
      }),
    );
  });
});
