import type { IncomingMessage, ServerResponse } from 'node:http';
import helmet from 'helmet';
import type { Step } from '../scope.ts';

/** The headers that helmet sets, found once by asking it, since they are the same for every answer of this door. */
function helmetHeaders(overTls: boolean): readonly string[] {
  const found: string[] = [];
  const recorder = {
    setHeader: (name: string, value: string) => found.push(name, String(value)),
    removeHeader: () => undefined,
  };
  const middleware = helmet({
    contentSecurityPolicy: {
      useDefaults: false,
      directives: { 'default-src': ["'none'"], 'frame-ancestors': ["'none'"] },
    },
    strictTransportSecurity: overTls ? { maxAge: 31_536_000, includeSubDomains: false } : false,
    xFrameOptions: { action: 'deny' },
    // What only means something on a page is left out: every header costs each answer its share.
    xXssProtection: false,
    referrerPolicy: false,
    originAgentCluster: false,
    xDnsPrefetchControl: false,
    xDownloadOptions: false,
    xPermittedCrossDomainPolicies: false,
    crossOriginOpenerPolicy: false,
  });
  middleware({} as IncomingMessage, recorder as unknown as ServerResponse, () => undefined);
  return found;
}

/** Sets helmet's headers for an API door, and returns the correlation ids to the caller. */
export function createSecureHeaders(overTls: boolean, draining: () => boolean): Step {
  const headers = helmetHeaders(overTls);
  return ({ head, meta }) => {
    head.push(...headers, 'X-Request-Id', meta.requestId, 'Traceparent', meta.traceparent);
    if (draining()) head.push('Connection', 'close');
  };
}
