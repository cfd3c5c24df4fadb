import type { Job } from './job.ts';
import type { ObjectClass } from './object-class.ts';
import { type Column, FORMATS, type Format, queryError, queryReply } from './query-reply.ts';
import { errorReply, Refusal, type Reply } from './reply.ts';
import { type Cell, compileSelection } from './selection-evaluate.ts';
import { parseSelection } from './selection-parser.ts';
import { SelectionError } from './selection-tokens.ts';
import type { Catalog, ServerState } from './state.ts';

/** What `from` names: a kind of object and which of them. */
interface Source {
  readonly items: Iterable<unknown>;
  readonly class: ObjectClass<unknown>;
  readonly isJob: boolean;
}

class UnknownField extends Error {}

const jobSource = (state: ServerState, items: Iterable<Job>): Source => ({
  items,
  class: state.jobClass as ObjectClass<unknown>,
  isJob: true,
});

/** Finds what `from` names: an object class, a set (`System:User:alice`, `Class:x`), or the id of one object. */
function findSource(state: ServerState, from: string): Source | null {
  if (from === 'jobs' || from === 'System:jobs') return jobSource(state, state.jobs.all());
  const user = /^System:User:(.+)$/.exec(from)?.[1];
  if (user !== undefined) return jobSource(state, state.jobs.ofUser(user));
  const jobclass = /^Class:(.+)$/.exec(from)?.[1];
  if (jobclass !== undefined) {
    return jobSource(
      state,
      [...state.jobs.all()].filter((job) => job.jobclass === jobclass),
    );
  }
  if (/^\d{1,12}$/.test(from) && from !== '1') {
    const job = state.jobs.get(Number(from));
    return job === undefined ? null : jobSource(state, [job]);
  }
  return catalogSource(state.catalog(), from === '1' ? 'project' : from);
}

function catalogSource(catalog: Catalog, name: string): Source | null {
  const entry = catalog.find((one) => one.class.name === name);
  return entry === undefined ? null : { items: entry.items, class: entry.class, isJob: false };
}

function pickColumns<T>(objects: ObjectClass<T>, select: string): Column<T>[] {
  return select.split(',').flatMap((raw): Column<T>[] => {
    const requested = raw.trim();
    if (requested === '*') return objects.fields.map((field) => ({ field, requested: null }));
    const field = objects.field(requested);
    if (field === undefined) throw new UnknownField(`no such field ${JSON.stringify(requested)}`);
    return [{ field, requested }];
  });
}

const compareCells = (a: Cell, b: Cell): number => (a === b ? 0 : a < b ? -1 : 1);

/** Reads `FIELD [ASC|DESC], …` into a comparison. */
function readOrder<T>(objects: ObjectClass<T>, text: string): (a: T, b: T) => number {
  const keys = text.split(',').map((part) => {
    const [name = '', direction = 'ASC', ...rest] = part.trim().split(/\s+/);
    const field = objects.field(name);
    if (field === undefined) throw new UnknownField(`no such field ${JSON.stringify(name)}`);
    if (rest.length > 0 || !/^(?:asc|desc)$/i.test(direction)) throw new SelectionError('bad order', 0);
    return { read: field.read, sign: /^desc$/i.test(direction) ? -1 : 1 };
  });
  return (a, b) => {
    for (const { read, sign } of keys) {
      const compared = compareCells(read(a), read(b));
      if (compared !== 0) return sign * compared;
    }
    return 0;
  };
}

function readLimit(text: string | null, fallback: number): number {
  if (text === null || text === '') return fallback === 0 ? Number.POSITIVE_INFINITY : fallback;
  if (!/^\d+$/.test(text)) throw new SelectionError('bad limit', 0);
  return Number(text);
}

/** The format of an answer, asked for by `format=` on any GET. Throws Refusal. */
export function readFormat(query: URLSearchParams): Format {
  const text = query.get('format') ?? 'json';
  const format = FORMATS.find((one) => one === text);
  if (format === undefined) throw new Refusal(errorReply(400, `bad format ${JSON.stringify(text)}`));
  return format;
}

function findItems(source: Source, query: URLSearchParams, defaultLimit: number): unknown[] {
  const holds = compileSelection(parseSelection(query.get('where') ?? ''), (name) => source.class.field(name)?.read);
  const items: unknown[] = [];
  for (const item of source.items) if (holds(item)) items.push(item);
  const order = query.get('order');
  if (order !== null && order !== '') items.sort(readOrder(source.class, order));
  const limit = readLimit(query.get('limit'), defaultLimit);
  return items.length > limit ? items.slice(0, limit) : items;
}

function echo(query: URLSearchParams): string {
  const where = query.get('where');
  const order = query.get('order');
  const base = `SELECT ${query.get('select') ?? '*'} FROM ${query.get('from') ?? ''}`;
  return `${base}${where ? ` WHERE ${where}` : ''}${order ? ` ORDER BY ${order}` : ''}`;
}

/** Answers `GET /api/v3/query`. A query that cannot be read is an answer too (see Profile.badQuery, unknownField). */
export function answerQuery(state: ServerState, query: URLSearchParams): Reply {
  const { profile } = state;
  const format = readFormat(query);
  const text = echo(query);
  const source = findSource(state, query.get('from') ?? '');
  const bad = (message: string, status: 200 | 400): Reply => queryError(profile, text, message, status);
  if (source === null) return bad('no such set or object', profile.badQuery === '400' ? 400 : 200);
  try {
    const columns = pickColumns(source.class, query.get('select') ?? '*');
    const items = findItems(source, query, profile.defaultLimit);
    return queryReply(profile, { query: text, columns, items, isJob: source.isJob, single: false }, format);
  } catch (error) {
    if (error instanceof UnknownField) return bad(error.message, profile.unknownField === '400' ? 400 : 200);
    if (error instanceof SelectionError) return bad(error.message, profile.badQuery === '400' ? 400 : 200);
    throw error;
  }
}

/** Answers the read of one object (`/jobs/45080`) or of one field of it (`/jobs/45080/status`). */
export function answerObject<T>(
  state: ServerState,
  read: { objects: ObjectClass<T>; item: T; id: number; field: string | null; isJob: boolean; format: Format },
): Reply {
  const { objects, item, field } = read;
  const query = `SELECT ${field ?? '*'} FROM ${read.id}`;
  try {
    const columns = pickColumns(objects, field ?? '*');
    const result = { query, columns, items: [item], isJob: read.isJob, single: field !== null };
    return { ...queryReply(state.profile, result, read.format), rows: 0 };
  } catch (error) {
    if (!(error instanceof UnknownField)) throw error;
    return queryError(state.profile, query, error.message, state.profile.unknownField === '400' ? 400 : 200);
  }
}
