import { createHash } from 'node:crypto';
import type { Config } from '../../config/index.ts';
import { type Clock, GatewayError, type Identity, messageOf } from '../../kernel/index.ts';
import type { Report } from '../../observe/index.ts';
import { putBounded } from '../bounded-put.ts';
import { attributesOf } from '../oidc/claims.ts';
import { clean } from '../oidc/reason.ts';
import { type ProviderUnreachable, providerUnavailable, unreachableIn } from '../oidc/unreachable.ts';
import { TokenRefused } from '../oidc/verify-token.ts';
import type { Caller } from '../ports.ts';
import type { Bearers, People } from '../sign-in.ts';
import { bearerForm } from './bearer-form.ts';
import { bearerScopes } from './bearer-scopes.ts';
import type { BearerWay, CheckedBearer } from './bearer-way.ts';
import { type BearerWays, createBearerWays } from './bearer-ways.ts';
import { refusedBearer } from './refused-bearer.ts';

/** What bearer tokens need. */
export interface BearersOptions {
  /** A new object after each reload. */
  readonly config: () => Pick<Config, 'signIn'>;
  readonly people: Pick<People, 'admit'> & Partial<Pick<People, 'find'>>;
  readonly clock: Clock;
  readonly report: Pick<Report, 'log' | 'signIn'>;
  /** Tokens kept in memory. */
  readonly capacity?: number;
  /** Milliseconds for one call to a provider. */
  readonly timeoutMs?: number;
}

interface Known {
  readonly caller: Caller;
  readonly way: BearerWay;
  readonly checkedAt: number;
  readonly admittedAt: number;
  /** When the store was last asked whether the person is still there. */
  readonly personAt: number;
  readonly trustUntil: number;
}

type From = { readonly address: string; readonly requestId: string };

const CAPACITY = 10_000;
/** Milliseconds that an identity is used before the rules are asked again. */
const ADMITTED = 60_000;
/** Milliseconds that a person is taken to be there without asking: the bound of every removal. */
const PERSON = 1000;
/** Milliseconds that a refusal by the rules is repeated without asking them. */
const DENIED = 10_000;
const NOWHERE: From = { address: '-', requestId: '-' };

/** Creates the bearer tokens of this replica; see {@link Bearers}. */
export function createBearers(options: BearersOptions): Bearers {
  const { clock, capacity = CAPACITY } = options;
  const known = new Map<string, Known>();
  const denied = new Map<string, { readonly error: GatewayError; readonly at: number }>();
  const flights = new Map<string, Promise<Caller>>();
  const within = (since: number, span: number): boolean => clock.now() >= since && clock.now() - since < span;
  const following = followConfig(options, () => {
    for (const map of [known, denied, flights]) map.clear();
  });
  const admit = createAdmit(options);
  const isTrusted = (entry: Known | undefined): entry is Known =>
    entry !== undefined && within(entry.checkedAt, entry.trustUntil - entry.checkedAt);

  /** The entry with its person as of now; null when they were removed or refused since. */
  const confirmed = async (entry: Known): Promise<Known | null> => {
    if (options.people.find === undefined || within(entry.personAt, PERSON)) return entry;
    const personAt = clock.now();
    const identity = await personOf(options.people.find, entry);
    return identity === null ? null : { ...entry, personAt, caller: { ...entry.caller, identity } };
  };
  const check = async (token: string, digest: string, from: From): Promise<Caller> => {
    const ways = following();
    const { way, checked } = await findWay(ways, token, digest, from.address, (way, reason) =>
      tell(options, way, from, 'failed', reason),
    );
    const before = known.get(digest);
    const isFresh = before !== undefined && before.way === way && within(before.admittedAt, ADMITTED);
    const fresh = isFresh ? await confirmed(before) : null;
    const checkedAt = clock.now();
    const identity = fresh?.caller.identity ?? (await admit(way, checked, digest, from));
    const caller = callerOf(way, checked, digest, identity);
    const entry = {
      caller,
      way,
      checkedAt,
      admittedAt: fresh?.admittedAt ?? checkedAt,
      personAt: fresh?.personAt ?? checkedAt,
      trustUntil: checked.trustUntil,
    };
    // What a reload has overtaken is answered, but not kept.
    if (ways === following()) putBounded(known, digest, entry, capacity);
    return caller;
  };
  const look = async (token: string, digest: string, from: From): Promise<Caller> => {
    const ways = following();
    const before = known.get(digest);
    const entry = isTrusted(before) ? await confirmed(before) : null;
    if (entry === null || ways !== following()) return await check(token, digest, from);
    putBounded(known, digest, entry, capacity);
    return entry.caller;
  };
  const fly = (token: string, digest: string, from: From): Promise<Caller> => {
    const flight = look(token, digest, from).catch((error: unknown) => {
      known.delete(digest);
      if (isRefusalByRules(error)) putBounded(denied, digest, { error, at: clock.now() }, capacity);
      throw error;
    });
    flights.set(digest, flight);
    const land = (): void => {
      if (flights.get(digest) === flight) flights.delete(digest);
    };
    flight.then(land, land);
    return flight;
  };
  return {
    authenticate(token, from = NOWHERE) {
      following();
      const digest = createHash('sha256').update(token).digest('hex');
      const entry = known.get(digest);
      const isSeen = options.people.find === undefined || (entry !== undefined && within(entry.personAt, PERSON));
      if (isTrusted(entry) && isSeen) return entry.caller;
      const refusal = denied.get(digest);
      if (refusal !== undefined && within(refusal.at, DENIED)) throw refusal.error;
      return flights.get(digest) ?? fly(token, digest, from);
    },
    [Symbol.asyncDispose]: () => following()[Symbol.asyncDispose](),
  };
}

