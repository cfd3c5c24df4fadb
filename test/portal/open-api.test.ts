import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { createRouteTable, decideRoute, describeRoutes } from '../../src/access/index.ts';
import { openApiDocument } from '../../src/portal/index.ts';
import { createJobRoutes } from '../../src/server/job-routes.ts';
import { documentSchema } from './open-api-schema.ts';
import { ALICE, API_ROUTES, callerOf, createPortalWorld, get, portalConfig } from './portal-world.ts';

type Json = Record<string, unknown>;
interface Operation {
  readonly operationId: string;
  readonly tags: readonly string[];
  readonly parameters?: readonly { readonly name: string; readonly in: string; readonly required?: boolean }[];
  readonly requestBody?: { readonly content: Json };
  readonly responses: Record<string, Json>;
  readonly security?: readonly Json[];
}

const document = openApiDocument(API_ROUTES, { version: '1.2.3', secure: true });
const paths = document.paths as Record<string, Record<string, Operation>>;
const operations = Object.entries(paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
);
const components = document.components as Record<string, Record<string, object>>;

/** Every `$ref` of the document. */
function refsOf(value: unknown): string[] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) => (key === '$ref' ? [String(inner)] : refsOf(inner)));
}

describe('the OpenAPI document', () => {
  it('is served without a credential, as JSON', async () => {
    const world = createPortalWorld();
    const answer = await get(world, '/openapi.json', {});
    assert.deepEqual(answer.kind === 'json' && answer.body, document);
    assert.equal(world.portal.routes.find(({ path }) => path === '/openapi.json')?.needs, 'nothing');
  });

  it('has the structure of OpenAPI 3.1', () => {
    const validate = new Ajv2020({ strict: false, allErrors: true, validateFormats: false }).compile(documentSchema);
    assert.equal(validate(document), true, JSON.stringify(validate.errors, null, 1));
  });

  it('is refused by the same check when something is amiss', () => {
    const validate = new Ajv2020({ strict: false, validateFormats: false }).compile(documentSchema);
    for (const change of [
      { openapi: '3.0.3' },
      { info: {} },
      { paths: { jobs: {} } },
      { paths: { '/x': { get: {} } } },
    ]) {
      assert.equal(validate({ ...document, ...change }), false, JSON.stringify(change));
    }
  });

  it('refers only to what is there', () => {
    const refs = refsOf(document);
    assert.ok(refs.length > 10);
    for (const ref of refs) {
      const [, , kind = '', name = ''] = ref.split('/');
      assert.ok(components[kind]?.[name], ref);
    }
  });

  it('has schemas that are JSON Schema 2020-12', () => {
    const ajv = new Ajv2020({ strict: false, validateFormats: false });
    for (const [name, schema] of Object.entries(components.schemas ?? {})) {
      assert.equal(ajv.validateSchema(schema), true, name);
    }
  });

  it('describes every known route once, with its method', () => {
    for (const { method, template } of API_ROUTES) assert.ok(paths[template]?.[method.toLowerCase()], template);
    const api = operations.filter(({ path }) => path.startsWith('/api/v3/'));
    assert.equal(api.length, API_ROUTES.length);
  });

  it('describes no route that the gateway does not know', () => {
    const table = createRouteTable([]);
    for (const { path, method } of operations.filter(({ path }) => path.startsWith('/api/v3/'))) {
      // The gateway answers this one itself, before it looks at the table.
      if (path === '/api/v3/token') continue;
      const example = path.replace('{id}', '45080').replace('{field}', 'STATUSNC');
      assert.equal(decideRoute(table, method.toUpperCase(), example).template, path);
    }
  });

  it('gives every operation a name of its own', () => {
    const names = operations.map(({ operation }) => operation.operationId);
    assert.deepEqual(names, [...new Set(names)]);
    for (const name of names) assert.match(name, /^[a-z0-9-]+$/);
  });

  it('gives every variable segment a parameter, and no parameter a missing segment', () => {
    for (const { path, operation } of operations) {
      const inPath = (operation.parameters ?? []).filter((parameter) => parameter.in === 'path');
      const segments = [...path.matchAll(/\{([^}]+)\}/g)].map(([, name]) => name);
      assert.deepEqual(
        inPath.map(({ name }) => name),
        segments,
        path,
      );
      assert.ok(inPath.every(({ required }) => required === true));
    }
  });

  it('says how every operation fails: with a problem document', () => {
    for (const { path, operation } of operations) {
      assert.deepEqual(operation.responses.default, { $ref: '#/components/responses/Problem' }, path);
    }
    const problem = components.responses?.Problem as { content: Json };
    assert.deepEqual(Object.keys(problem.content), ['application/problem+json']);
  });

  it('uses tags that are declared', () => {
    const declared = (document.tags as { name: string }[]).map(({ name }) => name);
    for (const { operation } of operations) assert.ok(operation.tags.every((tag) => declared.includes(tag)));
  });

  it('has a body for what writes, and none for what reads', () => {
    for (const { path, method, operation } of operations) {
      const writes = ['post', 'put', 'patch'].includes(method);
      assert.equal(operation.requestBody !== undefined, writes, `${method} ${path}`);
    }
    assert.deepEqual(Object.keys(paths['/api/v3/token']?.post?.requestBody?.content ?? {}), [
      'application/x-www-form-urlencoded',
    ]);
  });

  it('needs a credential except where none is looked at', () => {
    const open = operations.filter(({ operation }) => operation.security?.length === 0).map(({ path }) => path);
    assert.deepEqual(open, [
      '/api/v3/token',
      '/oauth/device_authorization',
      '/oauth/token',
      '/oauth/revoke',
      '/.well-known/oauth-authorization-server',
      '/.well-known/oauth-protected-resource',
      '/openapi.json',
    ]);
    assert.deepEqual(document.security, [{ bearer: [] }, { basic: [] }, { session: [] }]);
  });

  const cookies: readonly [string, object, string][] = [
    ['https', { publicUrl: 'https://gateway.example.com', host: '127.0.0.1' }, '__Host-vovgw'],
    ['http', { publicUrl: 'http://localhost:8080', host: '127.0.0.1' }, 'vovgw'],
    ['no public URL and no TLS', { host: '127.0.0.1' }, 'vovgw'],
  ];
  for (const [what, server, cookie] of cookies) {
    it(`names the cookie as browsers send it: ${what}`, async () => {
      const config = portalConfig({ server, queues: [{ name: 'nightly', urls: ['https://vov.example.com:6330'] }] });
      const answer = await get(createPortalWorld({ config }), '/openapi.json', {});
      const body = answer.kind === 'json' ? (answer.body as typeof document) : document;
      const schemes = (body.components as { securitySchemes: Record<string, Json> }).securitySchemes;
      assert.equal(schemes.session?.name, cookie);
    });
  }

  it('takes routes that the administrator opened', () => {
    const extra = {
      method: 'DELETE',
      template: '/api/v3/sets/{id}',
      class: 'control',
      summary: 'Opened here',
    } as const;
    const more = openApiDocument([...API_ROUTES, extra], { version: '1', secure: true });
    const added = (more.paths as typeof paths)['/api/v3/sets/{id}']?.delete;
    assert.equal(added?.operationId, 'delete-sets-id');
  });

  it('of the gateway’s own route table has the structure too', () => {
    const real = openApiDocument(describeRoutes([]), { version: '1.2.3', secure: true });
    const validate = new Ajv2020({ strict: false, allErrors: true, validateFormats: false }).compile(documentSchema);
    assert.equal(validate(real), true, JSON.stringify(validate.errors, null, 1));
    assert.ok(Object.keys(real.paths as object).length > 10);
  });

  it('keeps a known route as it is known when it is opened once more, under whatever names of variables', () => {
    const template = '/api/v3/jobs/{number}';
    const again = [
      { method: 'DELETE', template, class: 'read', summary: 'Opened here' },
      { method: 'POST', template, class: 'submit', summary: 'Opened here' },
    ] as const;
    const found = openApiDocument([...API_ROUTES, ...again], { version: '1', secure: true }).paths as typeof paths;
    assert.equal(found[template], undefined);
    assert.deepEqual(found['/api/v3/jobs/{id}']?.delete, paths['/api/v3/jobs/{id}']?.delete);
    assert.deepEqual(
      found['/api/v3/jobs/{id}']?.post?.parameters?.map(({ name }) => name),
      ['id'],
    );
  });

  it('describes GET /gateway/v1/me as it answers', async () => {
    const ajv = new Ajv2020({ strict: false, validateFormats: false });
    const validate = ajv.compile({ $ref: '#/components/schemas/Me', components });
    const answer = await get(createPortalWorld(), '/gateway/v1/me', { caller: callerOf(ALICE) });
    assert.equal(validate(answer.kind === 'json' && answer.body), true, JSON.stringify(validate.errors));
    assert.equal(validate({ user: 'alice' }), false);
  });

  it('describes GET /gateway/v1/jobs/{id}/origin as it answers, and the headers of a submission', async () => {
    const found = openApiDocument(API_ROUTES, { version: '1', secure: true }).paths as typeof paths;
    const names = found['/api/v3/jobs']?.post?.parameters?.map(({ name }) => name);
    assert.deepEqual(names, ['Idempotency-Key', 'X-Dry-Run', 'Prefer']);
    const schema = JSON.parse(JSON.stringify(found['/gateway/v1/jobs/{id}/origin']?.get)).responses['200'].content[
      'application/json'
    ].schema;
    const origin = {
      queue: 'main',
      epoch: 'e',
      jobId: '45080',
      subject: 's',
      user: 'alice',
      account: 'alice',
      tokenId: 't',
      tokenLabel: 'ci',
      address: '127.0.0.1',
      requestId: 'r',
      key: null,
      submittedAt: 0,
      lastSeen: { status: 'Done', at: 0 },
    };
    const [route] = createJobRoutes({ find: async () => origin } as unknown as Parameters<typeof createJobRoutes>[0]);
    const visitor = { caller: callerOf({ ...ALICE, subject: 's' }) } as never;
    const answer = await route?.handle({ params: { id: '45080' }, queue: 'main' } as never, visitor);
    const body: Record<string, unknown> = answer?.kind === 'json' ? { ...(answer.body as object) } : {};
    assert.deepEqual(Object.keys(body).sort(), Object.keys(schema.properties).sort());
    const validate = new Ajv2020({ strict: false, validateFormats: false }).compile(schema);
    assert.equal(validate(body), true, JSON.stringify(validate.errors));
    assert.equal(validate({ ...body, submitted_at: undefined }), false);
  });
});
