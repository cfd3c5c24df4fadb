import { allowInsecureRequests, Configuration, clockSkew, clockTolerance, customFetch } from 'openid-client';
import type { OidcConfig } from '../../config/index.ts';
import type { Clock } from '../../kernel/index.ts';
import { clientAuthOf } from './client-auth.ts';
import type { ServerMetadata } from './discovery.ts';
import { libraryFetch } from './library-fetch.ts';
import type { ProviderCalls } from './provider-calls.ts';
import { acceptedAlgorithms } from './verify-token.ts';

/**
 * openid-client's view of provider and client. Made for each use, because it freezes the difference between its clock and
 * ours; the caches are elsewhere. The algorithms are the configured ones, whatever the provider announces.
 */
export async function configurationOf(
  config: OidcConfig,
  metadata: ServerMetadata,
  calls: ProviderCalls,
  clock: Clock,
): Promise<Configuration> {
  const server = { ...metadata, id_token_signing_alg_values_supported: acceptedAlgorithms(config.algorithms) };
  const client = {
    [clockSkew]: Math.round((clock.now() - Date.now()) / 1000),
    [clockTolerance]: Math.ceil(config.clockSkew / 1000),
  };
  const configuration = new Configuration(server, config.clientId, client, await clientAuthOf(config));
  configuration[customFetch] = libraryFetch(calls);
  // The calls themselves refuse http:// to anywhere but this machine.
  allowInsecureRequests(configuration);
  return configuration;
}
