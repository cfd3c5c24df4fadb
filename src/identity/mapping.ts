import type { BearerConfig, ProviderConfig } from '../config/index.ts';
import { printable, userNameFault } from './names.ts';
import { filled, groupsOfMatch, wholeValue } from './patterns.ts';
import type { Assertion } from './ports.ts';

/** What a provider's section says about turning its attributes into an identity. */
export type MappingConfig = Pick<
  ProviderConfig | BearerConfig,
  'name' | 'realm' | 'subject' | 'user' | 'groups' | 'allowGroups'
>;

/** A part of the mapping that cannot be had; the message says why, for the log. */
export class MappingRefused extends Error {}

/** A provider's mapping, compiled. Each part tells its step in words and throws {@link MappingRefused}. */
export interface Mapping {
  /** `<realm>:<value>`. No realm holds a colon, so two realms have no subject in common. */
  subjectOf(assertion: Assertion, tell: Tell): string;
  userOf(assertion: Assertion, tell: Tell): string;
  groupsOf(assertion: Assertion, tell: Tell): readonly string[];
}

type Tell = (step: string) => void;

/** Longest value that is looked at; patterns are bounded for it. */
const LONGEST_VALUE = 256;
const MOST_VALUES = 1000;
/** Values of an attribute that account rules look at. More is a refusal: a value that is not looked at may be one that denies. */
export const MOST_WATCHED = 256;

const PRINTABLE_ASCII = /^[\x20-\x7e]+$/;
const INVISIBLE = /\p{C}/u;

/** Namespace of a provider's subjects. */
export const realmOf = ({ realm, name }: Pick<MappingConfig, 'realm' | 'name'>): string => realm ?? name;

/** All values of an attribute; none when it is not there. */
export const valuesOf = ({ attributes }: Pick<Assertion, 'attributes'>, name: string): readonly string[] =>
  Object.hasOwn(attributes, name) ? (attributes[name] ?? []) : [];

/** The values of an attribute that may be compared: neither empty nor too long, and without invisible characters. */
export const usableValues = (
  assertion: Pick<Assertion, 'attributes'>,
  name: string,
  most = MOST_VALUES,
): readonly string[] => {
  const values = valuesOf(assertion, name);
  if (values.length > most) throw new MappingRefused(`attribute ${name} has more than ${most} values`);
  return [...new Set(values)].filter(
    (value) => value !== '' && value.length <= LONGEST_VALUE && !INVISIBLE.test(value),
  );
};

const valueFault = (value: string): string | null => {
  if (value === '') return 'is empty';
  if (value.length > LONGEST_VALUE) return `is longer than ${LONGEST_VALUE} characters`;
  if (INVISIBLE.test(value)) return 'holds a control or invisible character';
  return value.trim() === value ? null : 'begins or ends with a space';
};

const onlyValue = (assertion: Assertion, name: string): string => {
  const values = valuesOf(assertion, name);
  const [value] = values;
  if (value === undefined) throw new MappingRefused(`attribute ${name} is missing`);
  if (values.length > 1) throw new MappingRefused(`attribute ${name} has ${values.length} values, not exactly one`);
  const fault = valueFault(value);
  if (fault !== null) throw new MappingRefused(`attribute ${name} ${fault}`);
  return value;
};

/** Compiles the mapping of one provider; throws an Error naming a pattern that is none. */
export function createMapping(config: MappingConfig): Mapping {
  const { user, groups, subject: subjectAttribute } = config;
  const realm = realmOf(config);
  if (realm === 'local') throw new Error(`the realm local of ${config.name} belongs to the administrator`);
  const userPattern = wholeValue(user.pattern, `user.pattern of ${config.name}`);
  const groupPattern = wholeValue(groups.pattern, `groups.pattern of ${config.name}`);
  return {
    subjectOf(assertion, tell) {
      const value = onlyValue(assertion, subjectAttribute);
      if (!PRINTABLE_ASCII.test(value)) {
        throw new MappingRefused(`attribute ${subjectAttribute} holds other than printable ASCII characters`);
      }
      tell(`subject: attribute ${subjectAttribute} is “${value}” in the realm ${realm}, so ${realm}:${value}`);
      return `${realm}:${value}`;
    },
    userOf(assertion, tell) {
      const value = onlyValue(assertion, user.attribute);
      // Where a pattern takes a domain off, what is left of a value with several could pass (GHSA-c5c4-8r6x-56w3).
      if (value.indexOf('@') !== value.lastIndexOf('@')) {
        throw new MappingRefused(`attribute ${user.attribute} holds more than one @`);
      }
      const found = groupsOfMatch(userPattern, value);
      if (found === null) throw new MappingRefused(`attribute ${user.attribute} does not match ${user.pattern}`);
      const name = filled(user.template, found);
      const fault = userNameFault(name);
      if (fault !== null) throw new MappingRefused(`user of attribute ${user.attribute}: ${fault}`);
      tell(`user: attribute ${user.attribute} is “${printable(value)}”, matches ${user.pattern}, so ${name}`);
      return name;
    },
    groupsOf(assertion, tell) {
      if (groups.attribute === undefined) {
        tell('groups: none are read from the assertion, since groups.attribute is not set');
        return [];
      }
      const values = usableValues(assertion, groups.attribute);
      const matched = values.flatMap((value) => {
        const found = groupsOfMatch(groupPattern, value);
        return found === null ? [] : filled(groups.template, found);
      });
      const names = [...new Set(matched)].filter((name) => name !== '');
      const count = valuesOf(assertion, groups.attribute).length;
      const what = names.length === 0 ? 'none' : names.map(printable).join(', ');
      tell(
        `groups: attribute ${groups.attribute} has ${count === 1 ? '1 value' : `${count} values`}, ${matched.length} match ${groups.pattern}, so ${what}`,
      );
      return names;
    },
  };
}
