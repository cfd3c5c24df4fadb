import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import express from 'express';
import type { Clock, GatewayError } from '../kernel/index.ts';
import type { Door } from '../observe/index.ts';
import type { CallerGone } from '../upstream/index.ts';
import type { CallerAddress } from './caller-address.ts';
import { type Correlation, createCorrelation } from './correlation.ts';
import { columnOf, type Steps, walk } from './pipeline.ts';
import type { Scope, Step } from './scope.ts';

const TOKEN_PATH = '/api/v3/token';
const NEVER: CallerGone = new AbortController().signal;

/** The door of a raw target. Only exact spellings open one; every other spelling meets `check message` at the last door. */
export function doorOf(target: string): Door {
  if (!target.startsWith('/api/v3/')) return 'other';
  const end = target.indexOf('?');
  return (end === -1 ? target : target.slice(0, end)) === TOKEN_PATH ? 'token' : 'api';
}

function openScope(
  req: IncomingMessage,
  res: ServerResponse,
  clock: Clock,
  addresses: CallerAddress,
  correlation: Correlation,
): Scope {
  const target = req.url ?? '/';
  const forwardedFor = req.headers['x-forwarded-for'];
  return {
    req,
    res,
    door: doorOf(target),
    meta: {
      requestId: correlation.requestId(req.headers['x-request-id']),
      traceparent: correlation.traceparent(req.headers.traceparent),
      startedAt: clock.now(),
      address: addresses.of(
        req.socket.remoteAddress,
        typeof forwardedFor === 'string' ? forwardedFor : forwardedFor?.join(','),
      ),
      method: req.method ?? 'GET',
      target,
    },
    // Any other expectation is refused by `check message`; HTTP/1.0 knows none.
    expectsContinue: req.headers.expect !== undefined && req.httpVersion === '1.1',
    signal: NEVER,
    head: [],
    queue: null,
    path: '',
    caller: null,
    route: null,
    body: { kind: 'none' },
    account: null,
    result: null,
    bytesOut: 0,
    error: null,
  };
}

/** What the app needs beside its steps. */
export interface AppParts {
  readonly steps: Steps;
  readonly clock: Clock;
  readonly addresses: () => CallerAddress;
  /** Told of faults of the gateway itself; the caller only sees GW_INTERNAL. */
  readonly onInternal: (error: GatewayError, requestId: string) => void;
}

/**
 * Answers every request: it opens a scope and walks the column of its door. The proxied API goes straight to its column;
 * all else goes through Express, whose routing would only cost time there (docs/decisions, “Express and the hot road”).
 */
export function createApp(parts: AppParts): RequestListener {
  const columns = new Map<Door, readonly Step[]>();
  for (const door of ['api', 'token', 'other'] as const) columns.set(door, columnOf(parts.steps, door));
  const correlation = createCorrelation();
  const carry = (req: IncomingMessage, res: ServerResponse): void => {
    const scope = openScope(req, res, parts.clock, parts.addresses(), correlation);
    void walk(columns.get(scope.door) ?? [], scope, (error) => parts.onInternal(error, scope.meta.requestId));
  };
  const app = express();
  app.disable('x-powered-by');
  app.disable('etag');
  app.set('query parser', false);
  app.set('trust proxy', false);
  app.use(carry);
  return (req, res) => (doorOf(req.url ?? '/') === 'api' ? carry(req, res) : app(req, res));
}
