import { checkScope } from '../access/index.ts';
import type { WebRoute } from '../auth/index.ts';
import { normalJobId, type Origin, type Origins } from '../jobs/index.ts';
import { GatewayError, type Identity } from '../kernel/index.ts';

const seesAll = ({ roles }: Identity): boolean => roles.some((role) => role !== 'user');

const mayKnow = (identity: Identity, origin: Origin): boolean =>
  origin.subject === identity.subject || seesAll(identity);

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
        if (caller === null) throw new GatewayError('GW_UNAUTHENTICATED', 'Nobody is known here.');
        checkScope(caller.scopes, 'read');
        const jobId = normalJobId(params.id ?? '');
        const origin = jobId === null ? null : await origins.find(queue, jobId);
        // Whether a job of somebody else was submitted here is nobody's business either.
        if (origin === null || !mayKnow(caller.identity, origin)) {
          const whose = seesAll(caller.identity) ? '' : ' of yours';
          throw new GatewayError('GW_NOT_FOUND', `The gateway knows no submission${whose} with this job id.`);
        }
        return { kind: 'json', body: originBody(origin) };
      },
    },
  ];
}
