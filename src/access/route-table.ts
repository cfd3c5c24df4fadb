import type { Config } from '../config/index.ts';
import type { RouteClass } from '../kernel/index.ts';
import type { RouteDecision } from './ports.ts';
import { requiredScope } from './scopes.ts';

/** What everything under this prefix belongs to; nothing else may reach vovserver. */
const API_PREFIX = '/api/v3/';

export type ExtraRoute = Config['access']['extraRoutes'][number];

interface Row {
  readonly methods: readonly string[];
  readonly template: string;
  readonly class: RouteClass;
  /** For the description of the API. */
  readonly summary: string;
  readonly own?: true;
}

/** The routes that the vendor documents (tutorial "Using Accelerator's REST API", pages 4, 9, 14 and 20). */
const KNOWN: readonly Row[] = [
  {
    methods: ['POST'],
    template: '/api/v3/token',
    class: 'login',
    own: true,
    summary: 'Sign in as the vendor’s scripts do',
  },
  { methods: ['POST'], template: '/api/v3/jobs', class: 'submit', summary: 'Submit a job' },
  { methods: ['GET'], template: '/api/v3/jobs', class: 'list', summary: 'List jobs' },
  { methods: ['GET'], template: '/api/v3/jobs/{id}', class: 'read', summary: 'Read a job' },
  {
    methods: ['PUT', 'PATCH', 'DELETE'],
    template: '/api/v3/jobs/{id}',
    class: 'control',
    summary: 'Control, modify or forget a job',
  },
  { methods: ['GET'], template: '/api/v3/jobs/{id}/*', class: 'read', summary: 'Read all fields of a job' },
  { methods: ['GET'], template: '/api/v3/jobs/{id}/{field}', class: 'read', summary: 'Read one field of a job' },
  { methods: ['GET'], template: '/api/v3/query', class: 'list', summary: 'Query jobs and other objects' },
  { methods: ['GET'], template: '/api/v3/project/1/{field}', class: 'read', summary: 'Read a property of the queue' },
  { methods: ['GET'], template: '/api/v3/projects/1', class: 'read', summary: 'Read the queue' },
];

/** One place in the tree of path segments. */
export interface RouteNode {
  readonly literals: Map<string, RouteNode>;
  variable: RouteNode | null;
  /** Decisions by method when a route ends here; HEAD counts as GET. */
  readonly routes: Map<string, RouteDecision>;
  /** Value of the Allow header when a route ends here. */
  allow: string;
}

/** The compiled routes. Opaque: made by {@link createRouteTable}, read by `decideRoute`. */
export interface RouteTable {
  readonly root: RouteNode;
}

/** One open route, as a person may read it. */
export interface DescribedRoute {
  readonly method: string;
  readonly template: string;
  readonly class: RouteClass;
  readonly summary: string;
}

/** The known routes and the writes that the configuration opens. */
export function describeRoutes(extraRoutes: readonly ExtraRoute[]): readonly DescribedRoute[] {
  const known = KNOWN.flatMap(({ methods, template, class: cls, summary }) =>
    methods.map((method) => ({ method, template, class: cls, summary })),
  );
  const opened = extraRoutes.map((route) => ({ ...route, summary: 'Opened by the administrator' }));
  return [...known, ...opened];
}

/** True for a checked path under `/api/v3/`; anything else is a 404 or a page of the gateway itself. */
export function isApiPath(path: string): boolean {
  return path.startsWith(API_PREFIX);
}

/** The segments below `/api/v3/`; one trailing slash does not count (the vendor documents `/jobs/{id}/` as the same). */
export function segmentsOf(path: string): string[] {
  const end = path.endsWith('/') && path.length > API_PREFIX.length ? path.length - 1 : path.length;
  return path.slice(API_PREFIX.length, end).split('/');
}

/**
 * Compiles the known routes and the writes that the configuration opens. A known route keeps its class when it is
 * listed again; a read of an opened template is open too, since reads need no listing.
 */
export function createRouteTable(extraRoutes: readonly ExtraRoute[]): RouteTable {
  const root = createNode();
  for (const row of KNOWN) addRow(root, row);
  for (const { method, template, class: cls } of extraRoutes)
    addRow(root, { methods: [method], template, class: cls, summary: '' });
  for (const { template } of extraRoutes) {
    if (!KNOWN.some((row) => row.template === template))
      addRow(root, { methods: ['GET'], template, class: 'read', summary: '' });
  }
  return { root };
}

function createNode(): RouteNode {
  return { literals: new Map(), variable: null, routes: new Map(), allow: '' };
}

function addRow(root: RouteNode, row: Row): void {
  let node = root;
  for (const segment of segmentsOf(row.template)) node = childFor(node, segment);
  for (const method of row.methods) {
    if (node.routes.has(method)) continue;
    node.routes.set(method, {
      template: row.template,
      class: row.class,
      scope: requiredScope(row.class),
      own: row.own === true,
    });
  }
  node.allow = allowOf(node.routes);
}

function childFor(node: RouteNode, segment: string): RouteNode {
  if (segment.startsWith('{')) {
    node.variable ??= createNode();
    return node.variable;
  }
  const known = node.literals.get(segment);
  if (known !== undefined) return known;
  const made = createNode();
  node.literals.set(segment, made);
  return made;
}

function allowOf(routes: ReadonlyMap<string, unknown>): string {
  return [...routes.keys()].flatMap((method) => (method === 'GET' ? ['GET', 'HEAD'] : [method])).join(', ');
}
