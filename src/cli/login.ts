import { hostname } from 'node:os';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { type Clock, SCOPES, systemClock } from '../kernel/index.ts';
import { beginLogin, type DeviceLogin, type LoginEnd, waitForToken } from './device-login.ts';
import { endToken } from './end-token.ts';
import { createGatewayClient, type GatewayClient, GatewayFault } from './gateway-client.ts';
import { readGatewayUrl } from './gateway-url.ts';
import {
  type Login,
  loginFile,
  type PendingLogin,
  readLogin,
  takePending,
  writeLogin,
  writePending,
} from './login-file.ts';
import { PrivateFileError } from './private-file.ts';
import { type Environment, type Print, plain, runVerb, UsageError, understood } from './verb.ts';

const USAGE = `vovgw login [--url URL] [--ca-file FILE] [--scope read,submit,control] [--no-wait]

Gets an access token for this host: prints the URL of a page and a code, and waits until you approved in a browser.
URL is that of the gateway: --url, else $VOVGW_URL, else $NC_URL, else that of the last login. The certificate of the
gateway is always verified: by --ca-file, else $VOVGW_CA_FILE, else by the authorities of the system. With --no-wait it
prints and ends; the next "vovgw login" waits for the approval.
`;

/** Where to log in. */
interface Target {
  readonly url: string;
  readonly caFile: string | null;
}

interface Wish extends Target {
  readonly scope: string | null;
  readonly noWait: boolean;
}

/** `vovgw login`: exit code 0 when one is logged in, 1 when not, 2 when called wrongly. */
export function runLogin(argv: readonly string[], env: Environment, out: Print, err: Print): Promise<number> {
  const verb = { name: 'login', usage: USAGE, argv };
  return runVerb(verb, async () => logIn(readWish(argv, env), { env, out, err }, systemClock), out, err);
}

function readWish(argv: readonly string[], env: Environment): Wish {
  const text = { type: 'string' } as const;
  const flag = { type: 'boolean' } as const;
  const options = { url: text, 'ca-file': text, scope: text, 'no-wait': flag };
  const { values } = understood(() => parseArgs({ args: [...argv], options }));
  const { scope, 'no-wait': noWait = false } = values;
  return {
    ...targetOf(values.url, values['ca-file'], env),
    scope: scope === undefined ? null : scopeOf(scope),
    noWait,
  };
}

function scopeOf(given: string): string {
  const words = given.split(/[\s,]+/).filter((word) => word !== '');
  const unknown = words.find((word) => !SCOPES.some((scope) => scope === word));
  if (unknown !== undefined) throw new UsageError(`there is no scope “${unknown}”; choose from ${SCOPES.join(', ')}`);
  if (words.length === 0) throw new UsageError(`--scope names none of ${SCOPES.join(', ')}`);
  return words.join(' ');
}

/** The last login, as far as it helps: a file that may not be used is told only when the URL must come from it. */
function lastLogin(env: Environment, needed: boolean): Login | null {
  try {
    return readLogin(env);
  } catch (error) {
    if (needed || !(error instanceof PrivateFileError)) throw error;
    return null;
  }
}

function targetOf(url: string | undefined, caFile: string | undefined, env: Environment): Target {
  const named = [
    [url, '--url'],
    [env.VOVGW_URL, '$VOVGW_URL'],
    [env.NC_URL, '$NC_URL'],
  ].find(([value]) => value !== undefined && value !== '');
  const last = lastLogin(env, named === undefined);
  const [text = last?.url, source = loginFile(env)] = named ?? [];
  if (text === undefined) throw new UsageError('where is the gateway? Give --url https://host:port or set $VOVGW_URL');
  const origin = readGatewayUrl(text, source);
  const ca = caFile || env.VOVGW_CA_FILE || (last?.url === origin ? last.ca_file : null);
  return { url: origin, caFile: ca ? resolve(ca) : null };
}

/** The environment, and where to print. */
interface Terminal {
  readonly env: Environment;
  readonly out: Print;
  readonly err: Print;
}

async function logIn(wish: Wish, terminal: Terminal, clock: Clock): Promise<number> {
  const { env, out } = terminal;
  await using client = createGatewayClient(wish.url, wish.caFile);
  const begun = takeBegun(wish, env, clock);
  const login = begun ?? (await beginLogin(client, { scope: wish.scope, host: hostname() }, clock));
  out(invitation(login, clock.now()));
  if (wish.noWait) {
    writePending(env, pendingOf(wish, login));
    out('\nRun "vovgw login" again when you have approved.\n');
    return 0;
  }
  // Awaited here: the client must live until all is done.
  return await finish(await waitUntilDecided(client, login, clock, out), { wish, client, clock, ...terminal });
}

