/**
 * Every error code that a caller or an operator can meet. One row is the whole public truth of a code: the HTTP
 * status, the title of the problem document, what it means and what to do. `docs/errors.md` is generated from here.
 */
export const ERROR_CODES = {
  GW_BAD_REQUEST: {
    status: 400,
    title: 'The request is malformed',
    meaning: 'The request line, a header or the framing of the message breaks HTTP or is ambiguous.',
    mend: 'Send one well-formed HTTP/1.1 request; the detail names the part that was refused.',
  },
  GW_BAD_PATH: {
    status: 400,
    title: 'The path is not acceptable',
    meaning: 'The request target holds a sequence that two programs could read differently.',
    mend: 'Send the plain path, for example /api/v3/jobs/45080, without dot segments or encoded separators.',
  },
  GW_BAD_BODY: {
    status: 400,
    title: 'The body cannot be read',
    meaning: 'The body is not what its Content-Type says, or a required field is missing.',
    mend: 'Correct the body; the detail names the field or the position.',
  },
  GW_UNAUTHENTICATED: {
    status: 401,
    title: 'No valid credential',
    meaning: 'The access token is missing, mistyped, unknown, expired or revoked, or its owner may not use it.',
    mend: 'Send `Authorization: Bearer <access token>`; ask for a new token when the old one has ended.',
  },
  GW_SCOPE_MISSING: {
    status: 403,
    title: 'The access token does not allow this call',
    meaning: 'The token is valid, but its scopes do not cover the class of this route.',
    mend: 'Use a token with the scope that the detail names.',
  },
  GW_ROUTE_CLOSED: {
    status: 403,
    title: 'This write is not open',
    meaning: 'The route is not in the table of known vovserver routes, and unknown writes are refused.',
    mend: 'Ask the administrator to list the route under `access.extraRoutes` if it is meant to be open.',
  },
  GW_NO_ACCOUNT: {
    status: 403,
    title: 'No vovserver account for this user',
    meaning: 'No identity rule maps this user to a vovserver account of this queue, or a rule denies it.',
    mend: 'The administrator adds a rule under `identity.rules`; `vovgw explain user <name>` shows which rule decided.',
  },
  GW_NOT_YOURS: {
    status: 403,
    title: 'The job is not yours',
    meaning: 'The job was submitted by somebody else, or by nobody whom the gateway knows on a shared account.',
    mend: 'Control your own jobs; an operator can tell whose it is.',
  },
  GW_NOT_FILTERABLE: {
    status: 403,
    title: 'This read cannot be kept to your own jobs',
    meaning:
      'Under `jobs.visibility: own` a read is served when the gateway can leave the jobs of others out of its answer. This one could show them, or its answer is too long to be looked through.',
    mend: 'Change the read as the detail says; the administrator lists objects without jobs under `jobs.openObjects`.',
  },
  GW_CROSS_SITE: {
    status: 403,
    title: 'The request came from another site',
    meaning: 'A call with the session cookie that changes something must come from the gateway’s own pages.',
    mend: 'Open the page again and repeat it there; programs use an access token instead of the cookie.',
  },
  GW_ROLE_MISSING: {
    status: 403,
    title: 'Your role does not allow this',
    meaning: 'The call needs the role operator or admin.',
    mend: 'The administrator gives roles under `identity.roles`.',
  },
  GW_SIGN_IN_FAILED: {
    status: 403,
    title: 'The sign-in did not succeed',
    meaning:
      'The answer of the identity provider was not accepted, came too late, came twice or belongs to another browser. The reason is in the log only.',
    mend: 'Start the sign-in again; if it stays, tell the administrator the request id.',
  },
  GW_SIGN_IN_DENIED: {
    status: 403,
    title: 'You may not use this gateway',
    meaning: 'The identity provider vouches for you, but the rules of the gateway do not let you in.',
    mend: 'The administrator looks at the sign-in rules; `vovgw explain user <assertion.json>` shows which one decided.',
  },
  GW_IDENTITY_CONFLICT: {
    status: 403,
    title: 'Another identity has this name or account',
    meaning:
      'Your user name or vovserver account was first used by another identity, so it is not given to a second one.',
    mend: 'The administrator decides whose it is: `vovgw binding list`, then `vovgw binding give` or `vovgw binding remove`. The same person through two providers needs one `realm` in both.',
  },
  GW_NOT_FOUND: {
    status: 404,
    title: 'Nothing is served here',
    meaning: 'The gateway serves /api/v3/ and its own pages only.',
    mend: 'Check the path.',
  },
  GW_METHOD_NOT_ALLOWED: {
    status: 405,
    title: 'The method is not allowed here',
    meaning: 'The route exists, but not with this method.',
    mend: 'Use one of the methods in the Allow header.',
  },
  GW_KEY_IN_PROGRESS: {
    status: 409,
    title: 'This submission is being worked on',
    meaning: 'A request with the same Idempotency-Key is under way.',
    mend: 'Repeat it with the same key after the seconds in Retry-After; the answer will be that of the first.',
  },
  GW_POLICY: {
    status: 422,
    title: 'The submission is against the policy',
    meaning: 'Fields of the job break rules of this site; the detail names every one. Nothing was submitted.',
    mend: 'Correct the fields; the header `X-Dry-Run: true` checks a submission without making it.',
  },
  GW_KEY_REUSED: {
    status: 422,
    title: 'The Idempotency-Key belongs to another submission',
    meaning: 'The key was used before with another body.',
    mend: 'Take a new key for a new submission.',
  },
  GW_BODY_TOO_LARGE: {
    status: 413,
    title: 'The body is too large',
    meaning: 'The body exceeds the limit of this route.',
    mend: 'Send less; the administrator sets `server.limits.bodyBytes`.',
  },
  GW_URI_TOO_LONG: {
    status: 414,
    title: 'The request target is too long',
    meaning: 'The path and query exceed `server.limits.urlBytes`.',
    mend: 'Shorten the query.',
  },
  GW_UNSUPPORTED_MEDIA_TYPE: {
    status: 415,
    title: 'The content type is not accepted here',
    meaning: 'The route needs another Content-Type than the one that was sent.',
    mend: 'Send the type that the detail names.',
  },
  GW_RATE_LIMITED: {
    status: 429,
    title: 'Your own rate limit is reached',
    meaning: 'This identity, token or address has sent more requests than its limit allows. vovserver is not involved.',
    mend: 'Wait for the seconds in Retry-After; poll less often.',
  },
  GW_QUOTA: {
    status: 429,
    title: 'Your own quota is used up',
    meaning:
      'You, or a group of yours, have submitted as much as `jobs.quotas` allows; the detail names every such quota. Nothing was submitted, and vovserver is not involved.',
    mend: 'Wait for the seconds in Retry-After; with too many live jobs, until some have ended. The administrator sets `jobs.quotas`.',
  },
  GW_LOGIN_LIMITED: {
    status: 429,
    title: 'Too many failed sign-in attempts',
    meaning: 'Too many wrong credentials came from this address or for this token.',
    mend: 'Wait for the seconds in Retry-After, then send the right credential.',
  },
  GW_HEADERS_TOO_LARGE: {
    status: 431,
    title: 'The request headers are too large',
    meaning: 'The header block or the number of headers exceeds the limit.',
    mend: 'Send fewer or smaller headers.',
  },
  GW_INTERNAL: {
    status: 500,
    title: 'The gateway failed',
    meaning: 'A fault of the gateway itself. It is in the log under the request id.',
    mend: 'Report the request id to the administrator.',
  },
  GW_UPSTREAM_INVALID: {
    status: 502,
    title: 'vovserver answered nonsense',
    meaning: 'The answer of vovserver broke HTTP, ended early or was not what this call needs.',
    mend: 'Retry a read; tell the administrator if it stays.',
  },
  GW_UPSTREAM_TLS: {
    status: 502,
    title: 'vovserver failed the TLS policy',
    meaning: 'The certificate or protocol of vovserver does not satisfy the policy of this queue. Nothing was sent.',
    mend: 'The administrator compares `vovgw pin fetch <url>` with the configuration of the queue.',
  },
  GW_UPSTREAM_WRONG_QUEUE: {
    status: 503,
    title: 'Another queue answers at this address',
    meaning: 'The server says it is another queue than the one in the configuration, so it is not used.',
    mend: 'The administrator corrects `queues[].urls` or `queues[].name`.',
  },
  GW_UPSTREAM_DOWN: {
    status: 503,
    title: 'vovserver is not reachable',
    meaning: 'No connection to vovserver, or it is failing over. Nothing was executed.',
    mend: 'Retry after the seconds in Retry-After.',
  },
  GW_SATURATED: {
    status: 503,
    title: 'vovserver has more to do than it can',
    meaning: 'All turns of this kind are taken, and none came free in time. Nothing was sent.',
    mend: 'Retry after the seconds in Retry-After; ask less often, or wait longer with `Prefer: wait=30`.',
  },
  GW_MAINTENANCE: {
    status: 503,
    title: 'No submissions during maintenance',
    meaning:
      'Submissions to this queue, and changes of its jobs, are held back: its server is being worked on or replaced. Nothing was sent; reads and kills go on.',
    mend: 'Retry at the date in Retry-After, the announced end; with the same Idempotency-Key if there was one.',
  },
  GW_PROVIDER_UNAVAILABLE: {
    status: 503,
    title: 'The identity provider is not reachable',
    meaning: 'Metadata, keys or tokens could not be had from the identity provider.',
    mend: 'Retry after the seconds in Retry-After, or sign in another way.',
  },
  GW_CREDENTIAL_UNAVAILABLE: {
    status: 503,
    title: 'No vovserver credential for this account',
    meaning:
      'The credential source has no password for the account, cannot be read, or vovserver rejected the password.',
    mend: 'Where people enrol, give or replace your vovserver password under /ui/credential; otherwise the administrator puts it into the credential source. The log names the account.',
  },
  GW_STORE_UNAVAILABLE: {
    status: 503,
    title: 'The gateway cannot keep its promise right now',
    meaning: 'The shared store (Redis) is away and this call needs it.',
    mend: 'Retry after the seconds in Retry-After.',
  },
  GW_DRAINING: {
    status: 503,
    title: 'This replica is shutting down',
    meaning: 'The process finishes its running requests and takes no new ones.',
    mend: 'Retry; another replica answers.',
  },
  GW_UPSTREAM_TIMEOUT: {
    status: 504,
    title: 'vovserver did not answer in time',
    meaning: 'A read got no answer within the time limit of the queue.',
    mend: 'Retry later; ask for fewer rows.',
  },
  GW_OUTCOME_UNKNOWN: {
    status: 504,
    title: 'It is not known whether vovserver executed this',
    meaning: 'The request may have reached vovserver, but its answer was lost. The gateway did not send it again.',
    mend: 'Repeat a submission that had an Idempotency-Key with the same key: its job is looked for before anything is sent. Else look whether it took effect (list your jobs) before you send it again.',
  },
} as const;

