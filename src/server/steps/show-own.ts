import { checkTarget, createRowFilter, type RowsPlan, type Visibility } from '../../access/index.ts';
import type { Ownership } from '../../jobs/index.ts';
import { type Account, type Clock, GatewayError, type Identity } from '../../kernel/index.ts';
import type { Report } from '../../observe/index.ts';
import type { Broker } from '../../tokens/index.ts';
import type { Carrier, UpstreamCall } from '../../upstream/index.ts';
import { HeldBudget, HeldBytes } from '../held-bytes.ts';
import { createJobWay } from '../job-way.ts';
import { RowSink } from '../row-sink.ts';
import type { Scope, Step } from '../scope.ts';
import { upstreamCall } from '../upstream-call.ts';
import { writeBody } from '../write-body.ts';

export interface ShowOwnOptions {
  /** True under `jobs.visibility: own`. */
  readonly hides: () => boolean;
  readonly visibility: () => Visibility;
  readonly limits: () => { readonly urlBytes: number };
  readonly ownership: Ownership;
  readonly carrier: Carrier;
  readonly broker: Broker;
  readonly clock: Clock;
  readonly report: Pick<Report, 'log'>;
  /** Bytes of filtered answers in memory at most, also of those that their readers are slow to take. */
  readonly heldBytes?: number;
}

const HELD_BYTES = 64 * 1024 * 1024;
/** What the answers of one person hold at most, of all. */
const PART = 1 / 4;

/** They see whose job is whose by their role, so rows tell them nothing new. */
const seesAll = ({ roles }: Identity): boolean => roles.some((role) => role !== 'user');

/** The same for the job of another and for none: which ids there are is nobody's business. */
const notFound = (): GatewayError => new GatewayError('GW_NOT_FOUND', 'There is no job of yours with this id.');

/** What of the caller's headers a filtered answer can heed: an unchanged or partial one cannot be looked through. */
const HEEDED = /^(?:accept-language|cache-control|pragma|prefer|user-agent)$/i;
const heededOf = (raw: readonly string[]): string[] =>
  raw.filter((_, at) => HEEDED.test(raw[at - (at % 2)] ?? '')).concat('Accept', 'application/json');

/** One read on its way. */
interface Reading {
  readonly scope: Scope;
  readonly call: UpstreamCall;
  readonly account: Account;
  readonly identity: Identity;
}

/**
 * Under `jobs.visibility: own`, keeps reads to the caller's own jobs: rows of others are left out of lists and queries, and a
 * job of somebody else is as one that does not exist. Filters behind the carrier, whose shared answers are those of an account,
 * not of a person. What cannot be filtered is refused.
 */
export function createShowOwn(options: ShowOwnOptions): Step {
  const { hides, visibility, limits, ownership, carrier, broker } = options;
  const { clock, report, heldBytes = HELD_BYTES } = options;
  const budget = new HeldBudget(heldBytes, heldBytes * PART);

  /** `number`: what else than a job may have it; then it must only be no job of another. */
  const checkOwner = async ({ call, account, identity }: Reading, jobId: string, kind: 'job' | 'number') => {
    const { queue, name, shared } = account;
    const way = createJobWay(carrier, broker, call, account);
    const job = { queue, account: name, shared, identity, jobId };
    const isShown = kind === 'job' ? await ownership.isOwn(job, way) : !(await ownership.isOther(job, way));
    if (!isShown) throw notFound();
  };

  const forward = async ({ scope, call, account }: Reading, target: string): Promise<void> => {
    scope.result = await carrier.forward({ ...call, target }, broker.credentialFor(account), scope.res);
  };

  const writeRows = async (
    { scope, call, account, identity }: Reading,
    plan: RowsPlan,
    held: HeldBytes,
  ): Promise<void> => {
    const { queue, name } = account;
    const who = { queue, account: name, subject: identity.subject };
    const sink = new RowSink(scope.req, {
      filter: createRowFilter(plan, account),
      mine: (jobIds) => ownership.submittedBy(who, jobIds),
      plan,
      hold: (bytes) => held.hold(bytes),
    });
    const { head: _, ...bare } = call;
    const asking: UpstreamCall = { ...bare, target: plan.target, rawHeaders: heededOf(call.rawHeaders) };
    // An answer that the filter wants no more of is given up on the way, for its reason.
    const result = await carrier.forward(asking, broker.credentialFor(account), sink).catch((error: unknown) => {
      throw sink.fault ?? error;
    });
    const { headers, visible } = await sink.answer();
    const { status, contentType, body } = visible;
    const own = ['Content-Type', contentType, 'Content-Length', String(body.length), 'Cache-Control', 'no-store'];
    held.releaseWith(scope.res);
    scope.res.writeHead(status, [...scope.head, ...headers, ...own]);
    scope.result = { ...result, status, bytesOut: body.length };
    if (await writeBody(scope.res, body, clock)) return;
    const { subject } = identity;
    const fields = { event: 'slow_reader_cut', queue, account: name, subject, request_id: scope.meta.requestId };
    report.log.warn(fields, 'a filtered answer was broken off: its reader took nothing of it');
  };

  const showRows = async (reading: Reading, plan: RowsPlan): Promise<void> => {
    const held = new HeldBytes(budget, reading.identity.subject);
    try {
      await writeRows(reading, plan, held);
    } catch (error) {
      held.release();
      throw error;
    }
  };

  const show = async (reading: Reading): Promise<void> => {
    const { meta } = reading.scope;
    const plan = visibility().plan(meta.method, checkTarget(meta.target, limits()), reading.account);
    if (plan.kind === 'pass') return;
    if (plan.kind === 'plain') {
      if (plan.number !== undefined) await checkOwner(reading, plan.number, 'number');
      return await forward(reading, plan.target);
    }
    if (plan.jobId !== null) await checkOwner(reading, plan.jobId, 'job');
    if (plan.kind === 'rows') await showRows(reading, plan);
  };

  return (scope) => {
    const { account, caller } = scope;
    if (!hides() || scope.result !== null || account === null || caller === null) return;
    const call = upstreamCall(scope);
    return call === null || seesAll(caller.identity)
      ? undefined
      : show({ scope, call, account, identity: caller.identity });
  };
}