/** What an earlier --no-wait began at the same gateway, as long as it holds. */
function takeBegun({ url, noWait, scope }: Wish, env: Environment, clock: Clock): DeviceLogin | null {
  const pending = takePending(env);
  if (pending === null || noWait || scope !== null || pending.url !== url) return null;
  const expiresAt = Date.parse(pending.expires_at);
  if (!(expiresAt > clock.now())) return null;
  const { device_code: deviceCode, user_code: userCode, verification_uri: page, interval } = pending;
  return { deviceCode, userCode, page, wholePage: null, interval, expiresAt };
}

function pendingOf({ url, caFile }: Wish, login: DeviceLogin): PendingLogin {
  return {
    url,
    ca_file: caFile,
    device_code: login.deviceCode,
    user_code: login.userCode,
    verification_uri: login.page,
    interval: login.interval,
    expires_at: new Date(login.expiresAt).toISOString(),
  };
}

function invitation({ page, wholePage, userCode, expiresAt }: DeviceLogin, now: number): string {
  const minutes = Math.max(1, Math.floor((expiresAt - now) / 60_000));
  return `To log in, open this page in a browser and enter the code; both are needed.

  Page: ${page}
  Code: ${userCode}
${wholePage === null ? '' : `\nOr open the page with the code filled in: ${wholePage}\n`}
The code holds for ${minutes} minute${minutes === 1 ? '' : 's'}. Approve only a code that you asked for yourself.
`;
}

/** Ctrl-C ends the wait; a second one ends the program. */
async function waitUntilDecided(
  client: GatewayClient,
  login: DeviceLogin,
  clock: Clock,
  out: Print,
): Promise<LoginEnd> {
  const stop = new AbortController();
  const onSignal = (): void => {
    stop.abort();
    out('\nGiving up.\n');
  };
  process.once('SIGINT', onSignal).once('SIGTERM', onSignal);
  out('\nWaiting for the approval; Ctrl-C gives up.\n');
  try {
    const end = await waitForToken(client, login, clock, stop.signal);
    if (end.kind !== 'token' || !stop.signal.aborted) return end;
    await client.post('/oauth/revoke', { token: end.token });
    return { kind: 'interrupted' };
  } finally {
    process.off('SIGINT', onSignal).off('SIGTERM', onSignal);
  }
}

interface Scene extends Terminal {
  readonly wish: Wish;
  readonly client: GatewayClient;
  readonly clock: Clock;
}

async function finish(end: LoginEnd, scene: Scene): Promise<number> {
  const { wish, client, env, out } = scene;
  switch (end.kind) {
    case 'token': {
      const user = await whoIs(client, end.token);
      const expires_at = new Date(end.expiresAt).toISOString();
      const before = loginBefore(env);
      writeLogin(env, { url: wish.url, user, token: end.token, expires_at, ca_file: wish.caFile });
      out(
        `Logged in at ${wish.url} as ${user || '(unknown)'} until ${expires_at.slice(0, 16).replace('T', ' ')} UTC.\n`,
      );
      await endReplaced(before, scene);
      return 0;
    }
    case 'denied':
      throw new Error('the login was denied in the browser.');
    case 'expired':
      throw new Error('the code has expired before anybody approved it. Run: vovgw login');
    case 'interrupted':
      throw new Error('given up; nothing was saved.');
    case 'failed':
      throw new Error(end.reason);
  }
}

/** The login that is about to be replaced, or why its token cannot be ended. */
function loginBefore(env: Environment): Login | PrivateFileError | null {
  try {
    return readLogin(env);
  } catch (error) {
    if (error instanceof PrivateFileError) return error;
    throw error;
  }
}

/** Ends the token that nobody holds any more. The new one is saved: whatever happens here, the login went well. */
async function endReplaced(
  before: Login | PrivateFileError | null,
  { client, wish, clock, err }: Scene,
): Promise<void> {
  if (before === null) return;
  const unread = before instanceof PrivateFileError;
  if (!unread && Date.parse(before.expires_at) <= clock.now()) return;
  const url = unread ? wish.url : before.url;
  const trouble = unread
    ? before.message
    : url === wish.url
      ? await endToken(client, before.token)
      : 'it is of another gateway';
  err(
    trouble === null
      ? 'The token of the login before has ended.\n'
      : `The token of the login before was not ended: ${trouble}\nEnd it on the page ${url}/ui/tokens.\n`,
  );
}

/** The user name of a token; empty when the gateway does not tell, which makes the token no worse. */
async function whoIs(client: GatewayClient, token: string): Promise<string> {
  try {
    const { status, body } = await client.get('/gateway/v1/me', token);
    return status === 200 ? plain(body.user) : '';
  } catch (error) {
    if (error instanceof GatewayFault) return '';
    throw error;
  }
}
