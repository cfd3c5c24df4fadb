import { parseArgs } from 'node:util';
import { systemClock } from '../kernel/index.ts';
import { refusalText } from './device-login.ts';
import { createGatewayClient } from './gateway-client.ts';
import { type Login, readLogin } from './login-file.ts';
import { type Environment, type Print, plain, runVerb, understood } from './verb.ts';

const USAGE = `vovgw whoami [--json] [--ca-file FILE]

Asks the gateway of "vovgw login" who you are: user, roles, groups and the vovserver account on each queue.
`;
const PRINT_USAGE = `vovgw token print

Prints the access token of "vovgw login" on standard output, for scripts: export VOVGW_TOKEN="$(vovgw token print)"
`;

/** `vovgw whoami`: exit code 0 when the gateway knows who one is, 1 when not, 2 when called wrongly. */
export function runWhoami(argv: readonly string[], env: Environment, out: Print, err: Print): Promise<number> {
  return runVerb({ name: 'whoami', usage: USAGE, argv }, () => whoAmI(argv, env, out), out, err);
}

/** `vovgw token print`: exit code 0 with the token, 1 when there is none that holds, 2 when called wrongly. */
export function runTokenPrint(argv: readonly string[], env: Environment, out: Print, err: Print): Promise<number> {
  const act = async (): Promise<number> => {
    understood(() => parseArgs({ args: [...argv], options: {} }));
    out(`${loginThatHolds(env).token}\n`);
    return 0;
  };
  return runVerb({ name: 'token print', usage: PRINT_USAGE, argv }, act, out, err);
}

function loginThatHolds(env: Environment): Login {
  const login = readLogin(env);
  if (login === null) throw new Error('you are not logged in. Run: vovgw login');
  if (Date.parse(login.expires_at) > systemClock.now()) return login;
  throw new Error(`the login has expired at ${login.expires_at}. Run: vovgw login`);
}

async function whoAmI(argv: readonly string[], env: Environment, out: Print): Promise<number> {
  const options = { json: { type: 'boolean' }, 'ca-file': { type: 'string' } } as const;
  const { json = false, 'ca-file': caFile } = understood(() => parseArgs({ args: [...argv], options })).values;
  const login = loginThatHolds(env);
  await using client = createGatewayClient(login.url, caFile ?? login.ca_file);
  const answer = await client.get('/gateway/v1/me', login.token);
  if (answer.status === 401) throw new Error('the token of the login is no longer valid. Run: vovgw login');
  if (answer.status !== 200) throw new Error(refusalText(answer));
  out(json ? `${JSON.stringify(answer.body)}\n` : description(answer.body, login.url));
  return 0;
}

const list = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);
const words = (value: unknown): string =>
  list(value)
    .map((word) => plain(word))
    .join(', ') || 'none';
const member = (value: unknown, name: string): unknown =>
  typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined;

function description(me: Readonly<Record<string, unknown>>, url: string): string {
  const { user, subject, roles, groups, accounts, credential } = me;
  const label = plain(member(credential, 'label'));
  const lines = [
    ['user', plain(user)],
    ['subject', plain(subject)],
    ['gateway', url],
    ['roles', words(roles)],
    ['groups', words(groups)],
    ...list(accounts).map((entry) => [`queue ${plain(member(entry, 'queue'))}`, accountText(entry)]),
    ['token', `${plain(member(credential, 'id'))}${label === '' ? '' : ` “${label}”`}`],
    ['scopes', words(member(credential, 'scopes'))],
    ['expires', plain(member(credential, 'expires_at'))],
  ];
  const width = Math.max(...lines.map(([name = '']) => name.length));
  return lines.map(([name = '', value = '']) => `${name.padEnd(width)}  ${value}\n`).join('');
}

function accountText(entry: unknown): string {
  const account = plain(member(entry, 'account'));
  if (account === '') return 'no vovserver account';
  return `vovserver account ${account}${member(entry, 'shared') === true ? ' (shared)' : ''}`;
}
