import type { RouteClass } from '../kernel/index.ts';
import { COMPONENTS, DEFAULT_ERROR, SECURITY } from './open-api-components.ts';
import { SUBMIT_HEADERS } from './open-api-jobs.ts';
import { OWN_PATHS } from './open-api-own.ts';
import type { ApiRoute } from './ports.ts';

type Json = Readonly<Record<string, unknown>>;

const JSON_ANSWER = {
  description: 'As vovserver answers.',
  content: { 'application/json': { schema: { type: 'object' } } },
};

const text = (name: string, description: string): Json => ({
  name,
  in: 'query',
  description,
  schema: { type: 'string' },
});

/** Query parameters that the vendor documents (help page "Request URLs"). */
const QUERY: readonly Json[] = [
  { ...text('select', 'Fields, separated by commas, or *.'), required: true, example: 'id,statusnc,command' },
  { ...text('from', 'An object or the name of a set.'), required: true, example: 'System:jobs' },
  text('where', 'Selection rules, for example STATUSNC==Running.'),
  text('order', 'A field, and DESC for descending.'),
  { name: 'limit', in: 'query', description: 'Rows at most.', schema: { type: 'integer', minimum: 1 }, example: 20 },
  { name: 'format', in: 'query', schema: { type: 'string', enum: ['json', 'csv', 'csv-noheader'] } },
];

const LOGIN_BODY = {
  required: true,
  content: { 'application/x-www-form-urlencoded': { schema: { $ref: '#/components/schemas/Login' } } },
};

const jsonBody = (schema: string, required = true): Json => ({
  required,
  content: { 'application/json': { schema: { $ref: `#/components/schemas/${schema}` } } },
});

const WRITES: Readonly<Record<string, Json>> = {
  POST: jsonBody('Job'),
  PUT: jsonBody('JobChange', false),
  PATCH: jsonBody('JobChange'),
};

const SCOPE_OF: Readonly<Record<RouteClass, string | null>> = {
  read: 'read',
  list: 'read',
  submit: 'submit',
  control: 'control',
  login: null,
};

/** The variable segments of a path; numbers where the vendor's ids are numbers. */
function pathParameters(template: string): readonly Json[] {
  return [...template.matchAll(/\{([^}]+)\}/g)].map(([, name = '']) => ({
    name,
    in: 'path',
    required: true,
    description: name === 'id' ? 'Id of the object, as vovserver gave it.' : 'Name of a field, for example STATUSNC.',
    schema: name === 'id' ? { type: 'string', pattern: '^[0-9]{1,12}$' } : { type: 'string' },
  }));
}

function operationId(method: string, template: string): string {
  const words = template
    .replace('/api/v3/', '')
    .replace('*', 'all')
    .split(/[^A-Za-z0-9]+/)
    .filter((word) => word !== '');
  return `${method.toLowerCase()}-${words.join('-')}`;
}

function operation({ method, template, class: cls, summary }: ApiRoute): Json {
  const scope = SCOPE_OF[cls];
  const parameters = [
    ...pathParameters(template),
    ...(template === '/api/v3/query' ? QUERY : []),
    ...(method === 'POST' && template === '/api/v3/jobs' ? SUBMIT_HEADERS : []),
  ];
  const login = cls === 'login';
  const body = login ? LOGIN_BODY : WRITES[method];
  const answer = login
    ? {
        description: 'A token of the gateway.',
        content: { 'application/json': { schema: { $ref: '#/components/schemas/Token' } } },
      }
    : JSON_ANSWER;
  return {
    operationId: operationId(method, template),
    tags: [login ? 'Gateway' : 'vovserver'],
    summary,
    description: scope === null ? 'Needs no credential but the one in the body.' : `Scope: ${scope}.`,
    ...(login ? { security: [] } : {}),
    ...(parameters.length > 0 ? { parameters } : {}),
    ...(body === undefined ? {} : { requestBody: body }),
    responses: { '200': answer, default: DEFAULT_ERROR },
  };
}

/** Paths that differ in the names of their variables only are one path for OpenAPI; the first spelling counts. */
const shapeOf = (template: string): string => template.replace(/\{[^}]+\}/g, '{}');

function apiPaths(routes: readonly ApiRoute[]): Readonly<Record<string, Readonly<Record<string, Json>>>> {
  const spelling = new Map<string, string>();
  const paths: Record<string, Record<string, Json>> = {};
  for (const route of routes) {
    const template = spelling.get(shapeOf(route.template)) ?? route.template;
    spelling.set(shapeOf(template), template);
    // A known route that the administrator lists again stays as it is known.
    paths[template] = { [route.method.toLowerCase()]: operation({ ...route, template }), ...paths[template] };
  }
  return paths;
}

/**
 * The OpenAPI 3.1 description of the known vovserver routes and of the gateway's own endpoints. `secure`: callers use
 * https, where the session cookie has its prefix.
 */
export function openApiDocument(
  routes: readonly ApiRoute[],
  { version, secure }: { readonly version: string; readonly secure: boolean },
): Json {
  return {
    openapi: '3.1.1',
    info: {
      title: 'vov-gateway',
      version,
      description:
        'Altair Accelerator’s vovserver REST API v3 through the gateway, and the gateway’s own endpoints. Other reads under /api/v3/ pass as well; other writes are refused unless the administrator opens them.',
    },
    servers: [{ url: '/', description: 'This gateway' }],
    tags: [
      { name: 'vovserver', description: 'Passed on to vovserver as your account.' },
      { name: 'Gateway', description: 'Answered by the gateway itself.' },
      { name: 'OAuth', description: 'For programs that get tokens by themselves (RFC 8628, 7009, 7662, 8414).' },
    ],
    security: SECURITY,
    paths: { ...apiPaths(routes), ...OWN_PATHS },
    components: {
      ...COMPONENTS,
      securitySchemes: {
        ...COMPONENTS.securitySchemes,
        session: {
          type: 'apiKey',
          in: 'cookie',
          name: secure ? '__Host-vovgw' : 'vovgw',
          description: 'The browser’s session; calls that change something must come from the gateway’s own pages.',
        },
      },
    },
  };
}
