import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { type Cell, compileSelection } from '../../standin/vovserver/selection-evaluate.ts';
import { parseSelection, type Rule } from '../../standin/vovserver/selection-parser.ts';
import { SelectionError, tokenize } from '../../standin/vovserver/selection-tokens.ts';

type Item = Readonly<Record<string, Cell>>;

const reader = (field: string) => {
  const name = field.toLowerCase().replaceAll('_', '');
  return ['user', 'id', 'command', 'isjob'].includes(name) ? (item: Item): Cell => item[name] ?? '' : undefined;
};
const holds = (rule: string, item: Item): boolean => compileSelection(parseSelection(rule), reader)(item);

const JOB: Item = { user: 'alice', id: 45080, command: 'vw sleep 33 > log', isjob: 1 };

describe('selection rules', () => {
  const cases: [string, boolean][] = [
    ['', true],
    ['user==alice', true],
    ['user=alice', true],
    ['user == alice', true],
    ['USER==alice', true],
    ['us_er==alice', true],
    ['user==Alice', false],
    ['user!=alice', false],
    ['user!=bob', true],
    ['user==bob,alice', true],
    ['user==bob,carol', false],
    ['user!=bob,alice', false],
    ['isjob', true],
    ['!isjob', false],
    ['NOT isjob', false],
    ['user==bob|isjob', true],
    ['user==bob OR isjob', true],
    ['user==bob isjob', false],
    ['user==bob&isjob', false],
    ['user==bob AND isjob', false],
    ['isjob user==alice', true],
    ['user==bob isjob|user==alice', true],
    ['user==bob (isjob|user==alice)', false],
    ['id>45079', true],
    ['id>=45080', true],
    ['id<45080', false],
    ['id<=45080', true],
    ['id==000045080', true],
    ['command^sleep', true],
    ['command^SLEEP', false],
    ['command^^SLEEP', true],
    ['command!^sleep', false],
    ['command!^^SLEEP', false],
    ['command:vw*', true],
    ['command:*sleep', false],
    ['command::VW*', true],
    ['command!:vw*', false],
    ['command!::VW*', false],
    ['user:a????', true],
    ['user:a???', false],
    ['command~"^vw sl"', true],
    ['command~"^VW"', false],
    ['command~~"^VW"', true],
    ['command!~"^vw"', false],
    ['command!~~"^VW"', false],
    ['command=="vw sleep 33 > log"', true],
    ['command==vw\\ sleep\\ 33\\ >\\ log', true],
    ['command==vw isjob', false],
    ['user=="alice"', true],
    ['user=="ali"ce', true],
    ['user=="a|isjob"', false],
    ['user==a|isjob', true],
    ['user==a\\|isjob', false],
    ['((user==alice))', true],
    ['!(user==bob)', true],
  ];
  for (const [rule, expected] of cases) {
    it(`${JSON.stringify(rule)} is ${expected}`, () => assert.equal(holds(rule, JOB), expected));
  }

  it('an empty or zero field is false alone', () => {
    assert.equal(holds('command', { command: '' }), false);
    assert.equal(holds('id', { id: 0 }), false);
    assert.equal(holds('command', { command: 'x' }), true);
  });

  for (const rule of [
    'user==',
    '(user==a',
    'user==a)',
    '|user==a',
    'user==a|',
    '!',
    '==a',
    'user=="a',
    'user==a,',
    '-',
    'user~"("',
    'nofield==1',
    `${'('.repeat(500)}isjob${')'.repeat(500)}`,
  ]) {
    it(`${JSON.stringify(rule.slice(0, 20))} is refused`, () => assert.throws(() => holds(rule, JOB), SelectionError));
  }

  it('says where a rule breaks', () => {
    assert.throws(() => tokenize('user==a  *'), { at: 9, message: 'unexpected "*" at character 10' });
  });
});

