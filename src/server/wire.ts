import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import {
  createRouteTable,
  createSubmissionPolicy,
  createVisibility,
  type RouteTable,
  type SubmissionPolicy,
  type Visibility,
} from '../access/index.ts';
import { type AccessTokens, createAccessTokens, createTokenEndpoint, type People } from '../auth/index.ts';
import type { Config } from '../config/index.ts';
import { createIdentityRules, type IdentityRules } from '../identity/index.ts';
import type { JobWatch } from '../jobs/index.ts';
import { type Clock, GatewayError, type Identity } from '../kernel/index.ts';
import { createLimiter, type Limiter } from '../limits/index.ts';
import type { ReportHandle } from '../observe/index.ts';
import {
  createLeases,
  createMemoryKeyValue,
  createRedisKeyValue,
  createSealer,
  type KeyValue,
  type Sealer,
} from '../platform/index.ts';
import {
  type Broker,
  createBroker,
  createEnrolledPasswords,
  createEnrolments,
  createLoginPools,
  createSources,
  type Enrolments,
  type Slots,
  type Sources,
} from '../tokens/index.ts';
import { createUpstream, type UpstreamHandle } from '../upstream/index.ts';
import { type CallerAddress, createCallerAddress } from './caller-address.ts';
import { type CookieJar, createCookieJar } from './cookies.ts';
import { createPassthrough } from './passthrough.ts';
import type { Steps } from './pipeline.ts';
import { createAttemptGuard, createAuthenticate } from './steps/authenticate.ts';
import { createBeginRecord } from './steps/begin-record.ts';
import { createCheckMaintenance } from './steps/check-maintenance.ts';
import { createCheckMessage } from './steps/check-message.ts';
import { createCheckOrigin, isOwnCall } from './steps/check-origin.ts';
import { createChooseAccount } from './steps/choose-account.ts';
import { createCollectBody } from './steps/collect-body.ts';
import { createDecideRoute } from './steps/decide-route.ts';
import { createExchangeToken } from './steps/exchange-token.ts';
import { createForward } from './steps/forward.ts';
import { createInspectBody } from './steps/inspect-body.ts';
import { createLimitAddress } from './steps/limit-address.ts';
import { createLimitIdentity } from './steps/limit-identity.ts';
import { createMeetVisitor, createSessionOf } from './steps/meet-visitor.ts';
import { createNoteJob } from './steps/note-job.ts';
import { createOwnJob } from './steps/own-job.ts';
import { createReadForm } from './steps/read-form.ts';
import { refuse } from './steps/refuse.ts';
import { createSecureHeaders } from './steps/secure-headers.ts';
import { createServePage } from './steps/serve-page.ts';
import { createServeVendorPage } from './steps/serve-vendor-page.ts';
import { createShowOwn } from './steps/show-own.ts';
import { createSubmitJob } from './steps/submit-job.ts';
import { createStillKnown } from './still-known.ts';
import { createStoreDoubts, type StoreDoubts } from './store-doubts.ts';
import { type CarryPage, createVendorPages } from './vendor-pages.ts';
import { type Guards, wireGuards } from './wire-guards.ts';
import { wireJobWatch } from './wire-job-watch.ts';
import { type Pages, wirePages } from './wire-pages.ts';
import { type SignIn, type SignInOptions, wirePeople, wireSignIn } from './wire-sign-in.ts';

/** What is derived from the configuration and replaced as a whole when the configuration is. */
export interface Decided {
  readonly config: Config;
  readonly rules: IdentityRules;
  readonly routes: RouteTable;
  readonly policy: SubmissionPolicy;
  readonly visibility: Visibility;
  readonly addresses: CallerAddress;
}

/** Derives the pure parts from a configuration. */
export function decide(config: Config): Decided {
  return {
    config,
    rules: createIdentityRules(config),
    routes: createRouteTable(config.access.extraRoutes),
    policy: createSubmissionPolicy(config.jobs),
    visibility: createVisibility(config.jobs),
    addresses: createCallerAddress(config.server.trustedProxies),
  };
}

/** Every part of one gateway by name. */
export interface Parts extends SignIn, Guards {
  readonly kv: KeyValue;
  readonly storeDoubts: StoreDoubts;
  readonly upstream: UpstreamHandle;
  readonly sources: Sources;
  readonly broker: Broker;
  readonly tokens: AccessTokens;
  readonly limiter: Limiter;
  readonly enrolments: Enrolments;
  readonly jobWatch: JobWatch;
  readonly pages: Pages;
  readonly steps: Steps;
}

