import type { IdpOptions } from './ports.ts';

/** The client that every gateway uses. */
export const CLIENT_ID = 'vov-gateway';
export const CLIENT_SECRET = 'demo-client-secret';

/** The gateways that may use the identity provider, as each protocol needs to know them. */
export interface Registrations {
  add(publicUrl: string): void;
  /** Client metadata for oidc-provider. */
  client(): Readonly<Record<string, unknown>>;
  samlMetadataUrls(): readonly string[];
}

/** Keeps the gateways of the options and those added later. */
export function createRegistrations(options: IdpOptions): Registrations {
  const gateways = new Set(options.gateways ?? []);
  const reach = options.reach ?? ((url: string) => url);
  const oidcNames = options.oidcNames ?? ['oidc'];
  const samlNames = options.samlNames ?? ['saml'];
  const each = (names: readonly string[], path: (gateway: string, name: string) => string): string[] =>
    [...gateways].flatMap((gateway) => names.map((name) => path(gateway, name)));
  return {
    add: (publicUrl) => void gateways.add(publicUrl),
    client() {
      const redirects = each(oidcNames, (gateway, name) => `${gateway}/oidc/${name}/callback`);
      // A client has one such URI only: the first gateway and its first OIDC provider.
      const [backchannel] = each(oidcNames, (gateway, name) => `${reach(gateway)}/oidc/${name}/backchannel-logout`);
      return {
        client_id: CLIENT_ID,
        client_secret: CLIENT_SECRET,
        // oidc-provider wants at least one, also before the first gateway is known.
        redirect_uris: redirects.length > 0 ? redirects : ['http://127.0.0.1:9/oidc/none/callback'],
        post_logout_redirect_uris: [...gateways].map((gateway) => `${gateway}/signed-out`),
        grant_types: ['authorization_code', 'refresh_token'],
        ...(backchannel === undefined
          ? {}
          : { backchannel_logout_uri: backchannel, backchannel_logout_session_required: true }),
      };
    },
    samlMetadataUrls: () => each(samlNames, (gateway, name) => `${reach(gateway)}/saml/${name}/metadata`),
  };
}
