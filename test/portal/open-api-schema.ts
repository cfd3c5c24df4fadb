const text = { type: 'string', minLength: 1 };
const reference = {
  type: 'object',
  properties: { $ref: { type: 'string', pattern: '^#/components/' } },
  required: ['$ref'],
  additionalProperties: false,
};
const map = (of: object, key = '^.+$') => ({
  type: 'object',
  patternProperties: { [key]: of },
  additionalProperties: false,
});
const orReference = (of: object) => ({ anyOf: [reference, of] });
const exact = (properties: object, required: readonly string[]) => ({
  type: 'object',
  properties,
  required,
  additionalProperties: false,
});

const schema = { type: 'object' };
const content = map(exact({ schema, example: true }, []), '^[a-z]+/[a-z0-9.+-]+$');

const parameter = exact(
  {
    name: text,
    in: { enum: ['path', 'query', 'header', 'cookie'] },
    description: text,
    required: { type: 'boolean' },
    schema,
    example: true,
  },
  ['name', 'in', 'schema'],
);

const response = exact({ description: text, headers: map(exact({ description: text, schema }, [])), content }, [
  'description',
]);

const security = { type: 'array', items: map({ type: 'array', maxItems: 0 }) };

const operation = exact(
  {
    operationId: text,
    tags: { type: 'array', items: text, minItems: 1 },
    summary: text,
    description: text,
    parameters: { type: 'array', items: parameter },
    requestBody: exact({ required: { type: 'boolean' }, content }, ['content']),
    responses: map(orReference(response), '^([1-5][0-9X]{2}|default)$'),
    security,
  },
  ['operationId', 'tags', 'summary', 'responses'],
);

const scheme = {
  type: 'object',
  oneOf: [
    exact({ type: { const: 'http' }, scheme: { enum: ['bearer', 'basic'] }, description: text }, ['type', 'scheme']),
    exact({ type: { const: 'apiKey' }, in: { enum: ['cookie', 'header', 'query'] }, name: text, description: text }, [
      'type',
      'in',
      'name',
    ]),
  ],
};

/** The part of OpenAPI 3.1 that the gateway's document uses, and nothing beside it (OpenAPI Specification 3.1.1, section 4.8). */
export const documentSchema = exact(
  {
    openapi: { type: 'string', pattern: '^3\\.1\\.\\d+$' },
    info: exact({ title: text, version: text, description: text }, ['title', 'version']),
    servers: { type: 'array', items: exact({ url: text, description: text }, ['url']) },
    tags: { type: 'array', items: exact({ name: text, description: text }, ['name']) },
    security,
    paths: map({ ...map(operation, '^(get|post|put|patch|delete)$'), minProperties: 1 }, '^/'),
    components: exact(
      {
        schemas: map(schema, '^[A-Za-z0-9._-]+$'),
        responses: map(response, '^[A-Za-z0-9._-]+$'),
        securitySchemes: map(scheme, '^[A-Za-z0-9._-]+$'),
      },
      [],
    ),
  },
  ['openapi', 'info', 'paths', 'components'],
);
