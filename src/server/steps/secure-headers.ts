import type { IncomingMessage, ServerResponse } from 'node:http';
import helmet, { type HelmetOptions } from 'helmet';
import type { Step } from '../scope.ts';

/** The headers that helmet sets, found once by asking it, since they are the same for every answer of a door. */
function helmetHeaders(options: HelmetOptions): readonly string[] {
  const found: string[] = [];
  const recorder = {
    setHeader: (name: string, value: string) => found.push(name, String(value)),
    removeHeader: () => undefined,
  };
  helmet(options)({} as IncomingMessage, recorder as unknown as ServerResponse, () => undefined);
  return found;
}

const transport = (overTls: boolean): Pick<HelmetOptions, 'strictTransportSecurity'> => ({
  strictTransportSecurity: overTls ? { maxAge: 63_072_000, includeSubDomains: false } : false,
});

/** What only means something on a page is left out: every header costs each answer its share. */
const apiOptions = (overTls: boolean): HelmetOptions => ({
  contentSecurityPolicy: {
    useDefaults: false,
    directives: { 'default-src': ["'none'"], 'frame-ancestors': ["'none'"] },
  },
  ...transport(overTls),
  xFrameOptions: { action: 'deny' },
  xXssProtection: false,
  referrerPolicy: false,
  originAgentCluster: false,
  xDnsPrefetchControl: false,
  xDownloadOptions: false,
  xPermittedCrossDomainPolicies: false,
  crossOriginOpenerPolicy: false,
});

/** The content security policy belongs to the single answer. */
const pageOptions = (overTls: boolean): HelmetOptions => ({
  contentSecurityPolicy: false,
  ...transport(overTls),
  xFrameOptions: { action: 'deny' },
  // With `no-referrer` browsers would send `Origin: null` from our own forms.
  referrerPolicy: { policy: 'same-origin' },
  crossOriginResourcePolicy: { policy: 'same-origin' },
  crossOriginOpenerPolicy: { policy: 'same-origin' },
});

const NO_FEATURES = 'camera=(), geolocation=(), microphone=(), payment=(), usb=()';

/** Sets helmet's headers for the door, and returns the correlation ids to the caller. */
export function createSecureHeaders(overTls: boolean, draining: () => boolean): Step {
  const api = helmetHeaders(apiOptions(overTls));
  const page = [...helmetHeaders(pageOptions(overTls)), 'Permissions-Policy', NO_FEATURES];
  return ({ head, meta, web }) => {
    head.push(...(web === null ? api : page), 'X-Request-Id', meta.requestId, 'Traceparent', meta.traceparent);
    if (draining()) head.push('Connection', 'close');
  };
}
