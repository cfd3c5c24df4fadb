import type { WebRoute } from '../auth/index.ts';
import { normalJobId, type Origin, type Origins } from '../jobs/index.ts';
import { GatewayError, type Identity } from '../kernel/index.ts';

const mayKnow = (identity: Identity, origin: Origin): boolean =>
  origin.subject === identity.subject || identity.roles.some((role) => role !== 'user');

const isoOf = (ms: number): string => new Date(ms).toISOString();

/** What a program gets to see of an origin. */
const originBody = (origin: Origin) => ({
  job_id: origin.jobId,
  queue: origin.queue,
  user: origin.user,
  subject: origin.subject,
  account: origin.account,
  token_id: origin.tokenId,
  token_label: origin.tokenLabel,
  address: origin.address,
  request_id: origin.requestId,
  idempotency_key: origin.key,
  submitted_at: isoOf(origin.submittedAt),
  last_seen: origin.lastSeen === null ? null : { status: origin.lastSeen.status, at: isoOf(origin.lastSeen.at) },
});

/** Questions about jobs that the gateway answers from its own record. */
export function createJobRoutes(origins: Origins): readonly WebRoute[] {
  return [
    {
      method: 'GET',
      path: '/gateway/v1/jobs/:id/origin',
      door: 'portal',
      needs: 'caller',
      async handle({ params, queue }, { caller }) {
        const jobId = normalJobId(params.id ?? '');
        const origin = jobId === null ? null : await origins.find(queue, jobId);
        // Whether a job of somebody else was submitted here is nobody's business either.
        if (origin === null || caller === null || !mayKnow(caller.identity, origin)) {
          throw new GatewayError('GW_NOT_FOUND', 'The gateway knows no submission of yours with this job id.');
        }
        return { kind: 'json', body: originBody(origin) };
      },
    },
  ];
}
