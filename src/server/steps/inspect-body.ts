import { type PolicyDecision, policyRefusal, type SubmissionPolicy } from '../../access/index.ts';
import type { QuotaCaller, Quotas, QuotaViolation } from '../../jobs/index.ts';
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
const dryRun = ({ allowed, violations, defaults }: PolicyDecision, quotas: readonly QuotaViolation[]) => ({
  dry_run: true,
  allowed: allowed && quotas.every(({ mode }) => mode === 'observe'),
  violations,
  quotas,
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
export function createInspectBody(
  policy: () => SubmissionPolicy,
  quotas: Pick<Quotas, 'check'>,
  report: Pick<Report, 'log'>,
): Step {
  const answerDry = async (scope: Scope, decision: PolicyDecision, caller: QuotaCaller | null): Promise<void> => {
    const exceeded = caller === null ? [] : await quotas.check(caller);
    scope.bytesOut = answerJson(scope.res, scope.head, 200, 'application/json', dryRun(decision, exceeded));
    scope.result = { status: 200, bytesOut: scope.bytesOut, seconds: 0, renewed: false, complete: true };
  };
  return (scope): void | Promise<void> => {
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
      const { queue, name, shared } = account;
      const asked = isChange ? null : { queue, account: name, shared, identity: caller.identity };
      return answerDry(scope, decision, asked);
    }
    if (!decision.allowed) throw policyRefusal(decision);
    if (scope.body.kind === 'bytes') scope.body = { kind: 'bytes', bytes: decision.body };
  };
}
