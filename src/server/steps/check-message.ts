import { checkHeaders, checkTarget } from '../../access/index.ts';
import type { Step } from '../scope.ts';

/** Which queue a request means: the port it came to, else its host name, else the first queue. */
export type QueueOf = (port: number | undefined, host: string | undefined) => string;

/** Refuses what two programs could read differently, before anything is decided on it; then names the queue. */
export function createCheckMessage(limits: () => { urlBytes: number; headerCount: number }, queueOf: QueueOf): Step {
  return (scope) => {
    const { req, meta } = scope;
    checkHeaders(req.rawHeaders, meta.method, req.httpVersion, limits());
    scope.path = checkTarget(meta.target, limits()).path;
    scope.queue = queueOf(req.socket.localPort, req.headers.host);
  };
}
