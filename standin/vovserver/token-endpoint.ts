import type { LoginEntry } from './ledger.ts';
import { errorReply, jsonReply, type Reply } from './reply.ts';
import type { Call, ServerState } from './state.ts';

const FORM = /^application\/x-www-form-urlencoded\s*(?:;|$)/i;

/** User name and password of a form body, percent-decoded as UTF-8; null when one is missing. */
export function readLoginForm(body: Buffer): { user: string; password: string } | null {
  const form = new URLSearchParams(body.toString('latin1'));
  const user = form.get('username');
  const password = form.get('password');
  return user === null || password === null || user === '' ? null : { user, password };
}

function note(state: ServerState, call: Call, entry: Pick<LoginEntry, 'user' | 'result' | 'jti'>): void {
  state.ledger?.login({ at: state.clock.now(), connection: call.connection, ...entry });
}

/**
 * Answers `POST /api/v3/token` (tutorial, getToken.py). An unknown user and a wrong password are told apart by nothing.
 * `refuse` plays a server that rejects a good password.
 */
export function answerToken(state: ServerState, call: Call, refuse: boolean): Reply {
  const form = FORM.test(call.contentType) ? readLoginForm(call.body) : null;
  if (form === null) {
    note(state, call, { user: '', result: 'malformed', jti: null });
    return errorReply(400, 'username and password are needed, form-encoded');
  }
  const { profile, users } = state;
  const good = !refuse && users.check(form.user, form.password, profile.lockAfter);
  const level = good ? users.level(form.user, call.address) : null;
  if (level === null) {
    note(state, call, { user: form.user, result: 'rejected', jti: null });
    return errorReply(profile.badLoginStatus, 'Invalid username or password');
  }
  const life = profile.jwtLifeMs - Math.floor(state.random() * profile.jwtJitterMs);
  const { jwt, claims } = state.signer.issue(form.user, level, state.clock.now(), life, profile.jwtSaysExpiry);
  note(state, call, { user: form.user, result: 'ok', jti: claims.jti });
  const answer = { token_type: profile.tokenType, access_token: jwt };
  return jsonReply(200, profile.expiresIn ? { ...answer, expires_in: Math.floor(life / 1000) } : answer);
}
