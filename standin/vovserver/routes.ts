import { controlJob, forgetJob, modifyJob, readJob, submitJob } from './job-routes.ts';
import { answerPage } from './pages.ts';
import { demand } from './privilege.ts';
import { answerObject, answerQuery, readFormat } from './query.ts';
import { errorReply, htmlReply, Refusal, type Reply } from './reply.ts';
import type { Call, Caller, ServerState } from './state.ts';
import { answerToken } from './token-endpoint.ts';

/** What a fault changes in the handling of a call. */
export interface Twist {
  readonly refuseJwt: boolean;
  readonly refusePassword: boolean;
}

const V3 = '/api/v3/';

function unauthenticated({ profile }: ServerState): Reply {
  const status = profile.unauthenticatedStatus;
  if (profile.unauthenticatedBody === 'html') return htmlReply(status, 'Unauthorized');
  if (profile.unauthenticatedBody === 'empty') return { status, contentType: 'text/plain', body: '' };
  return errorReply(status, 'Authentication required');
}

function requireCaller(state: ServerState, call: Call, twist: Twist): Caller {
  if (call.auth !== 'ok' || call.caller === null || twist.refuseJwt) throw new Refusal(unauthenticated(state));
  demand(state.profile, call.caller, 'ViewStatus');
  return call.caller;
}

const notFound = (): Reply => errorReply(404, 'Not Found');
const wrongMethod = (): Reply => errorReply(405, 'Method Not Allowed');

function decodeSegment(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new Refusal(errorReply(400, 'Bad Request'));
  }
}

/** `/jobs/{id}`, `/jobs/{id}/` and `/jobs/{id}/*` ask for everything; another last segment is a field. */
function fieldOf(segments: readonly string[]): string | null {
  const field = decodeSegment(segments[2] ?? '');
  return field === '' || field === '*' ? null : field;
}

function answerJobs(state: ServerState, call: Call, caller: Caller, segments: readonly string[]): Reply {
  const id = segments[1] ?? '';
  if (segments.length > 3) return notFound();
  if (id === '') return call.method === 'POST' ? submitJob(state, call, caller) : wrongMethod();
  if (call.method === 'GET') return readJob(state, id, fieldOf(segments), call.query);
  if (segments.length > 2 && segments[2] !== '') return wrongMethod();
  if (call.method === 'PUT') return controlJob(state, call, caller, id);
  if (call.method === 'PATCH') return modifyJob(state, call, caller, id);
  return call.method === 'DELETE' ? forgetJob(state, caller, id) : wrongMethod();
}

/** `/project/1`, `/project/1/version`, and by analogy `/hosts/1`: the number counts from one. */
function answerCatalog(state: ServerState, call: Call, segments: readonly string[]): Reply {
  const entry = state.catalog().find((one) => one.class.name === segments[0]);
  const id = /^\d{1,12}$/.test(segments[1] ?? '') ? Number(segments[1]) : 0;
  if (entry === undefined || segments.length > 3 || id < 1 || id > entry.items.length) return notFound();
  if (call.method !== 'GET') return wrongMethod();
  const format = readFormat(new URLSearchParams(call.query));
  const item = entry.items[id - 1];
  return answerObject(state, { objects: entry.class, item, id, field: fieldOf(segments), isJob: false, format });
}

function answerV3(state: ServerState, call: Call, twist: Twist): Reply {
  if (state.profile.provider === 'legacy') return notFound();
  const segments = call.path.slice(V3.length).split('/');
  if (segments[0] === 'token' && segments.length === 1) {
    return call.method === 'POST' ? answerToken(state, call, twist.refusePassword) : wrongMethod();
  }
  const open = segments[0] === 'project' && !state.profile.projectNeedsLogin && call.method === 'GET';
  if (open) return answerCatalog(state, call, segments);
  const caller = requireCaller(state, call, twist);
  if (segments[0] === 'jobs') return answerJobs(state, call, caller, segments);
  if (segments[0] === 'query' && segments.length === 1) {
    return call.method === 'GET' ? answerQuery(state, new URLSearchParams(call.query)) : wrongMethod();
  }
  return answerCatalog(state, call, segments);
}

function answerOther(state: ServerState, call: Call, twist: Twist): Reply {
  if (call.path.startsWith('/html/')) {
    if (call.method !== 'GET' && call.method !== 'HEAD') return wrongMethod();
    if (state.profile.documentation === 'login') requireCaller(state, call, twist);
  }
  return answerPage(call.path) ?? notFound();
}

/** Answers one request, faults apart. Never throws. */
export function answer(state: ServerState, call: Call, twist: Twist): Reply {
  state.jobs.settle();
  try {
    return call.path.startsWith(V3) ? answerV3(state, call, twist) : answerOther(state, call, twist);
  } catch (error) {
    if (error instanceof Refusal) return error.reply;
    throw error;
  }
}