/** What the parts need from outside. `decided` is asked anew for each use, so that a reload reaches everyone. */
export interface WireOptions {
  readonly decided: () => Decided;
  readonly report: ReportHandle;
  readonly clock: Clock;
  readonly draining: () => boolean;
  /** The queue that a port of its own was opened for at start. */
  readonly queueOfPort: (port: number | undefined) => string | undefined;
  /** A store to use instead of the one that the configuration names. */
  readonly kv?: KeyValue;
  readonly random: () => number;
  readonly version: string;
}

/** Opens and seals values of the store with the configured keys. */
export function wireSealer({ secrets }: Config): Sealer {
  const { sealingKey: current, previousSealingKey: previous } = secrets;
  return createSealer(previous === undefined ? { current } : { current, previous });
}

/** Access tokens over a store: the server's, and the command line's that makes them. */
export function wireAccessTokens(
  kv: KeyValue,
  decided: () => Decided,
  options: Pick<WireOptions, 'clock'> & { report?: ReportHandle; people?: People },
): AccessTokens {
  const config = (): Config => decided().config;
  const sealer = wireSealer(config());
  const people = options.people ?? wirePeople({ decided, kv, sealer, clock: options.clock });
  return createAccessTokens({
    ...(options.report === undefined ? {} : { report: options.report }),
    kv,
    config,
    sealer,
    people,
    identityOf: (user) => decided().rules.identityOf(user),
    clock: options.clock,
  });
}

/**
 * Which queue a request means: the port it came to, else its host name, else the first queue. A port keeps its queue until
 * the process ends: when a reload took that queue away, nothing is behind the port any more.
 */
function queueOf(queues: Config['queues'], bound: string | undefined, host: string | undefined): string {
  if (bound !== undefined) {
    if (queues.some(({ name }) => name === bound)) return bound;
    throw new GatewayError('GW_NOT_FOUND', 'The queue of this port is no longer configured.');
  }
  const name = host?.replace(/\.?(:\d+)?$/, '').toLowerCase() ?? '';
  const queue = queues.find(({ hosts }) => hosts.includes(name)) ?? queues[0];
  if (queue === undefined) throw new GatewayError('GW_INTERNAL', 'No queue is configured.');
  return queue.name;
}

function wireStore(options: WireOptions): KeyValue {
  const { redis } = options.decided().config;
  const { clock, report } = options;
  if (options.kv !== undefined) return options.kv;
  if (redis === undefined) return createMemoryKeyValue({ clock });
  const events = {
    command: report.storeCommand.bind(report),
    state: report.store.bind(report),
  };
  return createRedisKeyValue(redis, { clock, events });
}

/** The parts that hold what is known of vovserver: connections, passwords and JWTs. */
function wireUpstream(options: WireOptions, kv: KeyValue, sealer: Sealer, replicaId: string) {
  const { decided, report, clock, random } = options;
  const config = (): Config => decided().config;
  const { tokenKey: versionKey } = config().secrets;
  const leases = createLeases(kv, { clock, ownerId: replicaId });
  const longestWait = (): number => config().limits.lanes.longestWait;
  const upstream = createUpstream({ queues: config().queues, report, clock, random, kv, longestWait });
  const passwords = createEnrolledPasswords({ kv, sealer, clock, report, versionKey });
  const sources = createSources({ config: () => config().credentials, clock, report, versionKey, enrolled: passwords });
  const broker = createBroker({ config, kv, leases, sealer, upstream, sources, report, clock, random });
  const enrolments = createEnrolments({ passwords, broker, config, report, versionKey });
  const limit = (): number => config().broker.loginConcurrency;
  const life = (): number => config().broker.lease;
  const guestSlots = createLoginPools('passthrough', { limit, life, leases, clock, random, report });
  return { upstream, sources, broker, enrolments, guestSlots };
}

/** The vendor's token endpoint. */
function wireTokenEndpoint(options: WireOptions, { tokens, upstream, broker, guestSlots: slotsOf }: Known) {
  const { decided, clock } = options;
  const accountOf = (identity: Identity, queue: string): string | null => {
    const decision = decided().rules.accountFor(identity, queue);
    return decision.kind === 'account' && !decision.account.shared ? decision.account.name : null;
  };
  return createTokenEndpoint({
    tokens,
    config: () => decided().config,
    now: clock.now,
    // A script posts the Unix user name that vovserver knows, which a rule may map the token's owner to.
    isOwner: (identity, username, queue) => username === identity.user || username === accountOf(identity, queue),
    passthrough: createPassthrough({ decided, upstream, broker, clock, slotsOf }),
  });
}

