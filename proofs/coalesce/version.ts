import { request } from 'node:https';
import { mono } from './poller.ts';

/** When a version came to be: its change was sent and answered (monotonic milliseconds). It was true at the latest from `done`. */
export interface Version {
  readonly number: number;
  readonly sent: number;
  readonly done: number;
}

/** vovserver itself, asked directly by one account: what the gateway says is measured against it. */
export interface Direct {
  call(method: string, path: string, body?: object): Promise<{ readonly status: number; readonly text: string }>;
}

/** Logs in at the stand-in over TLS. */
export async function openDirect(url: string, ca: string, user: string, password: string): Promise<Direct> {
  const send = (method: string, path: string, headers: Record<string, string>, body: string) =>
    new Promise<{ status: number; text: string }>((resolve, reject) => {
      const sending = request(`${url}${path}`, { method, ca, headers }, (answer) => {
        let text = '';
        answer.setEncoding('utf8').on('data', (piece: string) => {
          text += piece;
        });
        answer.on('end', () => resolve({ status: answer.statusCode ?? 0, text }));
      });
      sending.on('error', reject);
      sending.end(body);
    });
  const form = new URLSearchParams({ username: user, password }).toString();
  const login = await send('POST', '/api/v3/token', { 'content-type': 'application/x-www-form-urlencoded' }, form);
  const { access_token: jwt } = JSON.parse(login.text) as { access_token: string };
  const headers = { authorization: `Bearer:${jwt}`, 'content-type': 'application/json' };
  return { call: (method, path, body) => send(method, path, headers, body === undefined ? '' : JSON.stringify(body)) };
}

/** Changes the name of a job to v1, v2, … until it is stopped. */
export function startVersions(direct: Direct, job: number, everyMs: number) {
  const versions: Version[] = [];
  let going = true;
  const change = async (): Promise<void> => {
    for (let number = 0; going; number += 1) {
      const sent = mono();
      const { status } = await direct.call('PATCH', `/api/v3/jobs/${job}`, { jobname: `v${number}` });
      if (status !== 200) throw new Error(`the version could not be set: ${status}`);
      versions.push({ number, sent, done: mono() });
      await new Promise((resolve) => setTimeout(resolve, everyMs * (0.5 + Math.random())));
    }
  };
  const ended = change();
  return {
    versions,
    async stop(): Promise<readonly Version[]> {
      going = false;
      await ended;
      return versions;
    },
  };
}
