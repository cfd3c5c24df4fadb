import { request } from 'node:https';
import { pause } from '../pace.ts';
import type { Standin } from '../stage.ts';
import { mono } from './poller.ts';

/** When the change to a version was answered, so that it was true at the latest: monotonic milliseconds, and since the epoch. */
export interface Version {
  readonly number: number;
  readonly done: number;
  readonly doneAt: number;
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

interface Jobs {
  readonly nextId: number;
  readonly jobs: readonly { readonly id: number }[];
}

/**
 * Sets the name of a job to v0, v1, v2, … until it is stopped. By the control port, so that no change waits for the calls that
 * run: what it replaces is over as soon as it is answered.
 */
export async function startVersions(standin: Standin, job: number, everyMs: number) {
  const versions: Version[] = [];
  let going = true;
  const { nextId, jobs } = (await standin.control('GET', '/jobs')) as Jobs;
  const set = async (number: number): Promise<void> => {
    const changed = jobs.map((one) => (one.id === job ? { ...one, jobname: `v${number}` } : one));
    await standin.control('PUT', '/jobs', { nextId, jobs: changed });
    versions.push({ number, done: mono(), doneAt: Date.now() });
  };
  const change = async (): Promise<void> => {
    for (let number = 1; going; number += 1) {
      const next = mono() + everyMs * (0.5 + Math.random());
      while (going && mono() < next) await pause(5);
      if (going) await set(number);
    }
  };
  await set(0);
  const ended = change();
  return {
    async stop(): Promise<readonly Version[]> {
      going = false;
      await ended;
      return versions;
    },
  };
}
