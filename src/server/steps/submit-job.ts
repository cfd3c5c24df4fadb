import type { ServerResponse } from 'node:http';
import { type Answer, readIdempotencyKey, type Submission, type Submissions } from '../../jobs/index.ts';
import { GatewayError } from '../../kernel/index.ts';
import type { Broker } from '../../tokens/index.ts';
import type { Carrier, Upstream } from '../../upstream/index.ts';
import { answerWhole } from '../answer.ts';
import { createJobWay } from '../job-way.ts';
import type { Scope, Step } from '../scope.ts';
import { upstreamCall } from '../upstream-call.ts';

function bytesOf({ body }: Scope): Buffer {
  if (body.kind === 'bytes') return body.bytes;
  if (body.kind === 'none') return Buffer.alloc(0);
  throw new GatewayError('GW_BODY_TOO_LARGE', 'A submission may have 1048576 bytes.');
}

function submissionOf(scope: Scope, epoch: string): Submission | null {
  const { req, meta, account, caller, route, received } = scope;
  if (account === null || caller === null || route === null) return null;
  return {
    queue: account.queue,
    epoch,
    account: account.name,
    shared: account.shared,
    identity: caller.identity,
    tokenId: caller.tokenId,
    tokenLabel: caller.tokenLabel,
    address: meta.address,
    requestId: meta.requestId,
    method: meta.method,
    target: meta.target,
    route: route.template,
    contentType: req.headers['content-type'] ?? '',
    body: bytesOf(scope),
    ...(received !== undefined && { received }),
    key: readIdempotencyKey(req.rawHeaders),
  };
}

/** Whether all of an answer went out, once that is decided. */
function isFinished(res: ServerResponse): Promise<boolean> {
  if (res.writableFinished || res.closed) return Promise.resolve(res.writableFinished);
  return new Promise((resolve) => {
    res.once('finish', () => resolve(true));
    res.once('close', () => resolve(res.writableFinished));
  });
}

/** Carries a submission, at most once, and remembers whose job it is. Other calls are left to `forward`. */
export function createSubmitJob(
  submissions: Submissions,
  upstream: Pick<Upstream, 'epoch'>,
  carrier: Carrier,
  broker: Broker,
  now: () => number,
): Step {
  return async (scope) => {
    // A dry run has its answer.
    if (scope.route?.class !== 'submit' || scope.account === null || scope.result !== null) return;
    const call = upstreamCall(scope);
    const submission = submissionOf(scope, upstream.epoch(scope.account.queue));
    if (call === null || submission === null) return;
    const startedAt = now();
    const { admit } = scope;
    if (submission.key === null) admit?.();
    let written: number | null = null;
    const deliver = (answer: Answer): Promise<boolean> => {
      written = answerWhole(scope.res, scope.head, answer);
      return isFinished(scope.res);
    };
    const way = { ...createJobWay(carrier, broker, call, scope.account), deliver };
    const answer = await submissions.submit(submission, admit === undefined ? way : { ...way, admit });
    const bytesOut = written ?? answerWhole(scope.res, scope.head, answer);
    const seconds = (now() - startedAt) / 1000;
    scope.result = { status: answer.status, bytesOut, seconds, renewed: false, complete: true };
  };
}
