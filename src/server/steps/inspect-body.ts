import { type PolicyDecision, policyRefusal, type SubmissionPolicy } from '../../access/index.ts';
import { GatewayError } from '../../kernel/index.ts';
import type { Report } from '../../observe/index.ts';
import { answerJson } from '../answer.ts';
import type { Scope, Step } from '../scope.ts';

const DRY_RUN = 'x-dry-run';

function bytesOf({ body }: Scope): Buffer {
  if (body.kind === 'bytes') return body.bytes;
  if (body.kind === 'none') return Buffer.alloc(0);
  throw new GatewayError('GW_BODY_TOO_LARGE', 'A submission or a change of a job may have 1048576 bytes.');
}

/** What would happen to a submission, without making it. */
const dryRun = ({ allowed, violations, defaults }: PolicyDecision) => ({
  dry_run: true,
  allowed,
  violations,
  defaults,
});

/** Observed rules refuse nothing; they are told, so that a site can see what enforcing them would do. */
function tellObserved(report: Pick<Report, 'log'>, scope: Scope, { violations }: PolicyDecision): void {
  for (const { rule, field, reason, mode } of violations) {
    if (mode !== 'observe' || scope.caller === null) continue;
    const { user } = scope.caller.identity;
    const fields = { event: 'policy_observed', user, request_id: scope.meta.requestId };
    report.log.info({ ...fields, reason: `${rule}: ${field ?? 'the body'} ${reason}` }, 'a rule would refuse this');
  }
}

/** Holds submissions, and changes of jobs, against `jobs.policy`; `X-Dry-Run: true` answers what would happen. */
export function createInspectBody(policy: () => SubmissionPolicy, report: Pick<Report, 'log'>): Step {
  return (scope) => {
    const { route, caller, account, req, meta } = scope;
    const isChange = meta.method === 'PATCH';
    if ((route?.class !== 'submit' && !isChange) || caller === null || account === null) return;
    const rules = policy();
    if (rules.size === 0 && req.headers[DRY_RUN] === undefined) return;
    const dry = req.headers[DRY_RUN];
    if (dry !== undefined && dry !== 'true') {
      throw new GatewayError('GW_BAD_REQUEST', 'X-Dry-Run takes the value true only; nothing was submitted.');
    }
    // A query beside the body could say what the body may not: the policy sees the body only.
    if (rules.size > 0 && meta.target.includes('?') && !isChange) {
      throw new GatewayError('GW_BAD_REQUEST', 'A submission has its fields in the body, none in the query.');
    }
    const contentType = req.headers['content-type'] ?? '';
    const decide = isChange ? rules.checkChange : rules.check;
    const decision = decide(caller.identity, account.queue, bytesOf(scope), contentType);
    tellObserved(report, scope, decision);
    if (dry === 'true') {
      scope.bytesOut = answerJson(scope.res, scope.head, 200, 'application/json', dryRun(decision));
      scope.result = { status: 200, bytesOut: scope.bytesOut, seconds: 0, renewed: false, complete: true };
      return;
    }
    if (!decision.allowed) throw policyRefusal(decision);
    if (scope.body.kind === 'bytes') scope.body = { kind: 'bytes', bytes: decision.body };
  };
}
