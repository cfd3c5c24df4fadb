import type { BearerConfig } from '../../config/index.ts';
import { SCOPES, type TokenScope } from '../../kernel/index.ts';

/** Words of `scope` (RFC 8693, section 4.2: one text) or `scp` (a text or a list). */
function wordsOf(claims: Readonly<Record<string, unknown>>): readonly string[] {
  return [claims.scope, claims.scp].flatMap((claim) => {
    if (typeof claim === 'string') return claim.split(' ');
    return Array.isArray(claim) ? claim.filter((word) => typeof word === 'string') : [];
  });
}

/** What a bearer may do: all that its entry allows, or with `scopeNames` what the words of its scope claim grant of it. */
export function bearerScopes(
  config: Pick<BearerConfig, 'scopes' | 'scopeNames'>,
  claims: Readonly<Record<string, unknown>>,
): ReadonlySet<TokenScope> {
  const { scopes, scopeNames } = config;
  if (scopeNames === undefined) return new Set(scopes);
  const names = new Map(Object.entries(scopeNames));
  const granted = new Set(wordsOf(claims).map((word) => names.get(word)));
  return new Set(SCOPES.filter((scope) => scopes.includes(scope) && granted.has(scope)));
}
