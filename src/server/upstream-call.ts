import type { UpstreamCall } from '../upstream/index.ts';
import type { Scope } from './scope.ts';

const WAIT = /(?:^|[,\s])wait=(\d{1,5})(?:$|[,;\s])/i;

/** Milliseconds that the caller wants to wait for a turn (`Prefer: wait=30`, RFC 7240, 4.3); undefined without it. */
export function preferredWait(prefer: string | string[] | undefined): number | undefined {
  if (prefer === undefined) return undefined;
  const seconds = WAIT.exec(String(prefer))?.[1];
  return seconds === undefined ? undefined : Number(seconds) * 1000;
}

/** The call to vovserver that a request stands for; null while its account or route is not known. */
export function upstreamCall({ req, meta, account, route, body, head, signal, caller }: Scope): UpstreamCall | null {
  if (account === null || route === null || caller === null) return null;
  const call: UpstreamCall = {
    queue: account.queue,
    account: account.name,
    method: meta.method,
    target: meta.target,
    route: route.template,
    class: route.class,
    rawHeaders: req.rawHeaders,
    body,
    requestId: meta.requestId,
    traceparent: meta.traceparent,
    head,
    signal,
    identity: caller.identity.subject,
    token: caller.tokenId,
    holder: signal,
  };
  const waitMs = preferredWait(req.headers.prefer);
  return waitMs === undefined ? call : { ...call, waitMs };
}
