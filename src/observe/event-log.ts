import type { Log } from './log.ts';
import { createQuote, requestText } from './log-fields.ts';
import type {
  CertificateRecord,
  CredentialEvent,
  LoginRecord,
  Report,
  RequestRecord,
  SignInRecord,
  UpstreamRecord,
} from './report.ts';

/** The last moment that a Date can hold, milliseconds since the epoch (ECMA-262, time range). */
const LAST_DATE = 8.64e15;

/** The events that also leave a line in the log. */
export type EventLog = Pick<
  Report,
  'requestEnded' | 'upstream' | 'certificate' | 'login' | 'signIn' | 'credential' | 'store' | 'configReload'
>;

/** ISO 8601, or `unknown` for what is no time: a certificate may carry anything. */
const dateText = (ms: number): string => (Math.abs(ms) <= LAST_DATE ? new Date(ms).toISOString() : 'unknown');

function certificateLine(log: Log, record: CertificateRecord): void {
  const { queue, host, level, notAfter, pin } = record;
  const facts = [
    notAfter === null ? 'no certificate' : `valid until ${dateText(notAfter)}`,
    pin === null ? '' : `public key ${pin}`,
  ].filter((fact) => fact !== '');
  const fields = { event: 'upstream_certificate', queue, host, level_tls: level, reason: facts.join(', ') };
  if (level === 3) log.logger.info(fields, 'certificate of vovserver verified');
  else log.logger.warn(fields, 'the identity of vovserver is not verified');
}

function loginLine(log: Log, record: LoginRecord): void {
  const { queue, account, reason, result, seconds, detail } = record;
  // In this order, because `no_password: …` looks like a password to the mask.
  const why = `${result} (${reason})${detail === undefined ? '' : `: ${detail}`}`;
  const fields = { event: 'jwt_login', queue, account, seconds, reason: why };
  if (result === 'ok') log.logger.info(fields, 'logged in at vovserver');
  else log.logger.warn(fields, 'login at vovserver failed');
}

function signInLine(log: Log, record: SignInRecord): void {
  const { provider, method, result, reason, user, subject, address, requestId } = record;
  const why = reason === undefined ? `${method}: ${result}` : `${method}: ${result}: ${reason}`;
  const who = { ...(user === undefined ? {} : { user }), ...(subject === undefined ? {} : { subject }) };
  const fields = { event: 'sign_in', provider, ...who, address, request_id: requestId, reason: why };
  if (result === 'ok') log.logger.info(fields, 'signed in');
  else log.logger.warn(fields, 'sign-in refused');
}

function credentialLine(log: Log, event: CredentialEvent): void {
  const { what, user, subject, id, reason, address, requestId } = event;
  const [kind] = what.split('_');
  const named = kind === 'session' ? { session_id: id } : kind === 'password' ? { account: id } : { token_id: id };
  const more = {
    ...(reason === undefined ? {} : { reason }),
    ...(address === undefined ? {} : { address }),
    ...(requestId === undefined ? {} : { request_id: requestId }),
  };
  log.logger.info({ event: what, user, subject, ...named, ...more }, what.replace('_', ' '));
}

/** Writes the log lines of the events; states that repeat are written when they change. */
export function createEventLog(log: Log, requests: boolean): EventLog {
  const certificates = new Map<string, string>();
  const quote = createQuote();
  let storeState = '';
  return {
    requestEnded(record: RequestRecord) {
      if (requests) log.text(record.status >= 500 ? 'warn' : 'info', () => requestText(record, quote), 'request');
    },
    upstream({ queue, route, method, result, seconds }: UpstreamRecord) {
      if (typeof result === 'number') return;
      log.logger.debug({ event: 'upstream', queue, seconds, reason: `${method} ${route}: ${result}` }, 'no answer');
    },
    certificate(record) {
      const seen = `${record.host} ${record.level} ${record.notAfter} ${record.pin}`;
      if (certificates.get(record.queue) === seen) return;
      certificates.set(record.queue, seen);
      certificateLine(log, record);
    },
    login: (record) => loginLine(log, record),
    signIn: (record) => signInLine(log, record),
    credential: (event) => credentialLine(log, event),
    store(state, reason) {
      if (state === storeState) return;
      storeState = state;
      const fields = { event: 'store', reason };
      if (state === 'up') log.logger.info(fields, 'the shared store answers');
      else log.logger.error(fields, 'the shared store is away');
    },
    configReload(ok) {
      const fields = { event: 'config_reload' };
      if (ok) log.logger.info(fields, 'configuration accepted');
      else log.logger.error(fields, 'configuration refused; the last good one stays in force');
    },
  };
}
