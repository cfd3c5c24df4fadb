import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createSigningKey, type Idp } from './idp/index.ts';

/** Names of the two providers in the configuration. */
export const PROVIDER_NAMES = { oidc: 'oidc', saml: 'saml' } as const;

/** What `signIn` and `identity` of a configuration hold to sign in at the demo identity provider both ways. */
export interface DemoSignIn {
  readonly signIn: { readonly providers: readonly Record<string, unknown>[] };
  readonly identity: Record<string, unknown>;
}

/**
 * Writes the SAML key of the gateway into `folder` and gives the sections of a configuration. Both ways lead to the same
 * people: they share a realm, since both name the same immutable subject.
 */
export async function demoSignIn(idp: Idp, folder: string): Promise<DemoSignIn> {
  const own = await createSigningKey('vov-gateway');
  const file = async (name: string, text: string): Promise<string> => {
    const path = join(folder, name);
    await writeFile(path, text, { mode: 0o600 });
    return path;
  };
  const common = { realm: 'demo', groups: { attribute: 'groups' } };
  return {
    signIn: {
      providers: [
        {
          type: 'oidc',
          name: PROVIDER_NAMES.oidc,
          label: 'Demo company (OpenID Connect)',
          issuer: idp.issuer,
          clientId: idp.clientId,
          clientSecret: idp.clientSecret,
          ...common,
        },
        {
          type: 'saml',
          name: PROVIDER_NAMES.saml,
          label: 'Demo company (SAML)',
          metadataUrl: idp.samlMetadataUrl,
          metadataCertFile: await file('idp-metadata.pem', idp.metadataCertPem),
          keyFile: await file('saml-key.pem', own.keyPem),
          certFile: await file('saml-cert.pem', own.certPem),
          user: { attribute: 'uid' },
          ...common,
        },
      ],
    },
    identity: { roles: { operator: { groups: ['cad-admins'] }, admin: { groups: ['cad-admins'] } } },
  };
}
