import type { Identity } from '../../src/kernel/index.ts';

/** An identity that the administrator vouches for. */
export const localIdentity = (user: string, groups: readonly string[] = []): Identity => ({
  subject: `local:${user}`,
  user,
  groups,
  roles: ['user'],
  provider: null,
  attributes: {},
  bound: null,
});
