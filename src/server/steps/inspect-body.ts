import { type PolicyDecision, policyRefusal, type SubmissionPolicy } from '../../access/index.ts';
import type { QuotaCaller, Quotas, QuotaViolation } from '../../jobs/index.ts';
import { GatewayError, type Identity } from '../../kernel/index.ts';
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

type Kind = 'submission' | 'change' | 'control';

/** What the policy takes a call for; null: nothing of its own. */
function kindOf({ route, meta }: Scope): Kind | null {
  // By method: whatever class a write was opened with, it is one.
  if (meta.method === 'GET' || meta.method === 'HEAD') return null;
  if (route?.class === 'submit') return 'submission';
  return meta.method === 'PATCH' ? 'change' : 'control';
}

function decide(rules: SubmissionPolicy, kind: Kind, identity: Identity, queue: string, scope: Scope): PolicyDecision {
  const body = bytesOf(scope);
  if (kind === 'control') return rules.checkControl(identity, queue, body);
  const check = kind === 'change' ? rules.checkChange : rules.check;
  return check(identity, queue, body, scope.req.headers['content-type'] ?? '');
}

/** Holds submissions, changes of jobs and what orders to jobs carry along against `jobs.policy`; `X-Dry-Run: true` answers what would happen. */
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
    const { caller, account, req, meta } = scope;
    const kind = kindOf(scope);
    if (kind === null || caller === null || account === null) return;
    const rules = policy();
    const dry = req.headers[DRY_RUN];
    if (rules.size === 0 && dry === undefined) return;
    if (dry !== undefined && (dry !== 'true' || kind === 'control')) {
      const use = 'X-Dry-Run takes the value true only, with a submission or a change of a job (PATCH)';
      throw new GatewayError('GW_BAD_REQUEST', `${use}; nothing was done.`);
    }
    // A query beside the body could say what the body may not: the policy sees the body only.
    if (rules.size > 0 && meta.target.includes('?') && meta.method !== 'DELETE') {
      throw new GatewayError('GW_BAD_REQUEST', 'The fields of a job stand in the body, none in the query.');
    }
    const decision = decide(rules, kind, caller.identity, account.queue, scope);
    tellObserved(report, scope, decision);
    if (dry === 'true') {
      const { queue, name, shared } = account;
      const asked = kind === 'change' ? null : { queue, account: name, shared, identity: caller.identity };
      return answerDry(scope, decision, asked);
    }
    if (!decision.allowed) throw policyRefusal(decision);
    if (scope.body.kind !== 'bytes' || scope.body.bytes === decision.body) return;
    scope.received = scope.body.bytes;
    scope.body = { kind: 'bytes', bytes: decision.body };
  };
}
