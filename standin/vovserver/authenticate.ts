import type { Call, ServerState } from './state.ts';

const FORMS = {
  both: /^([\w-]+)\s*[: ]\s*(\S+)$/,
  'colon-only': /^([\w-]+):(\S+)$/,
  'space-only': /^([\w-]+) +(\S+)$/,
};

/** The JWT of the header when its scheme is `Bearer` or the `token_type` that logins are answered with. */
function jwtIn({ profile }: ServerState, header: string): string | undefined {
  const [, scheme, jwt] = FORMS[profile.authorization].exec(header) ?? [];
  return ['bearer', profile.tokenType.toLowerCase()].includes(scheme?.toLowerCase() ?? '') ? jwt : undefined;
}

/** Reads the Authorization header: `Bearer:jwt` (tutorial) or `Bearer jwt`, as the profile allows. */
export function authenticate(
  state: ServerState,
  header: string | undefined,
  address: string,
): Pick<Call, 'auth' | 'caller'> {
  if (header === undefined) return { auth: 'missing', caller: null };
  const jwt = jwtIn(state, header);
  const issued = jwt === undefined ? null : state.signer.read(jwt);
  if (issued === null) return { auth: 'garbled', caller: null };
  const { sub, jti, lvl } = issued.claims;
  const level = state.profile.levelInToken ? lvl : state.users.level(sub, address);
  const caller = { user: sub, jti, level: level ?? 'READONLY' };
  if (state.clock.now() >= issued.endsAt) return { auth: 'expired', caller };
  return level === null ? { auth: 'refused', caller } : { auth: 'ok', caller };
}
