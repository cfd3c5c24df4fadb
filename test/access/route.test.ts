import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { createRouteTable, decideRoute, describeRoutes, isApiPath, requiredScope } from '../../src/access/index.ts';
import { READ_TEMPLATES } from '../../src/config/checks-lanes.ts';
import { GatewayError, type RouteClass } from '../../src/kernel/index.ts';

const table = createRouteTable([]);

function refusal(method: string, path: string, routes = table): GatewayError {
  try {
    const decision = decideRoute(routes, method, path);
    assert.fail(`${method} ${path} passed as ${decision.template}`);
  } catch (error) {
    if (error instanceof GatewayError) return error;
    throw error;
  }
}

describe('the known routes', () => {
  const known: readonly [string, string, string, RouteClass][] = [
    ['POST', '/api/v3/jobs', '/api/v3/jobs', 'submit'],
    ['POST', '/api/v3/jobs/', '/api/v3/jobs', 'submit'],
    ['GET', '/api/v3/jobs', '/api/v3/jobs', 'list'],
    ['GET', '/api/v3/jobs/', '/api/v3/jobs', 'list'],
    ['GET', '/api/v3/jobs/45080', '/api/v3/jobs/{id}', 'read'],
    ['GET', '/api/v3/jobs/000045080', '/api/v3/jobs/{id}', 'read'],
    ['GET', '/api/v3/jobs/45080/', '/api/v3/jobs/{id}', 'read'],
    ['GET', '/api/v3/jobs/45080/*', '/api/v3/jobs/{id}/*', 'read'],
    ['GET', '/api/v3/jobs/45080/statusnc', '/api/v3/jobs/{id}/{field}', 'read'],
    ['PUT', '/api/v3/jobs/45080', '/api/v3/jobs/{id}', 'control'],
    ['PATCH', '/api/v3/jobs/45080', '/api/v3/jobs/{id}', 'control'],
    ['DELETE', '/api/v3/jobs/45080', '/api/v3/jobs/{id}', 'control'],
    ['DELETE', '/api/v3/jobs/45080/', '/api/v3/jobs/{id}', 'control'],
    ['GET', '/api/v3/query', '/api/v3/query', 'list'],
    ['GET', '/api/v3/project/1/project', '/api/v3/project/1/{field}', 'read'],
    ['GET', '/api/v3/project/1/version', '/api/v3/project/1/{field}', 'read'],
    ['GET', '/api/v3/projects/1', '/api/v3/projects/1', 'read'],
  ];
  for (const [method, path, template, cls] of known) {
    it(`${method} ${path} is ${template}, class ${cls}`, () => {
      const expected = { template, class: cls, scope: requiredScope(cls), own: false };
      assert.deepEqual(decideRoute(table, method, path), expected);
      if (method === 'GET') assert.deepEqual(decideRoute(table, 'HEAD', path), expected);
    });
  }

  it('never lets the token endpoint through to vovserver, however it is spelled', () => {
    for (const path of ['/api/v3/token', '/api/v3/token/']) {
      const error = refusal('POST', path);
      assert.equal(error.code, 'GW_BAD_PATH');
      assert.match(error.detail, /POST \/api\/v3\/token /);
    }
  });

  for (const id of ['x', '1a', '-1', '1234567890123', '*', ' 1', '1.0', '0x10', '1e3', '٤٥', '__proto__']) {
    it(`refuses the job id ${JSON.stringify(id)} for every method and depth`, () => {
      for (const method of ['GET', 'HEAD', 'PUT', 'PATCH', 'DELETE', 'POST', 'TRACE']) {
        for (const tail of ['', '/', '/*', '/status', '/a/b']) {
          const error = refusal(method, `/api/v3/jobs/${id}${tail}`);
          assert.equal(error.code, 'GW_BAD_PATH');
          assert.match(error.detail, /1 to 12 digits/);
        }
      }
    });
  }
});

