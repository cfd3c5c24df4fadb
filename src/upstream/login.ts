import { type Clock, GatewayError, Secret, toGatewayError } from '../kernel/index.ts';
import { failureToError } from './failure.ts';
import type { Line } from './line.ts';
import type { LoginAnswer } from './ports.ts';
import type { QueueLink } from './queue-link.ts';
import { callOnce, describeNonJson, jsonObject, type SmallAnswer } from './small-call.ts';

/** Where vovserver exchanges a password for a JWT (tutorial, "Python Authentication Without the Library"). */
export const TOKEN_PATH = '/api/v3/token';

/** What may stand in an Authorization header without ending it. */
const TOKEN_TEXT = /^[\x21-\x7e]{1,16384}$/;

const failed = (detail: string): LoginAnswer => ({
  kind: 'failed',
  error: new GatewayError('GW_UPSTREAM_INVALID', detail),
});

/**
 * Judges the answer of the token endpoint. Rejected are 401 and 403, and 400 with a JSON `error`: the tutorial says
 * only that a status above 300 carries `error`. Anything else that is no token is `failed`, and no verdict on the password.
 */
export function judgeLogin(answer: SmallAnswer): LoginAnswer {
  if (answer.kind === 'failed') return { kind: 'failed', error: failureToError(answer.failure, 'GET') };
  const { status, contentType, body } = answer;
  const json = jsonObject(body);
  if (status === 401 || status === 403 || (status === 400 && json?.error !== undefined)) {
    return { kind: 'rejected', status };
  }
  if (status >= 500) {
    const detail = `The token endpoint of vovserver answered with status ${status}.`;
    return { kind: 'failed', error: new GatewayError('GW_UPSTREAM_DOWN', detail, { retryAfter: 5 }) };
  }
  if (status > 299 || json === null) {
    return failed(`The token endpoint of vovserver sent ${describeNonJson(contentType, status)}.`);
  }
  const { token_type: tokenType, access_token: accessToken, expires_in: expiresIn } = json;
  if (typeof tokenType !== 'string' || typeof accessToken !== 'string') {
    return failed('The token endpoint of vovserver sent JSON without token_type and access_token.');
  }
  if (!TOKEN_TEXT.test(tokenType) || !TOKEN_TEXT.test(accessToken)) {
    return failed('The token endpoint of vovserver sent a token that cannot stand in a header.');
  }
  const life = typeof expiresIn === 'number' && Number.isFinite(expiresIn) && expiresIn > 0 ? expiresIn : null;
  return { kind: 'ok', tokenType, accessToken: new Secret(accessToken), expiresIn: life };
}

/** One post of a password; null when nothing left because no server was met. */
async function post(
  { config, client }: QueueLink,
  line: Line,
  clock: Clock,
  { account, password, signal }: Who,
): Promise<SmallAnswer> {
  return await callOnce({
    origin: line.origin,
    open: (done) => line.openAside(done),
    client,
    method: 'POST',
    path: TOKEN_PATH,
    headers: ['accept', 'application/json', 'content-type', 'application/x-www-form-urlencoded'],
    body: Buffer.from(new URLSearchParams({ username: account, password: password.reveal() }).toString()),
    timeout: config.timeouts.login,
    clock,
    signal,
  });
}

interface Who {
  readonly account: string;
  readonly password: Secret;
  readonly signal: AbortSignal | undefined;
}

/**
 * Posts user name and password, form-encoded, on a connection of its own under the queue's TLS policy; the password
 * never goes to a server that failed it or gave another name. A server that has not told its name yet gets one password
 * at a time, and is asked with the JWT that it gave. Never throws and never logs the password.
 */
export async function login(linkOf: () => QueueLink, clock: Clock, who: Who): Promise<LoginAnswer> {
  try {
    for (let moves = 0; ; moves += 1) {
      const link = linkOf();
      if (!link.steady) await link.admit(null);
      const { line, epoch } = link;
      await line.admitPassword();
      let unsent = false;
      const answer = await line.introduce(who.account, async () => {
        const got = await post(link, line, clock, who);
        unsent = got.kind === 'failed' && got.failure.sent === 'not_sent' && got.failure.kind === 'connect';
        return { answer: judgeLogin(got), sent: got.kind === 'answer' || got.failure.sent === 'possibly_sent' };
      });
      if (answer.kind === 'ok') return { ...answer, epoch };
      const lost = unsent || (answer.kind === 'failed' && (!link.steady || link.line !== line));
      if (!lost || moves >= link.config.urls.length) return answer;
      await link.admit(null);
    }
  } catch (error) {
    return { kind: 'failed', error: toGatewayError(error) };
  }
}