type Shape =
  | { kind: 'test'; field: string; operator: string; values: string[] }
  | { kind: 'bare'; field: string }
  | { kind: 'not'; of: Shape }
  | { kind: 'and' | 'or'; of: Shape[]; glue: string };

const value = fc.stringMatching(/^[a-z0-9 &|()!,"\\=<>~^:*]{1,6}$/);
const field = fc.constantFrom('user', 'command', 'USER', 'Com_mand');
const shape = fc.letrec<{ any: Shape }>((tie) => ({
  any: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.record({
      kind: fc.constant('test' as const),
      field,
      operator: fc.constantFrom('==', '=', '!=', '^', '!^', '^^', '!^^'),
      values: fc.array(value, { minLength: 1, maxLength: 3 }),
    }),
    fc.record({ kind: fc.constant('bare' as const), field: fc.constantFrom('isjob', 'id') }),
    fc.record({ kind: fc.constant('not' as const), of: tie('any') }),
    fc.record({
      kind: fc.constant('and' as const),
      of: fc.array(tie('any'), { minLength: 2, maxLength: 3 }),
      glue: fc.constantFrom(' ', '&', ' & ', ' AND '),
    }),
    fc.record({
      kind: fc.constant('or' as const),
      of: fc.array(tie('any'), { minLength: 2, maxLength: 3 }),
      glue: fc.constantFrom('|', ' | ', ' OR '),
    }),
  ),
})).any;

const quote = (text: string): string => `"${text.replace(/["\\]/g, '\\$&')}"`;
const escapeAll = (text: string): string => text.replace(/[^a-z0-9]/g, '\\$&');

function write(one: Shape, spell: (text: string) => string): string {
  if (one.kind === 'bare') return one.field;
  if (one.kind === 'test') return `${one.field}${one.operator}${one.values.map(spell).join(',')}`;
  if (one.kind === 'not') return `!(${write(one.of, spell)})`;
  return one.of.map((inner) => `(${write(inner, spell)})`).join(one.glue);
}

function evaluate(one: Shape, item: Item): boolean {
  if (one.kind === 'bare') return Boolean(item[one.field]);
  if (one.kind === 'not') return !evaluate(one.of, item);
  if (one.kind !== 'test') {
    const all = one.of.map((inner) => evaluate(inner, item));
    return one.kind === 'and' ? all.every(Boolean) : all.some(Boolean);
  }
  const text = String(item[one.field.toLowerCase().replace('_', '')]);
  const found = one.values.some((wanted) => {
    if (one.operator.includes('^^')) return text.toLowerCase().includes(wanted.toLowerCase());
    if (one.operator.includes('^')) return text.includes(wanted);
    return /^-?\d+$/.test(text) && /^\d+$/.test(wanted) ? Number(text) === Number(wanted) : text === wanted;
  });
  return one.operator.startsWith('!') !== found;
}

describe('selection rules, any of them', () => {
  const item = fc.record({ user: value, command: value, id: fc.nat(3), isjob: fc.constantFrom(0, 1) });

  it('mean what they were written for, quoted', () => {
    fc.assert(fc.property(shape, item, (one, job) => holds(write(one, quote), job) === evaluate(one, job)));
  });

  it('mean what they were written for, escaped', () => {
    fc.assert(fc.property(shape, item, (one, job) => holds(write(one, escapeAll), job) === evaluate(one, job)));
  });

  it('a quoted value never breaks out of its predicate', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        const rule: Rule = parseSelection(`user==${quote(text)}`);
        assert.deepEqual(rule, { kind: 'predicate', field: 'user', test: { operator: '==', values: [text] } });
      }),
    );
  });

  it('of any text, either parse or throw SelectionError', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.stringMatching(/^[a-z=!&|()", \\~^:]{0,30}$/)), (text) => {
        try {
          parseSelection(text);
        } catch (error) {
          assert.ok(error instanceof SelectionError, String(error));
        }
      }),
    );
  });
});
