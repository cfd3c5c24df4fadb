import type { BearerConfig } from '../../config/index.ts';
import type { Clock } from '../../kernel/index.ts';
import { createDiscovery } from '../oidc/discovery.ts';
import { createKeySet } from '../oidc/key-set.ts';
import type { ProviderCalls } from '../oidc/provider-calls.ts';
import { TokenRefused, typeOf, type VerifiedToken, verifyToken } from '../oidc/verify-token.ts';
import { type BearerWay, TRUST } from './bearer-way.ts';
import { kindFault } from './token-kind.ts';

type JwtConfig = Extract<BearerConfig, { type: 'jwt' }>;

/** Access tokens that an issuer signs (RFC 9068). */
export function createJwtWay(config: JwtConfig, calls: ProviderCalls, clock: Clock): BearerWay {
  const { issuer, jwksUrl, audience, algorithms, clockSkew } = config;
  const discovery = createDiscovery({ issuer, calls, clock });
  const url = async (): Promise<string> => jwksUrl ?? (await discovery.get()).jwks_uri;
  const keys = createKeySet({ url, calls, clock });
  const checks = { issuer, audience, algorithms, clockSkew, required: ['exp'] };
  return {
    config,
    async check(token) {
      const verified = await verifyToken(token, keys, checks, clock);
      checkKind(verified, config.tokenType);
      const expiresAt = Number(verified.claims.exp) * 1000;
      const trustUntil = Math.min(clock.now() + TRUST, expiresAt + clockSkew);
      return { issuer, claims: verified.claims, expiresAt, trustUntil };
    },
    [Symbol.asyncDispose]: () => calls[Symbol.asyncDispose](),
  };
}

function checkKind({ header, claims }: VerifiedToken, tokenType: JwtConfig['tokenType']): void {
  const kinds = tokenType === 'at+jwt' ? ['at+jwt'] : ['at+jwt', 'jwt', ''];
  if (!kinds.includes(typeOf(header))) throw new TokenRefused('the header says that it is no access token');
  if (header.crit !== undefined) throw new TokenRefused('the header has critical extensions');
  const fault = kindFault(claims);
  if (fault !== null) throw new TokenRefused(fault);
}
