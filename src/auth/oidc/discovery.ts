import type { Clock } from '../../kernel/index.ts';
import { isCallable, type ProviderCalls } from './provider-calls.ts';
import { createRemoteValue, type RemoteValue } from './remote-value.ts';
import { ProviderUnreachable } from './unreachable.ts';

/** What the gateway uses of a discovery document (OpenID Connect Discovery 1.0, section 3). */
export interface ServerMetadata {
  readonly issuer: string;
  readonly jwks_uri: string;
  readonly authorization_endpoint?: string;
  readonly token_endpoint?: string;
  readonly userinfo_endpoint?: string;
  readonly end_session_endpoint?: string;
  /** RFC 9207: every answer of the provider carries `iss`. */
  readonly authorization_response_iss_parameter_supported: boolean;
}

const HOUR = 3_600_000;
const ENDPOINTS = ['authorization_endpoint', 'token_endpoint', 'userinfo_endpoint', 'end_session_endpoint'] as const;

/** The document of an issuer, read at first use and hourly; after a failure not within 30 s. */
export function createDiscovery(options: {
  readonly issuer: string;
  readonly calls: ProviderCalls;
  readonly clock: Clock;
  readonly onState?: (ready: boolean, fault: string | null) => void;
}): RemoteValue<ServerMetadata> {
  const { issuer, calls, clock, onState } = options;
  const url = `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`;
  return createRemoteValue({
    load: async () => metadataOf(issuer, await calls.json(url)),
    clock,
    freshMs: HOUR,
    keepMs: 24 * HOUR,
    coolDownMs: 30_000,
    ...(onState === undefined ? {} : { onState }),
  });
}

function metadataOf(issuer: string, document: Readonly<Record<string, unknown>>): ServerMetadata {
  if (document.issuer !== issuer) {
    throw new ProviderUnreachable(
      `the discovery document names another issuer than ${issuer}; signIn must hold it exactly as the provider writes it`,
    );
  }
  const endpoint = (name: string): string | undefined => {
    const value = document[name];
    if (value === undefined || value === null) return undefined;
    if (typeof value === 'string' && isCallable(value)) return value;
    throw new ProviderUnreachable(`the discovery document of ${issuer} has an unusable ${name}`);
  };
  const jwks = endpoint('jwks_uri');
  if (jwks === undefined) throw new ProviderUnreachable(`the discovery document of ${issuer} has no jwks_uri`);
  const endpoints = ENDPOINTS.flatMap((name) => {
    const value = endpoint(name);
    return value === undefined ? [] : [[name, value] as const];
  });
  return {
    issuer,
    jwks_uri: jwks,
    ...Object.fromEntries(endpoints),
    authorization_response_iss_parameter_supported: document.authorization_response_iss_parameter_supported === true,
  };
}
