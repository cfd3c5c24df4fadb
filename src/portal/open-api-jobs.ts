import { JOB_STATES } from '../kernel/index.ts';
import { DEFAULT_ERROR } from './open-api-components.ts';

const text = { type: 'string' };
const maybe = (type: string): object => ({ type: [type, 'null'] });

const JOB = {
  type: 'object',
  required: ['job_id', 'queue', 'account', 'status', 'state', 'final', 'seen_at'],
  properties: {
    job_id: text,
    queue: text,
    account: { ...text, description: 'vovserver account.' },
    status: { ...text, description: 'The word of vovserver.' },
    state: { enum: JOB_STATES },
    final: { type: 'boolean', description: 'Nothing more happens to it by itself.' },
    exit: maybe('integer'),
    host: maybe('string'),
    duration: maybe('string'),
    ended_at: { type: ['string', 'null'], format: 'date-time' },
    seen_at: { type: 'string', format: 'date-time' },
    wait_end: { enum: ['at_once', 'wanted', 'time', 'draining'], description: 'Why the answer came.' },
  },
};

const time = { type: 'string', format: 'date-time' };

const ORIGIN = {
  type: 'object',
  required: ['job_id', 'queue', 'user', 'account', 'request_id', 'submitted_at'],
  properties: {
    job_id: text,
    queue: text,
    user: text,
    subject: { ...text, description: 'Who the identity provider says it is.' },
    account: { ...text, description: 'vovserver account.' },
    token_id: text,
    token_label: text,
    address: text,
    request_id: text,
    idempotency_key: maybe('string'),
    submitted_at: time,
    last_seen: { type: ['object', 'null'], properties: { status: text, at: time } },
  },
};

const ID = { name: 'id', in: 'path', required: true, schema: { type: 'string', pattern: '^[0-9]{1,12}$' } };

const header = (name: string, schema: object, description: string): object => ({
  name,
  in: 'header',
  schema,
  description,
});

/** What the gateway reads of a submission beside its body (docs/jobs.md). */
export const SUBMIT_HEADERS: readonly object[] = [
  header('Idempotency-Key', { ...text, maxLength: 255 }, 'The same for each try of one job: it is submitted once.'),
  header('X-Dry-Run', { const: 'true' }, 'Nothing is submitted; the answer tells what would happen.'),
  header('Prefer', { ...text, examples: ['wait=30'] }, 'Seconds to wait for a turn at most (RFC 7240).'),
];

const query = (name: string, schema: object, description: string): object => ({
  name,
  in: 'query',
  schema,
  description,
});

/** Waiting for jobs, and who submitted one (docs/waiting.md, docs/jobs.md). */
export const JOB_PATHS: Readonly<Record<string, object>> = {
  '/gateway/v1/jobs/{id}': {
    get: {
      operationId: 'get-job-state',
      tags: ['Gateway'],
      summary: 'What a job of yours is doing, now or when that changes',
      parameters: [
        ID,
        query('wait', { type: 'integer', minimum: 0 }, 'Seconds to wait at most.'),
        query('until', { enum: ['change', 'final'] }, 'What to wait for.'),
        query('since', { enum: JOB_STATES }, 'Answer when the state is another one.'),
        { name: 'If-None-Match', in: 'header', schema: text, description: 'ETag of the last answer.' },
      ],
      responses: {
        '200': { description: 'The job.', content: { 'application/json': { schema: JOB } } },
        '304': { description: 'It is as the given ETag says.' },
        default: DEFAULT_ERROR,
      },
    },
  },
  '/gateway/v1/jobs/{id}/origin': {
    get: {
      operationId: 'get-job-origin',
      tags: ['Gateway'],
      summary: 'Who submitted a job, when, from where and by what token',
      parameters: [ID],
      responses: {
        '200': { description: 'Its origin.', content: { 'application/json': { schema: ORIGIN } } },
        default: DEFAULT_ERROR,
      },
    },
  },
  '/gateway/v1/jobs/events': {
    get: {
      operationId: 'get-job-events',
      tags: ['Gateway'],
      summary: 'The changes of your jobs, as server-sent events',
      parameters: [
        query('since', text, 'Id of the last event that was read.'),
        { name: 'Last-Event-ID', in: 'header', schema: text, description: 'The same.' },
      ],
      responses: {
        '200': { description: 'Events ready, reset, job and end.', content: { 'text/event-stream': { schema: text } } },
        default: DEFAULT_ERROR,
      },
    },
  },
};
