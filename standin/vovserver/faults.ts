/** Every way in which the stand-in can misbehave on the wire; `docs` of each in FAULT_KINDS. */
export const FAULT_KINDS = {
  delay: 'waits `ms` (1000), then goes on; adds to what later rules do',
  hang: 'never answers; with `executed`, does the work first',
  'refuse-jwt': 'answers as to a bad JWT, although it is good',
  'reject-password': 'answers as to a wrong password, although it is right',
  answer:
    'answers `status` (500) with a `body` of html (default), json or empty, or with `text` as JSON; with `executed`, does the work first',
  redirect: 'answers `status` (302) with Location: `location`',
  'reset-before': 'resets the connection, having done nothing',
  'reset-after': 'does the work, then resets the connection without an answer',
  'reset-mid-body': 'does the work, sends half of the answer and resets',
  'slow-body': 'sends the answer in pieces of `bytes` (1), one every `ms` (100)',
  'truncated-json': 'sends half of the body with a Content-Length that fits',
  'short-body': 'ends the connection cleanly before Content-Length is reached',
  'long-body': 'sends more bytes than Content-Length says',
  'invalid-utf8': 'puts bytes that are no UTF-8 into the body',
  'duplicate-keys': 'sends JSON with every key twice',
  'huge-rows': 'answers a query reply of `rows` (100000) rows',
  'endless-body': 'sends a body without end, as fast as it is read',
  bomb: 'answers gzip that inflates to `bytes` (64 MiB)',
  'no-length': 'sends no Content-Length; the end of the connection ends the body',
  'status-line': 'sends `line` (HTTP/1.1 099 Odd) as the status line',
  'bad-header': 'sends a header with a control character and one without a colon',
  'huge-header': 'sends a header of `bytes` (1 MiB)',
  'many-headers': 'sends `count` (10000) headers',
  'odd-headers': 'sends Set-Cookie, Server, X-Powered-By, Connection: x-secret and X-Secret',
  'duplicate-length': 'sends two Content-Length headers that differ',
  'length-and-chunked': 'sends Content-Length and Transfer-Encoding: chunked',
  'bad-chunk': 'sends a chunked body whose second chunk size is no number',
  trailers: 'sends a chunked body with a trailer',
  'informational-flood': 'sends `count` (1000) answers 103 before the real one',
  'extra-bytes': 'after the answer writes `text` (a whole forged answer) onto the idle connection',
  raw: 'writes `text` instead of an answer and closes',
} as const;
export type FaultKind = keyof typeof FAULT_KINDS;

/** One fault, whom it hits and how often. Lower rules are looked at only when higher ones do not hit. */
export interface FaultRule {
  readonly kind: FaultKind;
  /** Regular expression on the raw target; default all. */
  readonly path?: string;
  readonly method?: string;
  /** User of the JWT. */
  readonly account?: string;
  /** Hits so many calls, then never again. */
  readonly times?: number;
  /** Leaves so many calls alone first. */
  readonly skip?: number;
  /** 0 to 1; default 1. */
  readonly probability?: number;
  readonly ms?: number;
  readonly executed?: boolean;
  readonly status?: number;
  readonly body?: 'html' | 'json' | 'empty';
  readonly location?: string;
  readonly bytes?: number;
  readonly rows?: number;
  readonly count?: number;
  readonly line?: string;
  readonly text?: string;
}

/** Load and misbehaviour. Zero is off throughout. */
export interface Faults {
  /** Milliseconds of the single service loop per request, and per row of a read. */
  readonly serviceMs: number;
  readonly rowMs: number;
  /** Heavy reads (lists) served at once, as `thread.service.max`. */
  readonly heavyReads: number;
  /** Milliseconds of a submission beyond serviceMs. */
  readonly submitMs: number;
  /** Milliseconds of the loop's other phases; each http phase serves those light requests that were there when it began. */
  readonly loopMs: number;
  /** Chance in all these times: 0 all equal, 1 exponential. */
  readonly spread: number;
  /** Each heavy read beyond heavyReads, at work or waiting, makes all of them slower by this share. */
  readonly contention: number;
  /** Milliseconds that a login takes, right or wrong. */
  readonly loginMs: number;
  /** More connections than this are accepted and closed at once, as `maxNormalClients`. */
  readonly maxConnections: number;
  /** The server closes a connection after so many requests. */
  readonly requestsPerConnection: number;
  readonly rules: readonly FaultRule[];
}

/** A server that behaves. */
export const NO_FAULTS: Faults = {
  serviceMs: 0,
  rowMs: 0,
  heavyReads: 2,
  submitMs: 0,
  loopMs: 0,
  spread: 0,
  contention: 0,
  loginMs: 0,
  maxConnections: 0,
  requestsPerConnection: 0,
  rules: [],
};

const RULE_TYPES: Readonly<Record<keyof FaultRule, 'string' | 'number' | 'boolean'>> = {
  kind: 'string',
  path: 'string',
  method: 'string',
  account: 'string',
  times: 'number',
  skip: 'number',
  probability: 'number',
  ms: 'number',
  executed: 'boolean',
  status: 'number',
  body: 'string',
  location: 'string',
  bytes: 'number',
  rows: 'number',
  count: 'number',
  line: 'string',
  text: 'string',
};

const isRuleKey = (key: string): key is keyof FaultRule => Object.hasOwn(RULE_TYPES, key);

function isPattern(source: string): boolean {
  try {
    return new RegExp(source) instanceof RegExp;
  } catch {
    return false;
  }
}

function ruleFaults(rule: unknown, index: number): string[] {
  const where = `faults.rules[${index}]`;
  if (typeof rule !== 'object' || rule === null) return [`${where}: must be an object`];
  const fields = new Map(Object.entries(rule));
  const kind = fields.get('kind');
  const found = [...fields].flatMap(([key, value]) => {
    if (!isRuleKey(key)) return [`${where}.${key}: unknown; there are ${Object.keys(RULE_TYPES).join(', ')}`];
    return typeof value === RULE_TYPES[key] ? [] : [`${where}.${key}: must be a ${RULE_TYPES[key]}`];
  });
  if (typeof kind !== 'string' || !Object.hasOwn(FAULT_KINDS, kind)) {
    found.push(`${where}.kind: must be one of ${Object.keys(FAULT_KINDS).join(', ')}`);
  }
  const path = fields.get('path');
  if (typeof path === 'string' && !isPattern(path)) found.push(`${where}.path: is no regular expression`);
  return found;
}

function changeFault(key: string, value: unknown): string[] {
  if (key === 'rules') return Array.isArray(value) ? value.flatMap(ruleFaults) : ['faults.rules: must be a list'];
  if (!Object.hasOwn(NO_FAULTS, key)) {
    return [`faults.${key}: no such switch; there are ${Object.keys(NO_FAULTS).join(', ')}`];
  }
  return typeof value === 'number' && value >= 0 ? [] : [`faults.${key}: must be a number, 0 or more`];
}

/** The faults with these switches set; `rules` are replaced as a whole. Throws RangeError that lists all that is wrong. */
export function changeFaults(faults: Faults, change: object): Faults {
  const wrong = Object.entries(change).flatMap(([key, value]) => changeFault(key, value));
  if (wrong.length > 0) throw new RangeError(wrong.join('\n'));
  return { ...faults, ...change };
}