describe('what is not in the table', () => {
  for (const path of [
    '/api/v3/',
    '/api/v3/hosts/7',
    '/api/v3/sets/System:User:alice',
    '/api/v3/jobs/1/a/b',
    '/api/v3/project/1',
  ]) {
    it(`lets a read of ${path} pass as other`, () => {
      const other = { template: 'other', class: 'read', scope: 'read', own: false };
      assert.deepEqual(decideRoute(table, 'GET', path), other);
      assert.deepEqual(decideRoute(table, 'HEAD', path), other);
    });
    for (const method of ['POST', 'PUT', 'PATCH', 'DELETE']) {
      it(`refuses ${method} ${path} and names the setting`, () => {
        const error = refusal(method, path);
        assert.equal(error.code, 'GW_ROUTE_CLOSED');
        assert.equal(error.status, 403);
        assert.match(error.detail, /access\.extraRoutes/);
      });
    }
  }

  for (const path of [
    '/',
    '/api/v3',
    '/api/v2/jobs',
    '/API/v3/jobs',
    '/api/V3/jobs',
    '/html/vovrest.html',
    '/api/v30/jobs',
    '',
  ]) {
    it(`is not served outside /api/v3/: ${path}`, () => {
      assert.equal(isApiPath(path), false);
      assert.equal(refusal('GET', path).status, 404);
    });
  }

  const wrongMethods: readonly [string, string, string][] = [
    ['GET', '/api/v3/token', 'POST'],
    ['HEAD', '/api/v3/token', 'POST'],
    ['PUT', '/api/v3/jobs', 'POST, GET, HEAD'],
    ['POST', '/api/v3/jobs/1', 'GET, HEAD, PUT, PATCH, DELETE'],
    ['PUT', '/api/v3/jobs/1/*', 'GET, HEAD'],
    ['DELETE', '/api/v3/jobs/1/status', 'GET, HEAD'],
    ['POST', '/api/v3/query', 'GET, HEAD'],
    ['DELETE', '/api/v3/project/1/project', 'GET, HEAD'],
    ['OPTIONS', '/api/v3/jobs', 'POST, GET, HEAD'],
    ['TRACE', '/api/v3/jobs/1', 'GET, HEAD, PUT, PATCH, DELETE'],
    ['TRACE', '/api/v3/hosts/7', 'GET, HEAD'],
    ['CONNECT', '/api/v3/hosts/7', 'GET, HEAD'],
    ['OPTIONS', '/api/v3/hosts/7', 'GET, HEAD'],
    ['get', '/api/v3/jobs/1', 'GET, HEAD, PUT, PATCH, DELETE'],
    ['PROPFIND', '/api/v3/hosts/7', 'GET, HEAD'],
    ['', '/api/v3/hosts/7', 'GET, HEAD'],
  ];
  for (const [method, path, allow] of wrongMethods) {
    it(`answers ${method} ${path} with 405 and Allow: ${allow}`, () => {
      const error = refusal(method, path);
      assert.equal(error.status, 405);
      assert.deepEqual(error.headers, { Allow: allow });
    });
  }

  it('shows a method of odd characters to nobody', () => {
    assert.match(refusal('<b>', '/api/v3/jobs').detail, /^This method is not allowed/);
  });

  it('does not meet names of Object.prototype in its maps', () => {
    for (const name of ['__proto__', 'constructor', 'toString', 'hasOwnProperty']) {
      assert.equal(decideRoute(table, 'GET', `/api/v3/${name}`).template, 'other');
      assert.equal(refusal(name, '/api/v3/jobs').status, 405);
    }
  });
});