/** A stable error code; the closed set of everything that the gateway answers by itself. */
export type ErrorCode = keyof typeof ERROR_CODES;

/** What may travel with a {@link GatewayError} beside its public text. */
export interface ErrorOptions {
  /** For the log only, never for the caller. */
  readonly internal?: string;
  readonly cause?: unknown;
  /** Whole seconds for the Retry-After header. */
  readonly retryAfter?: number;
  /** The moment for the Retry-After header instead of seconds, where it was announced (RFC 9110, 10.2.3). */
  readonly retryAt?: Date;
  /** Further response headers, for example WWW-Authenticate or Allow. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** The one error family of the gateway. `detail` is public; `internal` and `cause` are for the log. */
export class GatewayError extends Error {
  readonly code: ErrorCode;
  readonly detail: string;
  readonly internal: string | undefined;
  readonly retryAfter: number | undefined;
  readonly retryAt: Date | undefined;
  readonly headers: Readonly<Record<string, string>>;

  constructor(code: ErrorCode, detail: string, options: ErrorOptions = {}) {
    super(`${code}: ${detail}`, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'GatewayError';
    this.code = code;
    this.detail = detail;
    this.internal = options.internal;
    this.retryAfter = options.retryAfter;
    this.retryAt = options.retryAt;
    this.headers = options.headers ?? {};
  }

  get status(): number {
    return ERROR_CODES[this.code].status;
  }

  /** Value of the Retry-After header: an HTTP date or whole seconds; undefined without either. */
  get retryAfterField(): string | undefined {
    if (this.retryAt !== undefined) return this.retryAt.toUTCString();
    return this.retryAfter === undefined ? undefined : String(this.retryAfter);
  }
}

/** The text of an unknown thrown value, for logs. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Turns any thrown value into a {@link GatewayError}; what is not one already becomes GW_INTERNAL with its cause. */
export function toGatewayError(error: unknown): GatewayError {
  if (error instanceof GatewayError) return error;
  return new GatewayError('GW_INTERNAL', 'The gateway failed on this request.', {
    internal: messageOf(error),
    cause: error,
  });
}
