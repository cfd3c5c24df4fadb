import { parseArgs } from 'node:util';
import { type AccessTokenInfo, type AccessTokens, tokenIdOf } from '../auth/index.ts';
import { GatewayError, SCOPES, type TokenScope } from '../kernel/index.ts';
import { minute, table } from './table.ts';
import { type Print, runStoreVerb, type StoreDeps, UsageError, understood } from './verb.ts';

const USAGE = `vovgw token create --user NAME --label TEXT [--scope read,submit,control] [--expires 30d] [--json] [--config FILE]
vovgw token list   [--user NAME] [--json] [--config FILE]
vovgw token revoke ID [--config FILE]
vovgw token print

create prints the token, this once, on standard output and its properties on standard error. Without --scope it may do
everything, without --expires it lives as long as accessTokens.defaultLife says; a life is a number with m, h or d.
print is for who did "vovgw login": it prints that token, and needs neither Redis nor a configuration.
`;

/** Access tokens in the store of the configuration; disposed when the verb is done. */
export interface OpenTokens extends AsyncDisposable {
  readonly tokens: AccessTokens;
}

/** A command that was understood. */
type Command = { readonly config: string | undefined; readonly json: boolean } & (
  | {
      readonly verb: 'create';
      readonly user: string;
      readonly label: string;
      readonly scopes: TokenScope[];
      readonly lifeMs?: number;
    }
  | { readonly verb: 'list'; readonly user?: string }
  | { readonly verb: 'revoke'; readonly id: string }
);

const UNITS: Readonly<Record<string, number>> = { m: 60_000, h: 3_600_000, d: 86_400_000 };

/** `vovgw token`: exit code 0 when done, 1 when it could not be done, 2 when called wrongly. */
export function runToken(
  argv: readonly string[],
  deps: StoreDeps<OpenTokens>,
  out: Print,
  err: Print,
): Promise<number> {
  const isWrong = (error: unknown): boolean => error instanceof GatewayError && error.code === 'GW_BAD_REQUEST';
  const verb = { name: 'token', usage: USAGE, argv, isWrong };
  return runStoreVerb(verb, deps, read, (command, { tokens }) => act(command, tokens, out, err), out, err);
}

function read([verb, ...rest]: readonly string[]): Command {
  switch (verb) {
    case 'create':
      return readCreate(rest);
    case 'list':
      return readList(rest);
    case 'revoke':
      return readRevoke(rest);
    case undefined:
      throw new UsageError('say create, list, revoke or print');
    default:
      throw new UsageError(`there is no “${verb}”; say create, list, revoke or print`);
  }
}

const COMMON = { config: { type: 'string' }, json: { type: 'boolean' } } as const;
const text = { type: 'string' } as const;

function readCreate(args: string[]): Command {
  const options = { ...COMMON, user: text, label: text, scope: text, expires: text };
  const { values } = understood(() => parseArgs({ args, options }));
  const { user, label, config, json = false } = values;
  if (user === undefined || user === '') throw new UsageError('create needs --user NAME');
  if (label === undefined || label === '') throw new UsageError('create needs --label TEXT, what the token is for');
  const scopes = values.scope === undefined ? [...SCOPES] : values.scope.split(',').map(scopeOf);
  const life = values.expires === undefined ? {} : { lifeMs: lifeOf(values.expires) };
  return { verb: 'create', config, json, user, label, scopes, ...life };
}

function readList(args: string[]): Command {
  const { values } = understood(() => parseArgs({ args, options: { ...COMMON, user: text } }));
  const { user, config, json = false } = values;
  return { verb: 'list', config, json, ...(user === undefined ? {} : { user }) };
}

function readRevoke(args: string[]): Command {
  const { values, positionals } = understood(() => parseArgs({ args, options: COMMON, allowPositionals: true }));
  const [given, ...more] = positionals;
  if (given === undefined || more.length > 0) throw new UsageError('revoke needs one ID, as list shows it');
  // Who holds a leaked token has it at hand, not its id.
  return { verb: 'revoke', config: values.config, json: values.json ?? false, id: tokenIdOf(given) ?? given };
}

function scopeOf(name: string): TokenScope {
  const scope = SCOPES.find((known) => known === name.trim());
  if (scope === undefined) throw new UsageError(`there is no scope “${name.trim()}”; choose from ${SCOPES.join(', ')}`);
  return scope;
}

function lifeOf(given: string): number {
  const [, count, unit] = /^(\d{1,6})([mhd])$/.exec(given) ?? [];
  const life = Number(count) * (UNITS[unit ?? ''] ?? Number.NaN);
  if (!(life > 0)) throw new UsageError(`--expires ${given} is no life; write for example 90m, 12h or 30d`);
  return life;
}

async function act(command: Command, tokens: AccessTokens, out: Print, err: Print): Promise<number> {
  switch (command.verb) {
    case 'create': {
      const { token, info } = await tokens.create(command);
      if (command.json) out(`${JSON.stringify({ token: token.reveal(), ...info })}\n`);
      else {
        out(`${token.reveal()}\n`);
        err(
          `Access token ${info.id} of ${info.user} for ${info.scopes.join(', ')}, until ${minute(info.expiresAt)}.\n`,
        );
        err('It is shown this once: keep it where passwords are kept.\n');
      }
      return 0;
    }
    case 'list': {
      const found = await tokens.list(command.user);
      out(command.json ? `${JSON.stringify(found)}\n` : table(HEADINGS, found.map(rowOf)));
      return 0;
    }
    case 'revoke': {
      const existed = await tokens.revoke(command.id);
      if (command.json) out(`${JSON.stringify({ id: command.id, revoked: existed })}\n`);
      else if (existed) out(`Access token ${command.id} and what was derived from it have ended.\n`);
      if (!existed && !command.json) err(`vovgw token: there is no access token “${command.id}”\n`);
      return existed ? 0 : 1;
    }
  }
}

const HEADINGS = ['ID', 'USER', 'LABEL', 'SCOPES', 'CREATED', 'EXPIRES', 'LAST USED', 'DERIVED FROM'];

const rowOf = (info: AccessTokenInfo): string[] => [
  info.id,
  info.user,
  info.label,
  info.scopes.join(','),
  minute(info.createdAt),
  minute(info.expiresAt),
  info.lastUsedAt === null ? 'never' : minute(info.lastUsedAt),
  info.parent ?? '',
];
