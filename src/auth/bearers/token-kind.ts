/** Claims of ID tokens, logout tokens and other kinds (RFC 8725, section 3.12), and of tokens bound to a key that nobody asks for here. */
const FOREIGN = ['nonce', 'at_hash', 'c_hash', 's_hash', 'events', 'cnf'] as const;
/** What some providers write into `typ` or `token_use` to tell their kinds of token apart, in lower case. */
const OTHER_KINDS: ReadonlySet<string> = new Set(['id', 'refresh', 'offline', 'logout']);

const isOther = (value: unknown): boolean => typeof value === 'string' && OTHER_KINDS.has(value.toLowerCase());

/** Why claims are not those of a plain access token, whoever vouches for them; null when they may be. */
export function kindFault(claims: Readonly<Record<string, unknown>>): string | null {
  const foreign = FOREIGN.find((name) => claims[name] !== undefined);
  if (foreign !== undefined) return `it is no plain access token: it has ${foreign}`;
  return isOther(claims.typ) || isOther(claims.token_use) ? 'its claims say that it is no access token' : null;
}
