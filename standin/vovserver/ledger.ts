import { createHash } from 'node:crypto';

/** One call of the token endpoint. The password is never kept. */
export interface LoginEntry {
  readonly seq: number;
  /** Milliseconds since the epoch, on the stand-in's clock. */
  readonly at: number;
  readonly user: string;
  readonly result: 'ok' | 'rejected' | 'malformed' | 'fault';
  /** The `jti` of the JWT that was given. */
  readonly jti: string | null;
  readonly connection: number;
}

/** One request as it reached the stand-in. */
export interface RequestEntry {
  readonly seq: number;
  readonly at: number;
  /** The user of the JWT; null without a JWT that this process issued. */
  readonly account: string | null;
  readonly auth: 'ok' | 'missing' | 'garbled' | 'expired' | 'refused';
  readonly jti: string | null;
  readonly method: string;
  readonly target: string;
  /** Name and value in turns, as received; the credential in Authorization is cut out. */
  readonly rawHeaders: readonly string[];
  readonly bodyBytes: number;
  readonly bodySha256: string | null;
  /** The first 64 KiB of the body, for job routes only. */
  readonly body: string | null;
  readonly connection: number;
  /** Null while there is no answer, or when there never was one. */
  status: number | null;
  /** Kind of the fault that was played, if any. */
  fault: string | null;
}

export interface JobEntry {
  readonly seq: number;
  readonly at: number;
  readonly id: number;
  readonly user: string;
  readonly command: string;
  readonly logfile: string;
}

/** Bytes that were no HTTP request. */
export interface MalformedEntry {
  readonly seq: number;
  readonly at: number;
  readonly connection: number;
  readonly code: string;
}

/** Everything that reached the stand-in, in order. */
export interface Ledger {
  readonly logins: readonly LoginEntry[];
  readonly requests: readonly RequestEntry[];
  readonly jobs: readonly JobEntry[];
  readonly malformed: readonly MalformedEntry[];
  /** The sequence number of the newest entry. */
  readonly seq: number;
  clear(): void;
}

/** The side of the ledger that the server writes to; `null` entries mean that the ledger is off. */
export interface LedgerWriter extends Ledger {
  login(entry: Omit<LoginEntry, 'seq'>): void;
  request(entry: Omit<RequestEntry, 'seq' | 'bodyBytes' | 'bodySha256' | 'body'>, body: Buffer): RequestEntry;
  job(entry: Omit<JobEntry, 'seq'>): void;
  broken(entry: Omit<MalformedEntry, 'seq'>): void;
}

const BODY_KEPT = 65_536;
const ENTRIES_KEPT = 500_000;
const LOGIN_ROUTE = /^\/api\/v\d\/token(?:[/?]|$)/;
const JOB_ROUTE = /^\/api\/v\d\/jobs(?:[/?]|$)/;

/** Cuts the credential out of raw headers but leaves the form: `Bearer:[redacted]`. */
function redact(rawHeaders: readonly string[]): string[] {
  return rawHeaders.map((value, index) =>
    index % 2 === 1 && rawHeaders[index - 1]?.toLowerCase() === 'authorization'
      ? value.replace(/^([A-Za-z]*[: ]\s*)?.*$/s, '$1[redacted]')
      : value,
  );
}

function push<T>(list: T[], entry: T): T {
  if (list.length >= ENTRIES_KEPT) list.splice(0, ENTRIES_KEPT / 10);
  list.push(entry);
  return entry;
}

/** Makes an empty ledger that keeps the newest 500 000 entries of each kind. */
export function createLedger(): LedgerWriter {
  const logins: LoginEntry[] = [];
  const requests: RequestEntry[] = [];
  const jobs: JobEntry[] = [];
  const malformed: MalformedEntry[] = [];
  let seq = 0;
  return {
    logins,
    requests,
    jobs,
    malformed,
    get seq() {
      return seq;
    },
    clear() {
      for (const list of [logins, requests, jobs, malformed]) list.length = 0;
    },
    login: (entry) => void push(logins, { seq: ++seq, ...entry }),
    job: (entry) => void push(jobs, { seq: ++seq, ...entry }),
    broken: (entry) => void push(malformed, { seq: ++seq, ...entry }),
    request(entry, body) {
      const kept = JOB_ROUTE.test(entry.target) && body.length > 0;
      return push(requests, {
        seq: ++seq,
        ...entry,
        rawHeaders: redact(entry.rawHeaders),
        bodyBytes: body.length,
        // A login's body holds the password, and a hash of a short body can be guessed back.
        bodySha256:
          body.length === 0 || LOGIN_ROUTE.test(entry.target) ? null : createHash('sha256').update(body).digest('hex'),
        body: kept ? body.toString('utf8', 0, BODY_KEPT) : null,
      });
    },
  };
}
