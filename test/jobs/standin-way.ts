import { errors, Pool } from 'undici';
import type { Answer, SubmissionWay } from '../../src/jobs/index.ts';
import { GatewayError } from '../../src/kernel/index.ts';
import type { Vovserver } from '../../standin/vovserver/index.ts';

/** A way to a stand-in over real sockets: it knows whether anything can have been sent, and nothing more. */
export interface StandinWay extends AsyncDisposable, SubmissionWay {}

const NOT_SENT = new Set(['ECONNREFUSED', 'UND_ERR_CONNECT_TIMEOUT']);

function fault(error: unknown, submits: boolean): GatewayError {
  const code = error instanceof errors.UndiciError || error instanceof Error ? Reflect.get(error, 'code') : null;
  if (NOT_SENT.has(String(code))) return new GatewayError('GW_UPSTREAM_DOWN', 'not connected', { cause: error });
  return new GatewayError(submits ? 'GW_OUTCOME_UNKNOWN' : 'GW_UPSTREAM_TIMEOUT', 'no answer', { cause: error });
}

async function login(pool: Pool, user: string): Promise<string> {
  const { body } = await pool.request({
    method: 'POST',
    path: '/api/v3/token',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: new URLSearchParams({ username: user, password: `pw-${user}` }).toString(),
  });
  const { access_token: token } = (await body.json()) as { access_token: string };
  return token;
}

/** Signs `user` in and opens the way; answers may take `timeoutMs`. */
export async function openStandinWay(vovserver: Vovserver, user: string, timeoutMs = 1000): Promise<StandinWay> {
  const pool = new Pool(vovserver.url, { connections: 8, headersTimeout: timeoutMs, bodyTimeout: timeoutMs });
  const token = await login(pool, user);
  const call = async (method: 'GET' | 'POST', path: string, body: Buffer | null): Promise<Answer> => {
    try {
      const headers = {
        authorization: `Bearer:${token}`,
        ...(body === null ? {} : { 'content-type': 'application/json' }),
      };
      const answer = await pool.request({ method, path, headers, body });
      const flat = Object.entries(answer.headers).flatMap(([name, value]) => [name, String(value)]);
      return { status: answer.statusCode, headers: flat, body: Buffer.from(await answer.body.arrayBuffer()) };
    } catch (error) {
      throw fault(error, method === 'POST');
    }
  };
  return {
    send: (body) => call('POST', '/api/v3/jobs', body),
    read: (target) => call('GET', target, null),
    [Symbol.asyncDispose]: () => pool.destroy(),
  };
}
