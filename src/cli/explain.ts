import { isDeepStrictEqual, parseArgs } from 'node:util';
import { type Config, configSchema } from '../config/index.ts';
import { type AccountDecision, createIdentityRules, type IdentityRules, printable } from '../identity/index.ts';
import { type Identity, messageOf } from '../kernel/index.ts';
import { isAssertionFile, readAssertion } from './assertion-file.ts';
import { configFor } from './config-file.ts';

const USAGE = `vovgw explain user NAME [--queue QUEUE] [--config FILE]
vovgw explain user ASSERTION.json [--provider PROVIDER] [--queue QUEUE] [--config FILE]

Shows which of the identity.rules gives a user which vovserver account, on one queue or on all. Given a file, it first shows
how the provider's section makes an identity of what the provider says:
  {"provider": "corp", "attributes": {"NameID": "x7f3", "uid": ["alice"], "memberOf": ["CN=cad,OU=groups"]}}
Touches no network; to whom a name is bound already is shown by \`vovgw binding list\`.
Exit code 0 when the user has an account on each queue that was asked for, 1 when not, 2 when called wrongly.
`;

type Environment = Readonly<Record<string, string | undefined>>;
type Print = (text: string) => void;

interface Question {
  /** A user name or the path of an assertion. */
  readonly whom: string;
  readonly provider: string | undefined;
  readonly queue: string | undefined;
  readonly config: string | undefined;
}

/** Called wrongly: exit code 2. */
class UsageError extends Error {}

/** `vovgw explain user`: what decided, with the rule itself; exit codes as the usage says. */
export async function runExplain(argv: readonly string[], env: Environment, out: Print, err: Print): Promise<number> {
  if (argv.includes('--help')) {
    out(USAGE);
    return 0;
  }
  const question = read(argv);
  if (typeof question === 'string') {
    err(`vovgw explain: ${question}\n\n${USAGE}`);
    return 2;
  }
  const config = configFor(question.config, env, err);
  if (config === null) return 1;
  try {
    return explain(config, question, out);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    err(`vovgw explain: ${error.message}\n`);
    return 2;
  }
}

/** The question, or what is wrong with it. */
function read(argv: readonly string[]): Question | string {
  try {
    const text = { type: 'string' } as const;
    const options = { queue: text, provider: text, config: text };
    const { values, positionals } = parseArgs({ args: [...argv], options, allowPositionals: true });
    const [what, whom, ...more] = positionals;
    if (what !== 'user' || whom === undefined || more.length > 0) return 'say user and one NAME or ASSERTION.json';
    return { whom, provider: values.provider, queue: values.queue, config: values.config };
  } catch (error) {
    return messageOf(error);
  }
}

function explain(config: Config, { whom, provider, queue }: Question, out: Print): number {
  const names = config.queues.map(({ name }) => name);
  if (queue !== undefined && !names.includes(queue)) throw missing('queue', queue, names);
  const rules = createIdentityRules(config);
  const identity = isAssertionFile(whom)
    ? explainAssertion(config, rules, { path: whom, provider }, out)
    : explainName(rules, whom, provider, out);
  if (identity === null) return 1;
  const decisions = (queue === undefined ? names : [queue]).map((name) => {
    const decision = rules.accountFor(identity, name);
    out(`queue ${name}: ${answerOf(decision)}\n  ${ruleOf(decision, config)}\n`);
    return decision.kind;
  });
  return decisions.every((kind) => kind === 'account') ? 0 : 1;
}

const missing = (what: string, name: string, known: readonly string[]): UsageError => {
  const all = known.length === 0 ? 'none' : known.join(', ');
  return new UsageError(`there is no ${what} “${printable(name)}”; the configuration has ${all}`);
};

/** A user that the administrator vouches for. */
function explainName(rules: IdentityRules, user: string, provider: string | undefined, out: Print): Identity {
  if (provider !== undefined) throw new UsageError('--provider goes with an ASSERTION.json');
  const identity = rules.identityOf(user);
  const { groups } = identity;
  const where = groups.length === 0 ? 'in no group of identity.groups' : `in ${groups.join(', ')}`;
  out(`user ${printable(user)}, ${where}${more(identity)}\n`);
  return identity;
}

/** Who an identity provider speaks of, step by step; null when the mapping refuses. */
function explainAssertion(
  config: Config,
  rules: IdentityRules,
  { path, provider }: { readonly path: string; readonly provider: string | undefined },
  out: Print,
): Identity | null {
  const { providers, bearers, default: first } = config.signIn;
  const ways = [...providers, ...bearers].map(({ name }) => name);
  const assertion = readAssertion(path, provider ?? null, first ?? ways[0] ?? null);
  if (typeof assertion === 'string') throw new UsageError(assertion);
  if (!ways.includes(assertion.provider)) throw missing('provider', assertion.provider, ways);
  const decision = rules.toIdentity(assertion);
  out(`provider ${assertion.provider}\n${decision.steps.map((step) => `  ${step}\n`).join('')}`);
  if (decision.kind === 'refused') {
    out('nobody is signed in\n');
    return null;
  }
  const { identity } = decision;
  const where = identity.groups.length === 0 ? 'in no group' : `in ${identity.groups.map(printable).join(', ')}`;
  out(`user ${identity.user}, ${where}${more(identity)}\n`);
  for (const [name, values] of Object.entries(identity.attributes)) {
    out(`  attribute ${printable(name)} for the rules: ${values.map(printable).join(', ')}\n`);
  }
  return identity;
}

const more = ({ roles }: Identity): string => (roles.length === 1 ? '' : `, ${roles.slice(1).join(' and ')}`);

function answerOf(decision: AccountDecision): string {
  if (decision.kind === 'none') return `no account, because ${decision.reason}`;
  return decision.account.shared ? `shared account ${decision.account.name}` : `account ${decision.account.name}`;
}

/** Rules of a configuration that has none of its own. */
const DEFAULT_RULES = configSchema.shape.identity.parse({}).rules;

function ruleOf({ rule }: AccountDecision, { identity: { rules } }: Config): string {
  const isDefault = isDeepStrictEqual(structuredClone(rules), DEFAULT_RULES);
  if (rule === null) {
    return isDefault ? 'the default rule did not fit' : `none of the ${rules.length} identity.rules decided`;
  }
  return `by ${isDefault ? 'the default rule' : `identity.rules[${rule}]`}: ${JSON.stringify(rules[rule])}`;
}
