import type { Account, Identity } from '../kernel/index.ts';

/** The account of an identity on a queue, or why there is none, with the rule that decided (0-based, null: no rule fits). */
export type AccountDecision =
  | { readonly kind: 'account'; readonly account: Account; readonly rule: number }
  | { readonly kind: 'none'; readonly reason: string; readonly rule: number | null };

/** What an identity provider said of a person or program, after every check of its protocol passed. */
export interface Assertion {
  /** Name of the provider in the configuration (`signIn.providers[].name` or `signIn.bearers[].name`). */
  readonly provider: string;
  /** Entity id or issuer, as it was verified. */
  readonly issuer: string;
  /** All values of each attribute or claim by name; `NameID` for SAML and `sub` for OIDC are among them. */
  readonly attributes: Readonly<Record<string, readonly string[]>>;
}

/** The identity of an assertion, or why there is none. Steps say in words what each part of the mapping did, for `vovgw explain`. */
export type IdentityDecision =
  | {
      readonly kind: 'identity';
      readonly identity: Identity;
      /** Groups as the provider said them, without those of `identity.groups`. */
      readonly providerGroups: readonly string[];
      readonly steps: readonly string[];
    }
  | {
      readonly kind: 'refused';
      readonly reason: string;
      /** What the provider says of the subject nonetheless, as far as it can be told; absent when nobody knows who it is. */
      readonly known?: Pick<RememberedPerson, 'subject' | 'provider' | 'providerGroups' | 'attributes'>;
      readonly steps: readonly string[];
    };

/** What is kept of somebody who signed in: all that does not follow from the configuration. */
export interface RememberedPerson extends Pick<Identity, 'subject' | 'user' | 'attributes' | 'bound'> {
  readonly provider: string;
  readonly providerGroups: readonly string[];
}
