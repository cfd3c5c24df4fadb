import { foldField, isBelow } from '../kernel/index.ts';
import { patternFault } from './bounded-pattern.ts';
import type { Check, CheckFinding } from './checks.ts';
import {
  defined,
  type FieldDraft,
  fieldRule,
  namesIn,
  policyRule,
  type QuotaDraft,
  quotaRule,
  type RuleDraft,
} from './jobs-entries.ts';
import { nearest } from './nearest.ts';

/** Fields that are publicly known: of submissions, of VOV_JOB_DESC ("Define Jobclasses") and of PATCH. */
const KNOWN_FIELDS = [
  ...['command', 'logfile', 'rundir', 'env', 'resources', 'jobname', 'jobclass', 'jobproj', 'autokill'],
  ...['priority,sched', 'priority,exec', 'priority,default', 'group', 'group,final', 'check,directory', 'force'],
  ...['inputs', 'outputs', 'interactive,flag', 'interactive,useXdisplay', 'mailuser', 'osgroup', 'preemptable'],
  ...['proplist', 'schedule,date', 'setName', 'user', 'wait', 'wait,options', 'wrapper', 'xdur'],
] as const;

/** Fields that hold no number. */
const TEXTS: ReadonlySet<string> = new Set(['command', 'logfile', 'rundir']);

/** The known field that was probably meant; null for a known one and for what is like none. */
function meant(name: string, spellingCounts: boolean): string | null {
  const folded = foldField(name);
  const known = KNOWN_FIELDS.find((field) => foldField(field) === folded);
  if (known !== undefined) return spellingCounts && known !== name ? known : null;
  const longer = KNOWN_FIELDS.find((field) => field.startsWith(`${folded},`));
  return longer ?? nearest(name, KNOWN_FIELDS);
}

function* misspelt(rule: RuleDraft, path: string): Generator<CheckFinding> {
  for (const [where, name] of namesIn(rule, path)) {
    // What is denied is denied however it is spelled.
    const field = meant(name, !where.startsWith(`${path}.denyKeys`));
    if (field === null) continue;
    const mend = `Did you mean ${field}? Leave it when your vovserver has such a field.`;
    yield { path: where, reason: 'is no field of jobs that is publicly known', mend, level: 'warning' };
  }
}

const isEmpty = (part: object | undefined): boolean => part !== undefined && Object.keys(part).length === 0;
const saysNothing = ({ pattern, oneOf, under, most, required }: FieldDraft): boolean =>
  required === false && [pattern, oneOf, under, most].every((rule) => rule === undefined);

/** Why none of the values of `oneOf` passes the rules beside it, by the names of these rules; null when one does. */
function excluded({ oneOf, pattern, under, most }: FieldDraft): string | null {
  const values = defined(oneOf);
  const whole = pattern === undefined || patternFault(pattern) !== null ? null : new RegExp(`^(?:${pattern})$`);
  const folders = defined(under);
  const rules = [
    ['pattern', (value: string) => whole === null || whole.test(value)],
    ['under', (value: string) => folders.length === 0 || folders.some((folder) => isBelow(value, folder))],
    ['most', (value: string) => most === undefined || Number(value) <= most],
  ] as const;
  if (values.length === 0 || values.some((value) => rules.every(([, passes]) => passes(value)))) return null;
  return rules.flatMap(([name, passes]) => (values.every(passes) ? [] : [name])).join(' and ');
}

function* impossible(field: FieldDraft, path: string): Generator<CheckFinding> {
  const { most, under } = field;
  const name = path.slice(path.indexOf('.fields.') + '.fields.'.length);
  const by = excluded(field);
  if (by !== null) {
    const mend = 'Keep the one that you mean: a value must meet all of them.';
    yield { path: `${path}.oneOf`, reason: `holds no value that ${by} beside it lets pass`, mend };
  }
  if (most !== undefined && (under !== undefined || TEXTS.has(name))) {
    const why = under === undefined ? `${name} is none` : 'under takes paths only';
    const mend = 'most is for numbers such as priority,sched; for text use oneOf, pattern or under.';
    yield { path: `${path}.most`, reason: `lets numbers pass only, and ${why}`, mend };
  }
}

/** A rule or quota whose groups are all excepted. */
function* nobody({ groups, exceptGroups }: RuleDraft | QuotaDraft, path: string): Generator<CheckFinding> {
  const named = groups ?? [];
  if (named.length === 0 || named.some((group) => group === undefined || !exceptGroups?.includes(group))) return;
  const mend = 'Name in exceptGroups only who of the groups is not meant.';
  yield { path: `${path}.exceptGroups`, reason: 'excepts all of groups, so that nobody is concerned', mend };
}

/** Rules of jobs.policy that say what cannot be meant. */
export const POLICY_CHECKS: readonly Check[] = [
  policyRule('policy fields are fields of jobs', misspelt),
  policyRule('a policy rule says something', function* (rule, path) {
    const { allowKeys, denyKeys, fields, defaults } = rule;
    if (allowKeys !== undefined || denyKeys?.length !== 0 || !isEmpty(fields) || !isEmpty(defaults)) return;
    const mend = 'Give fields, denyKeys, allowKeys or defaults.';
    yield { path, reason: 'has a name and no rule', mend };
  }),
  fieldRule('a policy field has a rule', function* (field, path) {
    if (!saysNothing(field)) return;
    const mend = 'Give oneOf, pattern, under, most or required; allowKeys names fields that may hold anything.';
    yield { path, reason: 'has no rule for its value', mend };
  }),
  fieldRule('policy fields can be met', impossible),
  policyRule('policy rules concern somebody', nobody),
  quotaRule('quotas concern somebody', nobody),
];
