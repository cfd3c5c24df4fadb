import type { Clock } from '../../kernel/index.ts';
import type { Report } from '../../observe/index.ts';
import type { CallerGone, GoneListener, Holder } from '../../upstream/index.ts';
import type { Scope, Step } from '../scope.ts';
import type { StillKnown } from '../still-known.ts';

/** What an AbortController does, at a tenth of its price: it is made for every request. */
class Gone implements CallerGone, Holder {
  aborted = false;
  readonly #listeners: GoneListener[] = [];
  readonly #scope: Scope;
  readonly #isKnown: StillKnown;

  constructor(scope: Scope, isKnown: StillKnown) {
    this.#scope = scope;
    this.#isKnown = isKnown;
  }

  stillHolds(): Promise<void> {
    return this.#isKnown(this.#scope);
  }

  addEventListener(_type: 'abort', listener: GoneListener): void {
    this.#listeners.push(listener);
  }

  removeEventListener(_type: 'abort', listener: GoneListener): void {
    const at = this.#listeners.indexOf(listener);
    if (at !== -1) this.#listeners.splice(at, 1);
  }

  abort(): void {
    this.aborted = true;
    const event = new Event('abort');
    for (const listener of this.#listeners.splice(0)) listener.handleEvent(event);
  }
}

/** Path without query, bounded, for the log. */
const logPath = (target: string): string => {
  const query = target.indexOf('?');
  return target.slice(0, Math.min(200, query === -1 ? target.length : query));
};

/** Made for every request, so one literal of one shape. */
function record(report: Report, clock: Clock, scope: Scope, aborted: boolean): void {
  const { meta, caller, error, result } = scope;
  report.requestEnded({
    door: scope.door,
    requestId: meta.requestId,
    traceparent: meta.traceparent,
    method: meta.method,
    route: scope.route?.template ?? scope.web?.route.path ?? 'none',
    path: logPath(meta.target),
    status: scope.res.headersSent ? scope.res.statusCode : 0,
    seconds: (clock.now() - meta.startedAt) / 1000,
    upstreamSeconds: result?.seconds,
    bytesOut: result?.bytesOut ?? scope.bytesOut,
    address: meta.address,
    queue: scope.queue ?? undefined,
    user: caller?.identity.user,
    account: scope.account?.name,
    tokenId: caller?.tokenId,
    tokenLabel: caller?.tokenLabel,
    code: error?.code,
    internal: error?.internal,
    aborted,
  });
}

/** Counts the request in, and writes its one record when the connection is done with it, however it ends. */
export function createBeginRecord(report: Report, clock: Clock, isKnown: StillKnown): Step {
  return (scope) => {
    const gone = new Gone(scope, isKnown);
    scope.signal = gone;
    report.requestStarted(scope.door);
    scope.res.once('close', () => {
      const aborted = !scope.res.writableFinished || scope.result?.complete === false;
      if (!scope.res.writableFinished) gone.abort();
      record(report, clock, scope, aborted);
    });
  };
}
