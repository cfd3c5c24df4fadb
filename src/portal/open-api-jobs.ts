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

const query = (name: string, schema: object, description: string): object => ({
  name,
  in: 'query',
  schema,
  description,
});

/** Waiting for jobs (docs/waiting.md). */
export const JOB_PATHS: Readonly<Record<string, object>> = {
  '/gateway/v1/jobs/{id}': {
    get: {
      operationId: 'get-job-state',
      tags: ['Gateway'],
      summary: 'What a job of yours is doing, now or when that changes',
      parameters: [
        { name: 'id', in: 'path', required: true, schema: { type: 'string', pattern: '^[0-9]{1,12}$' } },
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
