import { parseArgs } from 'node:util';
import type { AccessTokens, Binding, People, Sessions } from '../auth/index.ts';
import { printable } from '../identity/index.ts';
import { GatewayError, messageOf } from '../kernel/index.ts';
import { minute, table } from './table.ts';

const USAGE = `vovgw binding list [--json] [--config FILE]
vovgw binding remove USER [--json] [--config FILE]

A user name and the vovserver accounts that the rules give it belong to the identity that first signed in with them; a second
identity is refused. remove forgets whose they are: the access tokens of that person are revoked, their sessions end, and the
next identity that signs in under the name has it.
`;

type Print = (text: string) => void;

/** People in the store of the configuration; disposed when the verb is done. */
export interface OpenPeople extends AsyncDisposable {
  readonly people: Pick<People, 'bindings' | 'release'>;
  readonly tokens: Pick<AccessTokens, 'list' | 'revoke'>;
  readonly sessions: Pick<Sessions, 'endOthers'>;
}

/** What the verb needs from outside. */
export interface BindingDeps {
  /** Opens the store that the configuration names; null after it has told why not. Called with correct arguments only. */
  open(configFile: string | undefined): Promise<OpenPeople | null>;
}

type Command = { readonly config: string | undefined; readonly json: boolean } & (
  | { readonly verb: 'list' }
  | { readonly verb: 'remove'; readonly user: string }
);

/** `vovgw binding`: exit code 0 when done, 1 when it could not be done, 2 when called wrongly. */
export async function runBinding(argv: readonly string[], deps: BindingDeps, out: Print, err: Print): Promise<number> {
  if (argv.includes('--help') || argv[0] === 'help') {
    out(USAGE);
    return 0;
  }
  const command = read(argv);
  if (typeof command === 'string') {
    err(`vovgw binding: ${command}\n\n${USAGE}`);
    return 2;
  }
  try {
    await using opened = await deps.open(command.config);
    return opened === null ? 1 : await act(command, opened, out, err);
  } catch (error) {
    err(`vovgw binding: ${error instanceof GatewayError ? error.detail : messageOf(error)}\n`);
    return 1;
  }
}

/** The command, or what is wrong with it. */
function read([verb, ...args]: readonly string[]): Command | string {
  if (verb === undefined) return 'say list or remove';
  if (verb !== 'list' && verb !== 'remove') return `there is no “${printable(verb)}”; say list or remove`;
  try {
    const options = { config: { type: 'string' }, json: { type: 'boolean' } } as const;
    const { values, positionals } = parseArgs({ args, options, allowPositionals: verb === 'remove' });
    const common = { config: values.config, json: values.json ?? false };
    if (verb === 'list') return { ...common, verb };
    const [user, ...more] = positionals;
    if (user === undefined || more.length > 0) return 'remove needs one USER, as list shows it';
    return { ...common, verb, user };
  } catch (error) {
    return messageOf(error);
  }
}

async function act(command: Command, opened: OpenPeople, out: Print, err: Print): Promise<number> {
  if (command.verb === 'list') {
    const bindings = await opened.people.bindings();
    out(command.json ? `${JSON.stringify(bindings)}\n` : table(HEADINGS, bindings.map(rowOf)));
    return 0;
  }
  const { user, json } = command;
  const { removed, revoked } = await remove(opened, user);
  if (json) out(`${JSON.stringify({ user, removed, revoked })}\n`);
  else if (removed)
    out(`${user} is free: whoever signs in next under this name has it. Access tokens revoked: ${revoked}.\n`);
  else err(`vovgw binding: nobody has the user name “${printable(user)}”\n`);
  return removed ? 0 : 1;
}

/** Tokens and sessions are ended one by one: otherwise they would come back with the person, who may sign in again under another name. */
async function remove(
  { people, tokens, sessions }: OpenPeople,
  user: string,
): Promise<{ removed: boolean; revoked: number }> {
  const holders = (await people.bindings()).filter((binding) => binding.user === user);
  const theirs = (await tokens.list()).filter(({ subject }) => holders.some((holder) => holder.subject === subject));
  const removed = await people.release(user);
  const ended = removed ? await Promise.all(theirs.map(({ id }) => tokens.revoke(id))) : [];
  if (removed) for (const { subject } of holders) await sessions.endOthers(subject, null);
  return { removed, revoked: ended.filter((existed) => existed).length };
}

const HEADINGS = ['USER', 'SUBJECT', 'ACCOUNTS', 'SINCE', 'LAST SIGN-IN'];

const rowOf = ({ user, subject, accounts, since, lastSignInAt }: Binding): string[] => [
  user,
  subject,
  Object.entries(accounts)
    .map(([queue, account]) => `${queue}=${account}`)
    .join(','),
  minute(since),
  minute(lastSignInAt),
];
