import { parseArgs } from 'node:util';
import type { Config } from '../config/index.ts';
import { type AccountDecision, createAccountRules, printable } from '../identity/index.ts';
import { type Identity, messageOf } from '../kernel/index.ts';
import { configFor } from './config-file.ts';

const USAGE = `vovgw explain user NAME [--queue QUEUE] [--config FILE]

Shows which of the identity.rules gives a user which vovserver account, on one queue or on all. Touches no network.
Exit code 0 when the user has an account on each queue that was asked for, 1 when not, 2 when called wrongly.
`;

type Environment = Readonly<Record<string, string | undefined>>;
type Print = (text: string) => void;

interface Question {
  readonly user: string;
  readonly queue: string | undefined;
  readonly config: string | undefined;
}

/** `vovgw explain user NAME`: which rule decided, with the rule itself; exit codes as the usage says. */
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
  return config === null ? 1 : explain(config, question, out, err);
}

/** The question, or what is wrong with it. */
function read(argv: readonly string[]): Question | string {
  try {
    const options = { queue: { type: 'string' }, config: { type: 'string' } } as const;
    const { values, positionals } = parseArgs({ args: [...argv], options, allowPositionals: true });
    const [what, user, ...more] = positionals;
    if (what !== 'user' || user === undefined || more.length > 0) return 'say user and one NAME';
    return { user, queue: values.queue, config: values.config };
  } catch (error) {
    return messageOf(error);
  }
}

function explain(config: Config, { user, queue }: Question, out: Print, err: Print): number {
  const names = config.queues.map(({ name }) => name);
  if (queue !== undefined && !names.includes(queue)) {
    err(`vovgw explain: there is no queue “${printable(queue)}”; the configuration has ${names.join(', ')}\n`);
    return 2;
  }
  const rules = createAccountRules(config.identity);
  const identity = rules.identityOf(user);
  out(`user ${printable(user)}, ${groupsOf(identity)}\n`);
  const decisions = (queue === undefined ? names : [queue]).map((name) => {
    const decision = rules.accountFor(identity, name);
    out(`queue ${name}: ${answerOf(decision)}\n  ${ruleOf(decision, config)}\n`);
    return decision.kind;
  });
  return decisions.every((kind) => kind === 'account') ? 0 : 1;
}

const groupsOf = ({ groups }: Identity): string =>
  groups.length === 0 ? 'in no group of identity.groups' : `in ${groups.join(', ')}`;

function answerOf(decision: AccountDecision): string {
  if (decision.kind === 'none') return `no account, because ${decision.reason}`;
  return decision.account.shared ? `shared account ${decision.account.name}` : `account ${decision.account.name}`;
}

function ruleOf({ rule }: AccountDecision, config: Config): string {
  if (rule === null) return `none of the ${config.identity.rules.length} identity.rules decided`;
  return `by identity.rules[${rule}]: ${JSON.stringify(config.identity.rules[rule])}`;
}
