import {
  type PolicyDecision,
  type PolicyViolation,
  type Purpose,
  policyRefusal,
  type SubmissionPolicy,
} from '../../access/index.ts';
import type { QuotaCaller, Quotas, QuotaViolation } from '../../jobs/index.ts';
import { type Account, GatewayError, type Identity } from '../../kernel/index.ts';
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

/** What the policy takes a call for; null: nothing of its own. */
function purposeOf({ route, meta }: Scope): Purpose | null {
  // By method: whatever class a write was opened with, it is one.
  if (meta.method === 'GET' || meta.method === 'HEAD') return null;
  if (route?.class === 'submit') return 'submission';
  return meta.method === 'PATCH' ? 'change' : 'control';
}

/** A call that the policy looks at. */
interface Looked {
  readonly scope: Scope;
  readonly purpose: Purpose;
  readonly identity: Identity;
  readonly account: Account;
  readonly dry: boolean;
}

function looked(scope: Scope, dry: boolean): Looked | null {
  const { caller, account } = scope;
  const purpose = purposeOf(scope);
  return purpose === null || caller === null || account === null
    ? null
    : { scope, purpose, identity: caller.identity, account, dry };
}

function decide(rules: SubmissionPolicy, { scope, purpose, identity, account }: Looked): PolicyDecision {
  const body = bytesOf(scope);
  if (purpose === 'control') return rules.checkControl(identity, account.queue, body);
  const check = purpose === 'change' ? rules.checkChange : rules.check;
  return check(identity, account.queue, body, scope.req.headers['content-type'] ?? '');
}

/** What the query breaks; a DELETE has nothing but its path. */
function decideQuery(rules: SubmissionPolicy, { scope, purpose, identity, account }: Looked) {
  const { method, target } = scope.meta;
  const mark = target.indexOf('?');
  // `?` alone is a query too.
  const query = mark < 0 || method === 'DELETE' ? '' : target.slice(mark);
  return rules.checkQuery(identity, account.queue, query, purpose);
}

const isEnforced = ({ mode }: PolicyViolation): boolean => mode === 'enforce';

/** Says what rules were broken: those that are enforced are counted, and of the others the log says too what they found. */
function tell(report: Told, { scope, identity, account, dry }: Looked, violations: readonly PolicyViolation[]): void {
  const { queue } = account;
  for (const { rule, field, reason } of violations.filter((violation) => !isEnforced(violation))) {
    const fields = { event: 'policy_observed', queue, user: identity.user, request_id: scope.meta.requestId };
    const said = { ...fields, dry_run: dry, reason: `${rule}: ${field ?? 'the body'} ${reason}` };
    report.log.info(said, 'a rule would refuse this');
  }
  if (dry) return;
  const broken = new Map(violations.map((violation) => [violation.rule, isEnforced(violation)]));
  for (const [rule, enforced] of broken) report.policyDecision(queue, rule, enforced ? 'deny' : 'would_deny');
}

type Told = Pick<Report, 'log' | 'policyDecision'>;

/** Holds submissions, changes of jobs and what orders to jobs carry along against `jobs.policy`; `X-Dry-Run: true` answers what would happen. */
export function createInspectBody(policy: () => SubmissionPolicy, quotas: Pick<Quotas, 'check'>, report: Told): Step {
  const answerDry = async ({ scope, purpose, account, identity }: Looked, decision: PolicyDecision): Promise<void> => {
    const { queue, name, shared } = account;
    const caller: QuotaCaller = { queue, account: name, shared, identity };
    const exceeded = purpose === 'change' ? [] : await quotas.check(caller);
    scope.bytesOut = answerJson(scope.res, scope.head, 200, 'application/json', dryRun(decision, exceeded));
    scope.result = { status: 200, bytesOut: scope.bytesOut, seconds: 0, renewed: false, complete: true };
  };
  return (scope): void | Promise<void> => {
    const rules = policy();
    const dry = scope.req.headers[DRY_RUN];
    const call = looked(scope, dry !== undefined);
    if (call === null || (rules.size === 0 && dry === undefined)) return;
    if (dry !== undefined && (dry !== 'true' || call.purpose === 'control')) {
      const use = 'X-Dry-Run takes the value true only, with a submission or a change of a job (PATCH)';
      throw new GatewayError('GW_BAD_REQUEST', `${use}; nothing was done.`);
    }
    const inQuery = decideQuery(rules, call);
    const decision = decide(rules, call);
    const admit = (): void => {
      tell(report, call, [...inQuery, ...decision.violations]);
      if (inQuery.some(isEnforced)) {
        throw new GatewayError('GW_BAD_REQUEST', 'The fields of a job stand in the body, none in the query.');
      }
      if (!call.dry && !decision.allowed) throw policyRefusal(decision);
    };
    // What has its answer already gets it, whatever the rules say by now (see steps/submit-job.ts).
    const mayBeDone = call.purpose === 'submission' && scope.req.headers['idempotency-key'] !== undefined;
    if (mayBeDone && !call.dry) scope.admit = admit;
    else admit();
    if (call.dry) return answerDry(call, decision);
    if (scope.body.kind !== 'bytes' || scope.body.bytes === decision.body) return;
    scope.received = scope.body.bytes;
    scope.body = { kind: 'bytes', bytes: decision.body };
  };
}
