import { GatewayError } from '../kernel/index.ts';
import { failureToError } from './failure.ts';
import { describeNonJson, jsonObject, type SmallAnswer } from './small-call.ts';

/** The question that every server is asked before it is trusted (tutorial: object 1 is the project). */
export const NAME_PATH = '/api/v3/project/1/project';

/** What an answer to the question says. `hold`: the server is no server of this queue; it is left alone for a while. */
export type NameVerdict =
  | { readonly kind: 'confirmed' }
  | { readonly kind: 'unauthorized' }
  | { readonly kind: 'refused'; readonly error: GatewayError; readonly hold: boolean };

const printable = (value: string): string => JSON.stringify(value.slice(0, 64).replace(/[^\x20-\x7e]/g, '?'));

/** The name in a query reply `{"rows":[[name]],…}`, or null; `errmsg` and `errormsg` must be empty. */
export function nameIn(body: Buffer): string | null {
  const reply = jsonObject(body);
  if (reply === null || (reply.errmsg ?? '') !== '' || (reply.errormsg ?? '') !== '') return null;
  const rows = reply.rows;
  const row: unknown = Array.isArray(rows) ? rows[0] : null;
  const cell: unknown = Array.isArray(row) ? row[0] : null;
  return typeof cell === 'string' ? cell : null;
}

/** Judges the answer of a server that should be the queue `name`. */
export function judgeName(name: string, answer: SmallAnswer): NameVerdict {
  if (answer.kind === 'failed') {
    const error = failureToError(answer.failure, 'GET');
    return { kind: 'refused', error, hold: false };
  }
  const { status, contentType, body } = answer;
  // Which of the two vovserver answers to a dead JWT, no public page says; every account may read the project.
  if (status === 401 || status === 403) return { kind: 'unauthorized' };
  if (status >= 500) {
    const error = new GatewayError('GW_UPSTREAM_DOWN', `vovserver answers with status ${status} and is not used yet.`, {
      retryAfter: 5,
    });
    return { kind: 'refused', error, hold: false };
  }
  const found = status < 300 ? nameIn(body) : null;
  if (found === name) return { kind: 'confirmed' };
  if (found !== null) {
    const detail = `The server says that it is the queue ${printable(found)}, not ${printable(name)}.`;
    const error = new GatewayError('GW_UPSTREAM_WRONG_QUEUE', detail, { retryAfter: 5 });
    return { kind: 'refused', error, hold: true };
  }
  const what = jsonObject(body) === null ? describeNonJson(contentType, status) : `status ${status} without a name`;
  const error = new GatewayError('GW_UPSTREAM_INVALID', `Asked for its queue name, the server sent ${what}.`);
  return { kind: 'refused', error, hold: true };
}
