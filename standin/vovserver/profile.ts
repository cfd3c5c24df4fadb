/**
 * Everything about vovserver that no public page settles, as switches. A gateway must work under every setting.
 * The defaults are the documented or the likeliest behaviour. Durations are milliseconds.
 */
export interface Profile {
  /** The literal `token_type` of a login answer. */
  readonly tokenType: string;
  /** Which forms of the Authorization header are taken: `Bearer:jwt` (documented), `Bearer jwt`, or both. */
  readonly authorization: 'both' | 'colon-only' | 'space-only';
  /** Status of a login with a wrong user name or password. */
  readonly badLoginStatus: 400 | 401 | 403;
  /** Status and body when the JWT is missing, garbled or expired. */
  readonly unauthenticatedStatus: 401 | 403;
  readonly unauthenticatedBody: 'json' | 'html' | 'empty';
  /** Whether the login answer holds `expires_in` (seconds). */
  readonly expiresIn: boolean;
  /** Life of a JWT, and how far a single one may fall short of it. */
  readonly jwtLifeMs: number;
  readonly jwtJitterMs: number;
  /** False: the JWT has no `exp` claim, but ends all the same. */
  readonly jwtSaysExpiry: boolean;
  readonly tokensSurviveRestart: boolean;
  /** True: the level of the time of login counts. False: the level of now. */
  readonly levelInToken: boolean;
  /** Refuse a user after this many wrong passwords in a row, as PAM can; 0 for never. */
  readonly lockAfter: number;
  /** What plain HTTP on the TLS port gets. */
  readonly plainHttp: 'bad-request' | 'redirect' | 'served';
  /** `legacy`: no REST v3 at all. */
  readonly provider: 'internal' | 'legacy';
  readonly minTls: 'TLSv1.2' | 'TLSv1.3';
  readonly maxTls: 'TLSv1.2' | 'TLSv1.3';
  /** Whether a restart makes a new self-signed certificate. */
  readonly newCertificateAtRestart: boolean;
  readonly keepAliveMs: number;
  readonly submitStatus: 200 | 201;
  readonly jobIdType: 'int' | 'string';
  readonly unknownJobKey: 'ignored' | 'refused';
  readonly duplicateLogfile: 'error' | 'sleeping';
  readonly forgottenJob: '404' | 'empty';
  readonly unknownField: 'errmsg' | '400';
  readonly badQuery: 'errmsg' | '400';
  readonly errorKey: 'errmsg' | 'errormsg';
  /** `documented`: upper case for jobs, as requested for single fields and other objects. */
  readonly columnCase: 'documented' | 'upper' | 'lower' | 'requested';
  readonly emptyRows: 'omitted' | 'list';
  readonly deleteRunning: 'refused' | 'accepted';
  readonly denial: '403' | '401' | 'errmsg';
  /** Members of the group `System:jobmodify`, comma separated; empty when the group does not exist. */
  readonly jobModifyGroup: string;
  readonly projectNeedsLogin: boolean;
  /** Whether the documentation page under /html/ is open to everyone or wants a JWT. */
  readonly documentation: 'open' | 'login';
  /** Rows of a query without `limit`; 0 for all. */
  readonly defaultLimit: number;
  readonly schedulerSuspended: boolean;
  /** How long a job stays Idle and then at least Queued. */
  readonly idleMs: number;
  readonly queuedMs: number;
  /** Jobs that run at once. */
  readonly slots: number;
  /** When a job is forgotten after its end: Done, and every other resting state. */
  readonly forgetDoneMs: number;
  readonly forgetOthersMs: number;
}

const HOUR = 3_600_000;

