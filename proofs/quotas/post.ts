import { type Agent, request } from 'undici';

/** One submission: who sends it, under which name, and what it runs. */
export interface Ask {
  readonly who: string;
  /** Its log file and part of its command: by it the witness knows the job. */
  readonly name: string;
  readonly command: string;
  /** Without it no Idempotency-Key is sent. */
  readonly key?: string;
  readonly dry?: boolean;
  /** Leaves out the log file, so that vovserver refuses it. */
  readonly spoilt?: boolean;
}

/** What was answered. Times are milliseconds since the epoch. */
export interface Told {
  readonly who: string;
  readonly name: string;
  readonly began: number;
  readonly ended: number;
  /** 0: there was no answer. */
  readonly status: number;
  readonly code: string;
  readonly detail: string;
  /** Seconds; NaN: not told. */
  readonly retryAfter: number;
  readonly limits: string;
  readonly jobId: number | null;
  readonly replayed: boolean;
  /** Of a dry run: names of the quotas that are used up. */
  readonly quotas: readonly string[] | null;
}

function read(text: string): Record<string, unknown> {
  try {
    return JSON.parse(text) as Record<string, unknown>;
  } catch {
    return {};
  }
}

/** Submits once. Never throws. */
export async function post(agent: Agent, url: string, token: string, ask: Ask): Promise<Told> {
  const { who, name, command, key, dry = false, spoilt = false } = ask;
  const headers = {
    authorization: `Bearer ${token}`,
    'content-type': 'application/json',
    ...(key === undefined ? {} : { 'idempotency-key': `"${key}"` }),
    ...(dry ? { 'x-dry-run': 'true' } : {}),
  };
  const logfile = spoilt ? {} : { logfile: `${name}.log` };
  const body = JSON.stringify({ command, ...logfile, rundir: '/proj/quotas', env: 'BASE' });
  const began = Date.now();
  const none = { status: 0, code: '', detail: '', retryAfter: Number.NaN, limits: '', jobId: null, quotas: null };
  try {
    const answer = await request(`${url}/api/v3/jobs`, { dispatcher: agent, method: 'POST', headers, body });
    const { statusCode: status, headers: got } = answer;
    const { code, detail, jobid, quotas } = read(await answer.body.text());
    return {
      ...{ who, name, began, ended: Date.now(), status },
      code: String(code ?? ''),
      detail: String(detail ?? ''),
      retryAfter: Number(got['retry-after'] ?? Number.NaN),
      limits: String(got.ratelimit ?? ''),
      jobId: status < 300 && typeof jobid === 'number' ? jobid : null,
      replayed: got['idempotent-replayed'] === 'true',
      quotas: Array.isArray(quotas) ? quotas.map(({ quota }: { quota: string }) => quota) : null,
    };
  } catch (error) {
    const failure = error instanceof Error && 'code' in error ? String(error.code) : String(error);
    return { ...none, who, name, began, ended: Date.now(), detail: failure, replayed: false };
  }
}

export const wasAccepted = ({ status }: Told): boolean => status >= 200 && status < 300;
export const wasRefused = ({ status, code }: Told): boolean => status === 429 && code === 'GW_QUOTA';
