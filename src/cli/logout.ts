import { parseArgs } from 'node:util';
import { endToken } from './end-token.ts';
import { createGatewayClient } from './gateway-client.ts';
import { deleteLogin, loginFile, readLogin, takePending } from './login-file.ts';
import { type Environment, type Print, runVerb, understood } from './verb.ts';

const USAGE = `vovgw logout [--force] [--ca-file FILE]

Ends the access token of "vovgw login" at the gateway and deletes its file. When the gateway does not answer, the file
is kept, so that you can try again; --force deletes it all the same.
`;

/** `vovgw logout`: exit code 0 when nothing is left, 1 when the token could not be ended, 2 when called wrongly. */
export function runLogout(argv: readonly string[], env: Environment, out: Print, err: Print): Promise<number> {
  return runVerb({ name: 'logout', usage: USAGE, argv }, () => logOut(argv, env, out), out, err);
}

async function logOut(argv: readonly string[], env: Environment, out: Print): Promise<number> {
  const options = { force: { type: 'boolean' }, 'ca-file': { type: 'string' } } as const;
  const { force = false, 'ca-file': caFile } = understood(() => parseArgs({ args: [...argv], options })).values;
  takePending(env);
  const login = readLogin(env);
  if (login === null) {
    out('There is no login.\n');
    return 0;
  }
  await using client = createGatewayClient(login.url, caFile ?? login.ca_file);
  const trouble = await endToken(client, login.token);
  if (trouble !== null && !force) {
    throw new Error(
      `the token was not ended: ${trouble}\n` +
        `${loginFile(env)} is kept; try again, or delete it with: vovgw logout --force`,
    );
  }
  deleteLogin(env);
  out(
    trouble === null
      ? `Logged out at ${login.url}.\n`
      : `The login is deleted here, but its token holds until ${login.expires_at}: ${trouble}\n` +
          `End it on the page ${login.url}/ui/tokens.\n`,
  );
  return 0;
}
