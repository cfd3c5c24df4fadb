import { parseArgs } from 'node:util';
import type { AccessTokens, Binding, People, Released, Sessions } from '../auth/index.ts';
import { printable } from '../identity/index.ts';
import type { ForgetAccount } from '../tokens/index.ts';
import { minute, table } from './table.ts';
import { type Print, runStoreVerb, type StoreDeps, UsageError, understood } from './verb.ts';

const USAGE = `vovgw binding list [--json] [--config FILE]
vovgw binding remove USER [--json] [--config FILE]
vovgw binding give USER SUBJECT [--json] [--config FILE]

A user name and the vovserver accounts that the rules give it belong to the identity that first signed in with them; a second
identity is refused. A person whom the identity provider renames keeps the former name too: list shows it as such.

remove forgets whose they are: the access tokens of that person are revoked, their sessions end, the vovserver passwords that
they enrolled are deleted, and the next identity that signs in under the name has it. Of a former name only the passwords go.
give does the same and binds the name to SUBJECT (<realm>:<value>) in one step, so that nobody else can take it in between.
`;

/** People in the store of the configuration; disposed when the verb is done. */
export interface OpenPeople extends AsyncDisposable {
  readonly people: Pick<People, 'bindings' | 'release' | 'give'>;
  readonly tokens: Pick<AccessTokens, 'list' | 'revoke'>;
  readonly sessions: Pick<Sessions, 'endOthers'>;
  readonly forgetAccount: ForgetAccount;
}

type Command = { readonly config: string | undefined; readonly json: boolean } & (
  | { readonly verb: 'list' }
  | { readonly verb: 'remove'; readonly user: string }
  | { readonly verb: 'give'; readonly user: string; readonly subject: string }
);

/** `vovgw binding`: exit code 0 when done, 1 when it could not be done, 2 when called wrongly. */
export function runBinding(
  argv: readonly string[],
  deps: StoreDeps<OpenPeople>,
  out: Print,
  err: Print,
): Promise<number> {
  const verb = { name: 'binding', usage: USAGE, argv };
  return runStoreVerb(verb, deps, read, (command, opened) => act(command, opened, out, err), out, err);
}

const OPTIONS = { config: { type: 'string' }, json: { type: 'boolean' } } as const;

function read([verb, ...args]: readonly string[]): Command {
  if (verb === undefined) throw new UsageError('say list, remove or give');
  if (verb !== 'list' && verb !== 'remove' && verb !== 'give') {
    throw new UsageError(`there is no “${printable(verb)}”; say list, remove or give`);
  }
  const { values, positionals } = understood(() =>
    parseArgs({ args, options: OPTIONS, allowPositionals: verb !== 'list' }),
  );
  const common = { config: values.config, json: values.json ?? false };
  if (verb === 'list') return { ...common, verb };
  const [user, subject, ...more] = positionals;
  if (verb === 'give') {
    if (user === undefined || subject === undefined || more.length > 0) {
      throw new UsageError('give needs USER and SUBJECT');
    }
    return { ...common, verb, user, subject };
  }
  if (user === undefined || subject !== undefined) throw new UsageError('remove needs one USER, as list shows it');
  return { ...common, verb, user };
}

async function act(command: Command, opened: OpenPeople, out: Print, err: Print): Promise<number> {
  if (command.verb === 'list') {
    const bindings = await opened.people.bindings();
    out(command.json ? `${JSON.stringify(bindings)}\n` : listed(bindings));
    return 0;
  }
  const { user, json } = command;
  const { people } = opened;
  const released = await (command.verb === 'give' ? people.give(user, command.subject) : people.release(user));
  const ended = await endAll(opened, released);
  const removed = released.length > 0;
  const done = removed || command.verb === 'give';
  if (json) out(`${JSON.stringify({ user, removed, ...ended })}\n`);
  else if (!done) err(`vovgw binding: nobody has the user name “${printable(user)}”\n`);
  else
    out(`${told(command)} Access tokens revoked: ${ended.revoked}. vovserver passwords deleted: ${ended.passwords}.\n`);
  return done ? 0 : 1;
}

const told = (command: Exclude<Command, { verb: 'list' }>): string =>
  command.verb === 'give'
    ? `${command.user} is bound to ${command.subject}.`
    : `${command.user} is free: whoever signs in next under this name has it.`;

/**
 * Ends what was left of those who had a name. Tokens and sessions one by one: otherwise they would come back with the person,
 * who may sign in again under another name. Passwords last: then nobody can give them again.
 */
async function endAll(
  { tokens, sessions, forgetAccount }: OpenPeople,
  released: readonly Released[],
): Promise<{ revoked: number; passwords: number }> {
  const gone = new Set(released.flatMap(({ subject, forgotten }) => (forgotten && subject !== null ? subject : [])));
  // What the administrator made for a name was for whoever had it.
  const names = released.flatMap(({ users }) => users.map((user) => `local:${user}`));
  const owners = new Set([...gone, ...names]);
  const theirs = owners.size === 0 ? [] : (await tokens.list()).filter(({ subject }) => owners.has(subject));
  const revoked = await Promise.all(theirs.map(({ id }) => tokens.revoke(id)));
  for (const subject of gone) await sessions.endOthers(subject, null);
  let passwords = 0;
  for (const account of released.flatMap(({ accounts }) => accounts)) {
    if (await forgetAccount(account)) passwords += 1;
  }
  return { revoked: revoked.filter((existed) => existed).length, passwords };
}

/** What is out of the ordinary has a column of its own, when there is any. */
function listed(bindings: readonly Binding[]): string {
  const notes = bindings.map(noteOn);
  if (notes.every((note) => note === '')) return table(HEADINGS, bindings.map(rowOf));
  return table(
    [...HEADINGS, 'NOTE'],
    bindings.map((binding, at) => [...rowOf(binding), notes[at] ?? '']),
  );
}

const noteOn = ({ former, alsoOf = [] }: Binding): string =>
  [former === true ? 'former name' : [], alsoOf.length > 0 ? `also of ${alsoOf.join(', ')}` : []].flat().join('; ');

const HEADINGS = ['USER', 'SUBJECT', 'ACCOUNTS', 'SINCE', 'LAST SIGN-IN'];

const rowOf = ({ user, subject, accounts, since, lastSignInAt }: Binding): string[] => [
  user,
  subject,
  Object.entries(accounts)
    .map(([queue, account]) => `${queue}=${account}`)
    .join(','),
  minute(since),
  lastSignInAt === 0 ? 'never' : minute(lastSignInAt),
];
