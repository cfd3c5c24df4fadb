import type { ServerResponse } from 'node:http';
import { codeOf, failureToError } from './failure.ts';
import type { ForwardResult, UpstreamCall, WholeAnswer } from './ports.ts';

/**
 * Writes a whole answer into a caller's response, with that caller's own head. Waits for no reader. Throws GatewayError,
 * before anything was written, when a header cannot be passed on.
 */
export function writeAnswer(call: UpstreamCall, answer: WholeAnswer, response: ServerResponse): ForwardResult {
  const { status, body, seconds, renewed } = answer;
  const headers = (call.head ?? []).concat(answer.headers);
  const hasBody = status !== 204 && status !== 304;
  if (hasBody) headers.push('content-length', String(body.length));
  try {
    response.writeHead(status, headers);
  } catch (error) {
    const reason = `a header of the answer cannot be passed on: ${codeOf(error)}`;
    const failure = { sent: 'possibly_sent', kind: 'invalid', reason, answerBegun: true, reused: false } as const;
    throw failureToError(failure, call.method);
  }
  const bytesOut = hasBody && call.method !== 'HEAD' ? body.length : 0;
  response.end(bytesOut === 0 ? undefined : body);
  return { status, bytesOut, seconds, renewed, complete: true };
}
