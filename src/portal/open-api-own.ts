import { DEFAULT_ERROR } from './open-api-components.ts';
import { JOB_PATHS } from './open-api-jobs.ts';

const answer = (description: string, schema: object): object => ({
  description,
  content: { 'application/json': { schema } },
});

const ref = (name: string): object => ({ $ref: `#/components/schemas/${name}` });

const form = (properties: Readonly<Record<string, object>>, required: readonly string[]): object => ({
  required: true,
  content: { 'application/x-www-form-urlencoded': { schema: { type: 'object', properties, required } } },
});

const text = (description: string): object => ({ type: 'string', description });

const oauth = (
  operationId: string,
  summary: string,
  body: object,
  ok: object,
  security?: readonly object[],
): object => ({
  post: {
    operationId,
    tags: ['OAuth'],
    summary,
    ...(security === undefined ? {} : { security }),
    requestBody: body,
    responses: { '200': ok, '400': { $ref: '#/components/responses/OAuthError' }, default: DEFAULT_ERROR },
  },
});

const document = (operationId: string, summary: string): object => ({
  get: {
    operationId,
    tags: ['OAuth'],
    summary,
    security: [],
    responses: { '200': answer('The document.', { type: 'object' }), default: DEFAULT_ERROR },
  },
});

const CLIENT = { const: 'vovgw' };
const DEVICE_GRANT = 'urn:ietf:params:oauth:grant-type:device_code';

/** The endpoints that the gateway answers itself. */
export const OWN_PATHS: Readonly<Record<string, object>> = {
  '/gateway/v1/me': {
    get: {
      operationId: 'get-me',
      tags: ['Gateway'],
      summary: 'Who you are for the gateway, and your vovserver account on each queue',
      responses: { '200': answer('You.', ref('Me')), default: DEFAULT_ERROR },
    },
  },
  ...JOB_PATHS,
  '/oauth/device_authorization': oauth(
    'post-device-authorization',
    'Begin the login of a submit host (RFC 8628)',
    form({ client_id: CLIENT, scope: text('Scopes, separated by blanks.'), host: text('Name of the host.') }, []),
    answer('A code to approve in the browser.', ref('DeviceAuthorization')),
    [],
  ),
  '/oauth/token': oauth(
    'post-oauth-token',
    'Ask whether the code was approved, and get the token once',
    form(
      {
        grant_type: { const: DEVICE_GRANT },
        device_code: text('From the device authorization.'),
        client_id: CLIENT,
      },
      ['grant_type', 'device_code', 'client_id'],
    ),
    answer('The token.', ref('OAuthToken')),
    [],
  ),
  '/oauth/revoke': oauth(
    'post-revoke',
    'End a token (RFC 7009)',
    form({ token: text('The token to end.'), token_type_hint: text('Ignored.') }, ['token']),
    { description: 'The token is ended, or was none.' },
    [],
  ),
  '/oauth/introspect': oauth(
    'post-introspect',
    'What a token is (RFC 7662)',
    form({ token: text('The token to look at.'), token_type_hint: text('Ignored.') }, ['token']),
    answer('Whether it is active, and what it may do.', ref('Introspection')),
  ),
  '/.well-known/oauth-authorization-server': document(
    'get-server-metadata',
    'Metadata of the endpoints above (RFC 8414)',
  ),
  '/.well-known/oauth-protected-resource': document('get-resource-metadata', 'Metadata of the API (RFC 9728)'),
  '/openapi.json': {
    get: {
      operationId: 'get-openapi',
      tags: ['Gateway'],
      summary: 'This document',
      security: [],
      responses: { '200': answer('OpenAPI 3.1.', { type: 'object' }), default: DEFAULT_ERROR },
    },
  },
};
