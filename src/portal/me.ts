import type { WebRoute } from '../auth/index.ts';
import { GatewayError } from '../kernel/index.ts';
import type { PortalParts } from './ports.ts';

/** Creates `GET /gateway/v1/me`: who the caller is, for `vovgw whoami` and other programs. */
export function createMeRoute({ config, accountFor }: PortalParts): WebRoute {
  return {
    method: 'GET',
    path: '/gateway/v1/me',
    door: 'portal',
    needs: 'caller',
    handle(_request, { caller }) {
      if (caller === null) throw new GatewayError('GW_UNAUTHENTICATED', 'Send an access token.');
      const { identity, by, tokenId, tokenLabel, scopes, expiresAt, queue: only } = caller;
      const { user, subject, provider, groups, roles } = identity;
      const accounts = config()
        .queues.filter(({ name }) => only === null || only === name)
        .map(({ name }) => {
          const decision = accountFor(identity, name);
          const account = decision.kind === 'account' ? decision.account : null;
          return { queue: name, account: account?.name ?? null, shared: account?.shared ?? false };
        });
      const credential = {
        kind: by,
        id: tokenId,
        label: tokenLabel,
        scopes: [...scopes],
        expires_at: new Date(expiresAt).toISOString(),
      };
      return { kind: 'json', body: { user, subject, provider, groups, roles, accounts, credential } };
    },
  };
}
