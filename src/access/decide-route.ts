import { GatewayError } from '../kernel/index.ts';
import type { RouteDecision } from './ports.ts';
import { isApiPath, type RouteNode, type RouteTable, segmentsOf } from './route-table.ts';
import { requiredScope } from './scopes.ts';

const UNLISTED_READ: RouteDecision = { template: 'other', class: 'read', scope: requiredScope('read'), own: false };
const WRITES: ReadonlySet<string> = new Set(['POST', 'PUT', 'PATCH', 'DELETE']);
const JOB_ID = /^[0-9]{1,12}$/;

/**
 * Decides a checked path (see `checkTarget`) below `/api/v3/`: the table first, then an unlisted read as `other`. Throws
 * GW_BAD_PATH for a job id that is none and for a route that the gateway itself answers, GW_METHOD_NOT_ALLOWED with
 * Allow, GW_ROUTE_CLOSED for an unlisted write, and GW_NOT_FOUND for any other path.
 */
export function decideRoute(table: RouteTable, method: string, path: string): RouteDecision {
  if (!isApiPath(path)) throw new GatewayError('GW_NOT_FOUND', 'Only paths under /api/v3/ are served here.');
  const segments = segmentsOf(path);
  checkJobId(segments);
  const wanted = method === 'HEAD' ? 'GET' : method;
  const ends: RouteNode[] = [];
  collectEnds(table.root, segments, 0, ends);
  for (const end of ends) {
    const decision = end.routes.get(wanted);
    if (decision?.own === true) throw otherSpelling(method, decision.template);
    if (decision !== undefined) return decision;
  }
  if (ends.length > 0) throw methodNotAllowed(method, allowedBy(ends));
  if (wanted === 'GET') return UNLISTED_READ;
  if (WRITES.has(method)) throw routeClosed(method);
  throw methodNotAllowed(method, 'GET, HEAD');
}

/** All places where a route of this path ends, the most literal first. */
function collectEnds(node: RouteNode, segments: readonly string[], depth: number, ends: RouteNode[]): void {
  const segment = segments[depth];
  if (segment === undefined) {
    if (node.routes.size > 0) ends.push(node);
    return;
  }
  const literal = node.literals.get(segment);
  if (literal !== undefined) collectEnds(literal, segments, depth + 1, ends);
  if (node.variable !== null && segment !== '') collectEnds(node.variable, segments, depth + 1, ends);
}

function checkJobId(segments: readonly string[]): void {
  const id = segments[1];
  if (segments[0] !== 'jobs' || id === undefined || JOB_ID.test(id)) return;
  throw new GatewayError('GW_BAD_PATH', 'The job id in /api/v3/jobs/{id} must be 1 to 12 digits, for example 45080.');
}

/** Only the exact target opens the gateway's own door; vovserver must never see another spelling of it. */
function otherSpelling(method: string, template: string): GatewayError {
  return new GatewayError('GW_BAD_PATH', `The gateway answers ${method} ${template} itself; spell it exactly so.`);
}

function allowedBy(ends: readonly RouteNode[]): string {
  return [...new Set(ends.flatMap((end) => end.allow.split(', ')))].join(', ');
}

function methodNotAllowed(method: string, allow: string): GatewayError {
  const shown = /^[A-Z]{1,20}$/.test(method) ? method : 'This method';
  return new GatewayError('GW_METHOD_NOT_ALLOWED', `${shown} is not allowed here; allowed: ${allow}.`, {
    headers: { Allow: allow },
  });
}

function routeClosed(method: string): GatewayError {
  return new GatewayError(
    'GW_ROUTE_CLOSED',
    `${method} on this path is not open; the setting access.extraRoutes opens further writes.`,
  );
}
