/** A person of the demo directory. */
export interface Person {
  /** What the person is called when signing in. */
  readonly name: string;
  /** Never changes and is never given to another: `sub` in OIDC, persistent NameID in SAML. */
  readonly subject: string;
  readonly email: string;
  readonly displayName: string;
  readonly groups: readonly string[];
  /** Further SAML attributes, or other values for uid, mail, displayName and groups. */
  readonly attributes?: Readonly<Record<string, readonly string[]>>;
  /** Further OIDC claims, or other values. */
  readonly claims?: Readonly<Record<string, unknown>>;
}

/** Who is in the directory unless a test says otherwise. */
export const PEOPLE: readonly Person[] = [
  {
    name: 'alice',
    subject: 'p-7f3a91c2',
    email: 'alice@example.com',
    displayName: 'Alice Archer',
    groups: ['engineers'],
  },
  {
    name: 'bob',
    subject: 'p-2d08be54',
    email: 'bob@example.com',
    displayName: 'Bob Baker',
    groups: ['engineers', 'cad-admins'],
  },
  {
    name: 'carol',
    subject: 'p-c61e07aa',
    email: 'carol@example.com',
    displayName: 'Carol Carter',
    groups: ['contractors'],
  },
];

/** The claims of a person, for ID tokens and bearer tokens. */
export const claimsOf = (person: Person): Record<string, unknown> => ({
  preferred_username: person.name,
  name: person.displayName,
  email: person.email,
  email_verified: true,
  groups: [...person.groups],
  ...person.claims,
});

/** The SAML attributes of a person. */
export const attributesOf = (person: Person): Readonly<Record<string, readonly string[]>> => ({
  uid: [person.name],
  mail: [person.email],
  displayName: [person.displayName],
  groups: person.groups,
  ...person.attributes,
});