/** Who the bearer is by now; null: nobody. With the store away it stays who it was, until the rules are asked again. */
async function personOf(find: People['find'], { caller: { identity }, way }: Known): Promise<Identity | null> {
  try {
    const person = await find(identity.subject);
    // What a program's token says itself is its own; what a sign-in said is for others.
    return person === null || person.provider === way.config.name ? person : identity;
  } catch (error) {
    if (error instanceof GatewayError && error.code === 'GW_STORE_UNAVAILABLE') return identity;
    throw error;
  }
}

/** The ways of the configuration in use; a faulty new one leaves the last good one at work. */
function followConfig({ config, clock, report, timeoutMs }: BearersOptions, onChange: () => void): () => BearerWays {
  let entries = config().signIn.bearers;
  let ways = createBearerWays(entries, { clock, report, timeoutMs });
  return () => {
    const next = config().signIn.bearers;
    if (next === entries) return ways;
    entries = next;
    try {
      const before = ways;
      ways = createBearerWays(next, { clock, report, timeoutMs });
      onChange();
      Promise.resolve(before[Symbol.asyncDispose]()).catch(() => undefined);
    } catch (error) {
      const fields = { event: 'bearers_failed', reason: messageOf(error), error };
      report.log.error(fields, 'signIn.bearers cannot be set up; the last good settings stay');
    }
    return ways;
  };
}

interface Found {
  readonly way: BearerWay;
  readonly checked: CheckedBearer;
}

/** The first way that takes the token. Throws GW_UNAUTHENTICATED, or GW_PROVIDER_UNAVAILABLE when one could not be asked. */
async function findWay(
  ways: BearerWays,
  token: string,
  digest: string,
  address: string,
  onRefusal: (way: BearerWay, reason: string) => void,
): Promise<Found> {
  const reasons: string[] = [];
  let last: BearerWay | null = null;
  let away: { readonly way: BearerWay; readonly error: ProviderUnreachable } | null = null;
  for (const way of candidates(ways, token)) {
    last = way;
    try {
      return { way, checked: await way.check(token, digest, address) };
    } catch (error) {
      const unreachable = unreachableIn(error);
      if (unreachable !== null) away = { way, error: unreachable };
      else if (error instanceof TokenRefused) reasons.push(`${way.config.name}: ${clean(error.message)}`);
      else throw error;
    }
  }
  if (away !== null) throw providerUnavailable(away.way.config.name, away.error);
  if (last === null) throw refusedBearer('nobody configured issues such tokens');
  onRefusal(last, reasons.join('; '));
  throw refusedBearer(reasons.join('; '));
}

function candidates(ways: BearerWays, token: string): readonly BearerWay[] {
  try {
    return ways.for(bearerForm(token));
  } catch (error) {
    throw error instanceof TokenRefused ? refusedBearer(error.message, error) : error;
  }
}

type Admit = (way: BearerWay, checked: CheckedBearer, digest: string, from: From) => Promise<Identity>;

/** Asks who the bearer is; the first success of a token is reported, later ones are not news. */
function createAdmit(options: BearersOptions): Admit {
  const { people, capacity = CAPACITY } = options;
  const told = new Map<string, true>();
  return async (way, { issuer, claims }, digest, from) => {
    const assertion = { provider: way.config.name, issuer, attributes: attributesOf(claims) };
    try {
      const identity = await people.admit(assertion);
      if (!told.has(digest)) tell(options, way, from, 'ok', undefined, identity);
      putBounded(told, digest, true, capacity);
      return identity;
    } catch (error) {
      if (isRefusalByRules(error)) {
        const result = error.code === 'GW_IDENTITY_CONFLICT' ? 'conflict' : 'denied';
        tell(options, way, from, result, error.internal ?? error.detail);
      }
      throw error;
    }
  };
}

function isRefusalByRules(error: unknown): error is GatewayError {
  return error instanceof GatewayError && ['GW_SIGN_IN_DENIED', 'GW_IDENTITY_CONFLICT'].includes(error.code);
}

function tell(
  { report }: BearersOptions,
  way: BearerWay,
  from: From,
  result: Parameters<Report['signIn']>[0]['result'],
  reason?: string,
  identity?: Identity,
): void {
  report.signIn({
    provider: way.config.name,
    method: 'bearer',
    result,
    ...(reason === undefined ? {} : { reason }),
    ...(identity === undefined ? {} : { user: identity.user, subject: identity.subject }),
    address: from.address,
    requestId: from.requestId,
  });
}

function callerOf({ config }: BearerWay, checked: CheckedBearer, digest: string, identity: Identity): Caller {
  return {
    by: 'bearer',
    identity,
    scopes: bearerScopes(config, checked.claims),
    tokenId: digest.slice(0, 16),
    tokenLabel: `bearer ${config.name}`,
    expiresAt: checked.expiresAt,
    queue: null,
  };
}
