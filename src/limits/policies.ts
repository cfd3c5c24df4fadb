import type { LimitsConfig } from '../config/index.ts';
import type { Identity, RouteClass } from '../kernel/index.ts';
import { addressKey } from './address-key.ts';
import { type Allowance, createAllowance } from './allowance.ts';
import { type BoundedMap, createBoundedMap } from './bounded-map.ts';
import { createMeter, hashTagOf, hasSize, type Meter } from './meter.ts';

type IdentityPolicy = LimitsConfig['identity'];

/** The classes that can have a limit of their own; `login` has its attempts. */
const LIMITED_CLASSES: readonly RouteClass[] = ['read', 'list', 'submit', 'control'];

/** The allowances of one identity under the policy that holds for it. */
interface Entry {
  readonly limits: LimitsConfig;
  readonly policy: IdentityPolicy;
  groups: readonly string[];
  readonly tag: string;
  readonly label: string;
  /** The meter of `all`, shared by the allowances of every class. */
  readonly all: Meter | null;
  readonly byClass: Map<RouteClass, Allowance | null>;
}

/** Finds the allowance that a call draws on. */
export interface Policies {
  /** Null when no limit concerns this class. */
  ofIdentity(limits: LimitsConfig, identity: Identity, cls: RouteClass): Allowance | null;
  /** Every meter that the limits put on an identity: that of all classes first, then those of single ones. */
  metersOf(limits: LimitsConfig, identity: Identity): readonly Meter[];
  ofAddress(limits: LimitsConfig, address: string): Allowance;
  /**
   * The sign-in attempts of an address in all, and of a token id from there (or of what names no token). Never of a
   * token id or user alone: else anybody who knows it could lock its owner out.
   */
  ofAttempt(limits: LimitsConfig, address: string, tokenId: string | null): Allowance;
}

/** The first listed group with limits of its own that the identity is member of, else `identity`. */
function choose(limits: LimitsConfig, groups: readonly string[]): readonly [label: string, policy: IdentityPolicy] {
  for (const [group, policy] of Object.entries(limits.groups)) {
    if (groups.includes(group)) return [`group-${group}`, policy];
  }
  return ['identity', limits.identity];
}

function createEntry(limits: LimitsConfig, identity: Identity): Entry {
  const [label, policy] = choose(limits, identity.groups);
  const tag = hashTagOf('identity', identity.subject);
  const all = policy.all === undefined ? null : createMeter(label, tag, policy.all);
  return { limits, policy, groups: identity.groups, tag, label, all, byClass: new Map() };
}

function ownMeter({ policy, label, tag }: Entry, cls: RouteClass): Meter | null {
  const bucket = cls === 'login' ? undefined : policy[cls];
  return bucket === undefined ? null : createMeter(`${label}-${cls}`, tag, bucket);
}

function createClassAllowance(entry: Entry, cls: RouteClass): Allowance | null {
  const own = ownMeter(entry, cls);
  if (own !== null) return entry.all === null ? createAllowance(own, null) : createAllowance(entry.all, own);
  if (entry.all === null) return null;
  // Classes without a bucket of their own share one lease.
  for (const other of entry.byClass.values()) {
    if (other !== null && other.main === entry.all && other.extra === null) return other;
  }
  return createAllowance(entry.all, null);
}

function stillHolds(entry: Entry, limits: LimitsConfig, groups: readonly string[]): boolean {
  if (entry.limits !== limits) return false;
  if (entry.groups === groups) return true;
  if (choose(limits, groups)[1] !== entry.policy) return false;
  entry.groups = groups;
  return true;
}

function findSimple(
  map: BoundedMap<Allowance>,
  name: string,
  bucket: LimitsConfig['address'],
  subject: string,
): Allowance {
  const known = map.get(subject);
  if (known !== undefined && hasSize(known.main, bucket)) return known;
  const allowance = createAllowance(createMeter(name, hashTagOf(name, subject), bucket), null);
  map.set(subject, allowance);
  return allowance;
}

/** Remembers at most `capacity` subjects of each kind, so that a flood of addresses displaces no identity. */
export function createPolicies(capacity: number): Policies {
  const identities = createBoundedMap<Entry>(capacity);
  const addresses = createBoundedMap<Allowance>(capacity);
  const attempts = createBoundedMap<Allowance>(capacity);
  const sources = createBoundedMap<Allowance>(capacity);
  const ofIdentity: Policies['ofIdentity'] = (limits, identity, cls) => {
    let entry = identities.get(identity.subject);
    if (entry === undefined || !stillHolds(entry, limits, identity.groups)) {
      entry = createEntry(limits, identity);
      identities.set(identity.subject, entry);
    }
    let allowance = entry.byClass.get(cls);
    if (allowance === undefined) {
      allowance = createClassAllowance(entry, cls);
      entry.byClass.set(cls, allowance);
    }
    return allowance;
  };
  return {
    ofIdentity,
    metersOf(limits, identity) {
      const found = new Set<Meter>();
      for (const cls of LIMITED_CLASSES) {
        const allowance = ofIdentity(limits, identity, cls);
        if (allowance !== null) found.add(allowance.main);
        if (allowance !== null && allowance.extra !== null) found.add(allowance.extra);
      }
      return [...found];
    },
    ofAddress: (limits, address) => findSimple(addresses, 'address', limits.address, addressKey(address)),
    ofAttempt(limits, address, tokenId) {
      const source = addressKey(address);
      const { main } = findSimple(sources, 'attempts-address', limits.attemptsPerAddress, source);
      const subject = `${source} ${tokenId ?? '-'}`;
      const known = attempts.get(subject);
      if (known?.main === main && known.extra !== null && hasSize(known.extra, limits.attempts)) return known;
      // Under the tag of the source, so that one script takes from both; the part hides the token id.
      const tag = hashTagOf('attempts-address', source);
      const own = createMeter('attempts', tag, limits.attempts, hashTagOf('attempts', subject));
      const allowance = createAllowance(main, own);
      attempts.set(subject, allowance);
      return allowance;
    },
  };
}