/** The documented or likeliest vovserver. */
export const DEFAULT_PROFILE: Profile = {
  tokenType: 'Bearer',
  authorization: 'both',
  badLoginStatus: 401,
  unauthenticatedStatus: 401,
  unauthenticatedBody: 'json',
  expiresIn: false,
  jwtLifeMs: 4 * HOUR,
  jwtJitterMs: 0,
  jwtSaysExpiry: true,
  tokensSurviveRestart: false,
  levelInToken: true,
  lockAfter: 0,
  plainHttp: 'bad-request',
  provider: 'internal',
  minTls: 'TLSv1.3',
  maxTls: 'TLSv1.3',
  newCertificateAtRestart: true,
  keepAliveMs: 60_000,
  submitStatus: 200,
  jobIdType: 'int',
  unknownJobKey: 'ignored',
  duplicateLogfile: 'error',
  forgottenJob: '404',
  unknownField: 'errmsg',
  badQuery: 'errmsg',
  errorKey: 'errmsg',
  columnCase: 'documented',
  emptyRows: 'omitted',
  deleteRunning: 'refused',
  denial: '403',
  jobModifyGroup: '',
  projectNeedsLogin: true,
  documentation: 'open',
  defaultLimit: 0,
  schedulerSuspended: false,
  idleMs: 100,
  queuedMs: 100,
  slots: 1000,
  forgetDoneMs: HOUR,
  forgetOthersMs: 48 * HOUR,
};

/** The values that a switch may take; a switch that is not here takes any value of its default's type. */
export const PROFILE_CHOICES: { readonly [K in keyof Profile]?: readonly Profile[K][] } = {
  authorization: ['both', 'colon-only', 'space-only'],
  badLoginStatus: [400, 401, 403],
  unauthenticatedStatus: [401, 403],
  unauthenticatedBody: ['json', 'html', 'empty'],
  plainHttp: ['bad-request', 'redirect', 'served'],
  provider: ['internal', 'legacy'],
  minTls: ['TLSv1.2', 'TLSv1.3'],
  maxTls: ['TLSv1.2', 'TLSv1.3'],
  submitStatus: [200, 201],
  jobIdType: ['int', 'string'],
  unknownJobKey: ['ignored', 'refused'],
  duplicateLogfile: ['error', 'sleeping'],
  forgottenJob: ['404', 'empty'],
  unknownField: ['errmsg', '400'],
  badQuery: ['errmsg', '400'],
  errorKey: ['errmsg', 'errormsg'],
  columnCase: ['documented', 'upper', 'lower', 'requested'],
  emptyRows: ['omitted', 'list'],
  deleteRunning: ['refused', 'accepted'],
  denial: ['403', '401', 'errmsg'],
  documentation: ['open', 'login'],
};

const isKey = (key: string): key is keyof Profile => Object.hasOwn(DEFAULT_PROFILE, key);

function fault(key: string, value: unknown): string | null {
  if (!isKey(key)) return `profile.${key}: no such switch; there are ${Object.keys(DEFAULT_PROFILE).join(', ')}`;
  const choices: readonly unknown[] | undefined = PROFILE_CHOICES[key];
  if (choices !== undefined) return choices.includes(value) ? null : `profile.${key}: must be ${choices.join(' or ')}`;
  const type = typeof DEFAULT_PROFILE[key];
  if (typeof value !== type) return `profile.${key}: must be a ${type}`;
  return typeof value === 'number' && !(value >= 0) ? `profile.${key}: must not be negative` : null;
}

/** The profile with these switches set. Throws RangeError that lists every unknown switch or value. */
export function changeProfile(profile: Profile, change: object): Profile {
  const faults = Object.entries(change).flatMap(([key, value]) => fault(key, value) ?? []);
  if (faults.length > 0) throw new RangeError(faults.join('\n'));
  return { ...profile, ...change };
}

/** Reads `key=value` of a command line into a change of the profile. */
export function readSwitch(text: string): Partial<Profile> {
  const at = text.indexOf('=');
  const key = text.slice(0, at);
  const value = text.slice(at + 1);
  if (at < 1 || !isKey(key)) throw new RangeError(fault(at < 1 ? text : key, value) ?? text);
  const type = typeof DEFAULT_PROFILE[key];
  if (type === 'number') return { [key]: Number(value) };
  if (type === 'boolean' && (value === 'true' || value === 'false')) return { [key]: value === 'true' };
  return { [key]: value };
}