describe('routes that the configuration opens', () => {
  const routes = createRouteTable([
    { method: 'DELETE', template: '/api/v3/sets/{id}', class: 'control' },
    { method: 'POST', template: '/api/v3/sets', class: 'submit' },
    { method: 'PUT', template: '/api/v3/{object}/{id}/lock', class: 'control' },
    { method: 'POST', template: '/api/v3/project/{id}/note', class: 'control' },
    { method: 'PUT', template: '/api/v3/jobs/{id}', class: 'submit' },
    { method: 'GET' as never, template: '/api/v3/token', class: 'control' },
  ]);

  it('opens exactly the method and template that it names', () => {
    assert.equal(decideRoute(routes, 'DELETE', '/api/v3/sets/7').class, 'control');
    assert.equal(decideRoute(routes, 'POST', '/api/v3/sets').class, 'submit');
    assert.equal(refusal('PUT', '/api/v3/sets/7', routes).headers.Allow, 'DELETE, GET, HEAD');
    assert.equal(refusal('DELETE', '/api/v3/sets/7/x', routes).code, 'GW_ROUTE_CLOSED');
    assert.equal(refusal('DELETE', '/api/v3/set/7', routes).code, 'GW_ROUTE_CLOSED');
    assert.equal(refusal('DELETE', '/api/v3/sets/', routes).headers.Allow, 'POST, GET, HEAD');
  });

  it('keeps reads of an opened template open, under its template', () => {
    const read = decideRoute(routes, 'GET', '/api/v3/sets/7');
    assert.deepEqual(read, { template: '/api/v3/sets/{id}', class: 'read', scope: 'read', own: false });
    assert.equal(decideRoute(routes, 'GET', '/api/v3/sets/7/members').template, 'other');
  });

  it('finds a variable route behind a literal neighbour', () => {
    assert.equal(decideRoute(routes, 'PUT', '/api/v3/hosts/7/lock').template, '/api/v3/{object}/{id}/lock');
    assert.equal(decideRoute(routes, 'POST', '/api/v3/project/1/note').template, '/api/v3/project/{id}/note');
    assert.equal(decideRoute(routes, 'GET', '/api/v3/project/1/version').template, '/api/v3/project/1/{field}');
    assert.equal(decideRoute(routes, 'PUT', '/api/v3/jobs/7/lock').template, '/api/v3/{object}/{id}/lock');
  });

  it('names all methods of all routes of a path in Allow, each once', () => {
    const allow = refusal('DELETE', '/api/v3/project/1/note', routes).headers.Allow?.split(', ') ?? [];
    assert.deepEqual([...allow].sort(), ['GET', 'HEAD', 'POST']);
  });

  it('does not let a listing weaken a known route', () => {
    assert.equal(decideRoute(routes, 'PUT', '/api/v3/jobs/1').class, 'control');
    assert.equal(refusal('POST', '/api/v3/token', routes).code, 'GW_BAD_PATH');
  });

  it('does not take an empty segment for a variable', () => {
    assert.equal(decideRoute(routes, 'GET', '/api/v3/').template, 'other');
  });
});

describe('decideRoute as a whole', () => {
  const segment = fc.constantFrom(
    'jobs',
    'token',
    'query',
    'project',
    'projects',
    '1',
    '45080',
    '*',
    'status',
    'sets',
    'x',
  );
  const method = fc.constantFrom('GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE', 'CONNECT', 'X');
  const path = fc.array(segment, { maxLength: 5 }).map((segments) => `/api/v3/${segments.join('/')}`);

  it('decides or refuses with a code of its own, and only listed writes pass', () => {
    fc.assert(
      fc.property(method, path, (m, p) => {
        try {
          const decision = decideRoute(table, m, p);
          assert.ok(decision.template === 'other' || decision.template.startsWith('/api/v3/'));
          if (decision.template === 'other') assert.ok(['GET', 'HEAD'].includes(m) && decision.class === 'read');
          if (['submit', 'control', 'login'].includes(decision.class)) assert.ok(!['GET', 'HEAD'].includes(m));
          if (!['GET', 'HEAD'].includes(m)) assert.notEqual(decision.class, 'read');
        } catch (error) {
          assert.ok(error instanceof GatewayError);
          assert.ok([400, 403, 405].includes(error.status), error.message);
        }
      }),
      { numRuns: 3000 },
    );
  });

  it('has a bounded number of templates, whatever is asked', () => {
    const seen = new Set<string>();
    fc.assert(
      fc.property(fc.array(fc.string({ maxLength: 6 }), { maxLength: 4 }), (segments) => {
        try {
          seen.add(decideRoute(table, 'GET', `/api/v3/${segments.join('/')}`).template);
        } catch (error) {
          assert.ok(error instanceof GatewayError);
        }
      }),
    );
    assert.ok(seen.size <= 9, [...seen].join(' '));
  });
});

describe('templates of reads', () => {
  it('are those that the configuration may name', () => {
    const reads = describeRoutes([]).flatMap(({ method, template }) => (method === 'GET' ? [template] : []));
    assert.deepEqual([...READ_TEMPLATES].sort(), reads.sort());
  });
});
