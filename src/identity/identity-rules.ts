import type { Config } from '../config/index.ts';
import type { Identity } from '../kernel/index.ts';
import { type AccountRules, createAccountRules } from './account-rules.ts';
import {
  createMapping,
  type Mapping,
  type MappingConfig,
  MappingRefused,
  MOST_WATCHED,
  realmOf,
  usableValues,
} from './mapping.ts';
import { createMembership, type Membership } from './membership.ts';
import { printable } from './names.ts';
import type { Assertion, IdentityDecision, RememberedPerson } from './ports.ts';

/** All rules of identity: from an assertion to an identity, and from an identity to its vovserver accounts. */
export interface IdentityRules extends AccountRules {
  /** Maps an assertion by the section of its provider. Pure; never throws for what an assertion holds. */
  toIdentity(assertion: Assertion): IdentityDecision;
  /**
   * The identity of somebody who signed in earlier, with the groups, roles and admission of today's configuration. Null when it
   * no longer lets them in: the provider is gone, has another realm, or none of its allowGroups fits.
   */
  recall(person: RememberedPerson): Identity | null;
}

interface Way {
  readonly config: MappingConfig;
  readonly mapping: Mapping;
}

/** Compiles `identity` and the mappings of `signIn`. Throws an Error naming a pattern that is no regular expression. */
export function createIdentityRules(config: Pick<Config, 'identity' | 'signIn'>): IdentityRules {
  const { providers, bearers } = config.signIn;
  const ways = new Map(
    [...providers, ...bearers].map((way): [string, Way] => [way.name, { config: way, mapping: createMapping(way) }]),
  );
  const membership = createMembership(config.identity);
  const watched = [...new Set(config.identity.rules.flatMap(({ match }) => match.attribute?.name ?? []))];
  return {
    ...createAccountRules(config.identity),
    toIdentity(assertion) {
      const steps: string[] = [];
      const way = ways.get(assertion.provider);
      try {
        if (way === undefined) throw new MappingRefused(`no provider is called ${printable(assertion.provider)}`);
        return { ...map(way, assertion, { membership, watched }, steps), steps };
      } catch (error) {
        if (!(error instanceof MappingRefused)) throw error;
        const known = way === undefined ? null : knownOf(way, assertion, watched);
        const refused = { reason: error.message, steps: [...steps, `refused: ${error.message}`] };
        return { kind: 'refused', ...refused, ...(known === null ? {} : { known }) };
      }
    },
    recall({ providerGroups, ...person }) {
      const way = ways.get(person.provider);
      if (way === undefined || !person.subject.startsWith(`${realmOf(way.config)}:`)) return null;
      const groups = allGroups(providerGroups, membership.groupsOf(person.user));
      if (!isAllowed(way.config, groups)) return null;
      return { ...person, groups, roles: membership.rolesOf(person, groups) };
    },
  };
}

interface Context {
  readonly membership: Membership;
  /** Attributes that the account rules look at. */
  readonly watched: readonly string[];
}

type Mapped = Omit<Extract<IdentityDecision, { kind: 'identity' }>, 'steps'>;

function map(
  { config, mapping }: Way,
  assertion: Assertion,
  { membership, watched }: Context,
  steps: string[],
): Mapped {
  const tell = (step: string): void => void steps.push(step);
  const subject = mapping.subjectOf(assertion, tell);
  const user = mapping.userOf(assertion, tell);
  const providerGroups = mapping.groupsOf(assertion, tell);
  const own = membership.groupsOf(user);
  if (own.length > 0) tell(`identity.groups: ${user} is also in ${own.join(', ')}`);
  const groups = allGroups(providerGroups, own);
  if (!isAllowed(config, groups)) throw new MappingRefused(`none of allowGroups (${config.allowGroups.join(', ')})`);
  if (config.allowGroups.length > 0) tell(`allowGroups: let in by ${firstAllowed(config, groups)}`);
  const roles = membership.rolesOf({ user, subject, provider: config.name }, groups);
  tell(`roles: ${roles.join(', ')}`);
  const attributes = attributesOf(assertion, watched);
  const identity = { subject, user, groups, roles, provider: config.name, attributes, bound: null };
  return { kind: 'identity', identity, providerGroups };
}

/** What account rules look at: few values, since each may be matched with a pattern of each rule. */
function attributesOf(assertion: Assertion, watched: readonly string[]): Readonly<Record<string, readonly string[]>> {
  const all = watched.map((name) => [name, usableValues(assertion, name, MOST_WATCHED)] as const);
  return Object.fromEntries(all.filter(([, values]) => values.length > 0));
}

/** Of somebody who is refused: what takes the place of what is remembered of them. Null when it is not known who it is. */
function knownOf(
  { config, mapping }: Way,
  assertion: Assertion,
  watched: readonly string[],
): NonNullable<Extract<IdentityDecision, { kind: 'refused' }>['known']> | null {
  const told = <T>(part: () => T, without: T): T => {
    try {
      return part();
    } catch (error) {
      if (error instanceof MappingRefused) return without;
      throw error;
    }
  };
  const silent = (): void => undefined;
  const subject = told(() => mapping.subjectOf(assertion, silent), null);
  if (subject === null) return null;
  const providerGroups = told(() => mapping.groupsOf(assertion, silent), []);
  return {
    subject,
    provider: config.name,
    providerGroups,
    attributes: told(() => attributesOf(assertion, watched), {}),
  };
}

const allGroups = (mapped: readonly string[], own: readonly string[]): readonly string[] => [
  ...new Set([...mapped, ...own]),
];

const firstAllowed = ({ allowGroups }: MappingConfig, groups: readonly string[]): string | undefined =>
  allowGroups.find((group) => groups.includes(group));

const isAllowed = (config: MappingConfig, groups: readonly string[]): boolean =>
  config.allowGroups.length === 0 || firstAllowed(config, groups) !== undefined;