type Known = Omit<Parts, 'steps' | 'pages'> & {
  readonly jar: CookieJar;
  readonly secure: boolean;
  readonly guestSlots: (queue: string) => Slots;
};

function wireSteps(options: WireOptions, parts: Known, vendorPages: CarryPage): Steps {
  const { decided, report, clock } = options;
  const { tokens, limiter, upstream, broker, sessions, bearers, jar, secure } = parts;
  const { carrier, submissions, ownership, origins } = parts;
  const config = (): Config => decided().config;
  const limits = () => config().server.limits;
  const hides = (): boolean => config().jobs.visibility === 'own';
  const guard = createAttemptGuard(limiter, report);
  const sessionOf = createSessionOf(sessions, jar);
  const authenticate = createAuthenticate({
    tokens,
    bearers,
    takesBearers: () => config().signIn.bearers.length > 0,
    guard,
    sessionOf,
    isOwnCall: (scope) => isOwnCall(scope, secure),
    report,
  });
  return {
    beginRecord: createBeginRecord(
      report,
      clock,
      createStillKnown(authenticate, () => decided().rules),
    ),
    secureHeaders: createSecureHeaders(secure, options.draining),
    limitAddress: createLimitAddress(limiter),
    checkMessage: createCheckMessage(limits, (port, host) => queueOf(config().queues, options.queueOfPort(port), host)),
    authenticate,
    meetVisitor: createMeetVisitor(sessionOf, authenticate),
    checkOrigin: createCheckOrigin(secure),
    decideRoute: createDecideRoute(() => decided().routes),
    limitIdentity: createLimitIdentity(limiter),
    collectBody: createCollectBody(() => limits().bodyBytes),
    readForm: createReadForm(jar),
    chooseAccount: createChooseAccount(() => decided().rules),
    exchangeToken: createExchangeToken(wireTokenEndpoint(options, parts), guard),
    servePage: createServePage(jar, config, authenticate),
    serveVendorPage: createServeVendorPage(vendorPages, jar),
    refuse,
    inspectBody: createInspectBody(() => decided().policy, parts.quotas, report),
    checkMaintenance: createCheckMaintenance(parts.maintenance),
    ownJob: createOwnJob(ownership, carrier, broker, hides),
    submitJob: createSubmitJob(submissions, upstream, carrier, broker, clock.now),
    showOwn: createShowOwn({
      hides,
      visibility: () => decided().visibility,
      limits,
      ownership,
      carrier,
      broker,
      clock,
      report,
    }),
    noteJob: createNoteJob(origins, carrier, broker, clock),
    forward: createForward(carrier, broker),
  };
}

/** Puts the rooms together: the one place where parts meet. */
export function wire(options: WireOptions): Parts {
  const { decided, report, clock } = options;
  const config = (): Config => decided().config;
  const kv = wireStore(options);
  const sealer = wireSealer(config());
  // Two containers may share a host name and a process id.
  const replicaId = `${hostname()}-${process.pid}-${randomUUID().slice(0, 8)}`;
  const { publicUrl, tls } = config().server;
  const secure = publicUrl === undefined ? tls !== undefined : publicUrl.startsWith('https:');
  const jar = createCookieJar(secure);
  const toVovserver = wireUpstream(options, kv, sealer, replicaId);
  const { enrolments } = toVovserver;
  const onNewAccounts: SignInOptions['onNewAccounts'] = async (subject, accounts) => {
    for (const account of accounts) await enrolments.forgetOthers(account, subject);
  };
  const signIn = wireSignIn({ decided, kv, sealer, clock, report, onNewAccounts });
  const tokens = wireAccessTokens(kv, decided, { clock, report, people: signIn.people });
  const limiter = createLimiter({
    config: () => config().limits,
    kv,
    replicas: () => config().replicas,
    report,
    clock,
    replicaId,
  });
  const guards = wireGuards(options, { kv, sealer, upstream: toVovserver.upstream, replicaId });
  const jobWatch = wireJobWatch(options, { ...toVovserver, ...guards, kv, sealer, replicaId });
  const storeDoubts = createStoreDoubts(kv, report, clock);
  const known = { ...toVovserver, ...signIn, ...guards, kv, storeDoubts, tokens, limiter, jobWatch, jar, secure };
  const pages = wirePages({ ...known, decided, sealer, clock, report, version: options.version });
  const vendorPages = createVendorPages({ upstream: toVovserver.upstream, publicUrl: () => publicUrl, report, clock });
  return { ...known, pages, steps: wireSteps(options, known, vendorPages) };
}
