import type { Call, ServerState } from './state.ts';

const FORMS = { both: /^bearer\s*[: ]\s*(\S+)$/i, 'colon-only': /^bearer:(\S+)$/i, 'space-only': /^bearer +(\S+)$/i };

/** Reads the Authorization header: `Bearer:jwt` (tutorial) or `Bearer jwt`, as the profile allows. */
export function authenticate(
  state: ServerState,
  header: string | undefined,
  address: string,
): Pick<Call, 'auth' | 'caller'> {
  if (header === undefined) return { auth: 'missing', caller: null };
  const jwt = FORMS[state.profile.authorization].exec(header)?.[1];
  const issued = jwt === undefined ? null : state.signer.read(jwt);
  if (issued === null) return { auth: 'garbled', caller: null };
  const { sub, jti, lvl } = issued.claims;
  const level = state.profile.levelInToken ? lvl : state.users.level(sub, address);
  const caller = { user: sub, jti, level: level ?? 'READONLY' };
  if (state.clock.now() >= issued.endsAt) return { auth: 'expired', caller };
  return level === null ? { auth: 'refused', caller } : { auth: 'ok', caller };
}
