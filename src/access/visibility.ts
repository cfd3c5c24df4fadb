import type { Config } from '../config/index.ts';
import { isApiPath, segmentsOf } from './route-table.ts';
import type { CheckedTarget } from './target.ts';
import {
  planQuery,
  type QueryPlan,
  type Reader,
  readFormat,
  readParts,
  refused,
  WITHOUT_JOBS,
} from './visibility-query.ts';

/** How a read is kept to the caller's own jobs. */
export type ReadPlan =
  /** Everybody sees everything, or it is no read of vovserver. Send it as it came. */
  | { readonly kind: 'pass' }
  /** Read of one job: check its owner first (`Ownership` of the room jobs), then send it as it came. */
  | { readonly kind: 'owner'; readonly jobId: string }
  /** Plain: it shows nothing of jobs, send this target. Rows: send this target, and filter the answer. */
  | QueryPlan;

/** Keeps reads to the caller's own jobs (`jobs.visibility`). */
export interface Visibility {
  /** Decides a read. Throws GW_NOT_FILTERABLE for one that cannot be filtered; what is no GET or HEAD passes. */
  plan(method: string, target: CheckedTarget, reader: Reader): ReadPlan;
}

const FIELD = /^(?:\*|[A-Za-z_][A-Za-z0-9_]{0,127})$/;
const JOB_ID = /^[0-9]{1,12}$/;

const NAME = /^[A-Za-z0-9_.-]{1,128}$/;
/** What some program might read as a number: also 0xb0, 4e4 and 1_000. */
const NUMERIC = /^[-+.]?[0-9](?:[0-9_.]*|0?[xob][0-9a-f]+|[0-9.]*e[-+]?[0-9]+)$/i;
/** The queue itself, which vovserver shows by this number. */
const PROJECT = '1';

/** Whatever its kind, vovserver may show a job by its number: of its own objects only the project's, 1, is no job's. */
function isOpen(object: string, id: string | undefined, open: readonly string[]): boolean {
  if (open.includes(object)) return id === undefined || (NAME.test(id) && (JOB_ID.test(id) || !NUMERIC.test(id)));
  if (object === 'project' || object === 'projects') return id === undefined || id === PROJECT;
  return WITHOUT_JOBS.includes(object) && id === undefined;
}

/** Why what a path names is not shown. */
function whyNot(object: string, isField: boolean, open: readonly string[]): string {
  const isProject = object === 'project' || object === 'projects';
  if (!isProject && object !== 'jobs' && !WITHOUT_JOBS.includes(object) && !open.includes(object)) {
    return `Of vovserver's objects jobs, project, objects and what jobs.openObjects lists can be read; this names ${object.slice(0, 60)}`;
  }
  if (!isField) return `Behind ${object} at most an id and the name of one field can be read`;
  if (object === 'jobs') return 'A job is read by its number, which has 1 to 12 digits';
  if (open.includes(object)) return `Below ${object} an id is a name, or a number of 1 to 12 digits`;
  return `Below ${object} ${isProject ? 'no other number than 1' : 'no id'} can be read, since any number may be a job's`;
}

function planObject(
  [object = '', id, field, ...rest]: readonly string[],
  query: string,
  open: readonly string[],
): ReadPlan {
  const { format } = readParts(query, ['format']);
  readFormat(format);
  const tail = `${field === undefined ? '' : `/${field}`}${format === undefined ? '' : `?format=${format}`}`;
  const isField = FIELD.test(field ?? '*') && rest.length === 0;
  if (object === 'jobs' && JOB_ID.test(id ?? '') && isField) {
    return { kind: 'owner', jobId: String(Number(id)) };
  }
  if (!isField || !isOpen(object, id, open)) throw refused(whyNot(object, isField, open));
  if (id === undefined) return { kind: 'plain', target: `/api/v3/${object}${tail}` };
  if (!JOB_ID.test(id) || id === PROJECT) return { kind: 'plain', target: `/api/v3/${object}/${id}${tail}` };
  const number = String(Number(id));
  return { kind: 'plain', target: `/api/v3/${object}/${number}${tail}`, number };
}

function planOwn(method: string, { path, query }: CheckedTarget, reader: Reader, open: readonly string[]): ReadPlan {
  if (!isApiPath(path) || (method !== 'GET' && method !== 'HEAD')) return { kind: 'pass' };
  const segments = segmentsOf(path);
  const isList = segments.length === 1 && (segments[0] === 'query' || segments[0] === 'jobs');
  if (!isList) return planObject(segments, query, open);
  // Its Content-Length would tell of what is left out.
  if (method === 'HEAD') throw refused('A list can be read with GET only');
  if (segments[0] === 'query') return planQuery(query, reader, open);
  const format = readFormat(readParts(query, ['format']).format);
  return { kind: 'rows', target: '/api/v3/jobs', strip: [], limit: null, format, jobId: null, isSet: false };
}

/** Makes the plan of reads; with `visibility: server` every read passes. Pure. */
export function createVisibility({
  visibility,
  openObjects,
}: Pick<Config['jobs'], 'visibility' | 'openObjects'>): Visibility {
  if (visibility === 'server') return { plan: () => ({ kind: 'pass' }) };
  return { plan: (method, target, reader) => planOwn(method, target, reader, openObjects) };
}
