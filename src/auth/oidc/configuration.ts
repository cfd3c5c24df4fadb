import {
  allowInsecureRequests,
  Configuration,
  type CustomFetch,
  clockSkew,
  clockTolerance,
  customFetch,
} from 'openid-client';
import type { OidcConfig } from '../../config/index.ts';
import type { Clock } from '../../kernel/index.ts';
import { clientAuthOf } from './client-auth.ts';
import type { ServerMetadata } from './discovery.ts';
import type { ProviderCalls } from './provider-calls.ts';

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
  const server = { ...metadata, id_token_signing_alg_values_supported: [...config.algorithms] };
  const client = {
    [clockSkew]: Math.round((clock.now() - Date.now()) / 1000),
    [clockTolerance]: Math.ceil(config.clockSkew / 1000),
  };
  const configuration = new Configuration(server, config.clientId, client, await clientAuthOf(config));
  configuration[customFetch] = fetchBy(calls);
  // The calls themselves refuse http:// to anywhere but this machine.
  allowInsecureRequests(configuration);
  return configuration;
}

function fetchBy(calls: ProviderCalls): CustomFetch {
  return async (url, { method, headers, body }) => {
    const answer = await calls.call(url, {
      method: method === 'POST' ? 'POST' : 'GET',
      headers,
      body: body === null || body === undefined ? undefined : String(body),
    });
    const { 'content-type': type = '', 'www-authenticate': challenge } = answer.headers;
    const status = answer.status < 200 ? 502 : answer.status;
    const empty = status === 204 || status === 205 || status === 304;
    return new Response(empty ? null : new Uint8Array(answer.body), {
      status,
      headers: { 'content-type': type, ...(challenge === undefined ? {} : { 'www-authenticate': challenge }) },
    });
  };
}
