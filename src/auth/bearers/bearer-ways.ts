import type { BearerConfig } from '../../config/index.ts';
import type { Clock } from '../../kernel/index.ts';
import type { Report } from '../../observe/index.ts';
import { createProviderCalls } from '../oidc/provider-calls.ts';
import type { BearerForm } from './bearer-form.ts';
import type { BearerWay } from './bearer-way.ts';
import { createIntrospectionWay } from './introspection-way.ts';
import { createJwtWay } from './jwt-way.ts';

/** The entries of one state of the configuration. */
export interface BearerWays extends AsyncDisposable {
  /**
   * Ways that may know a token of this form, in the order of the configuration. A signed token goes to the ways of the
   * issuer that it names and to nobody else, so that a foreign one costs no call.
   */
  for(form: BearerForm): readonly BearerWay[];
}

/** Sets up the entries. Throws TlsFileError when a CA bundle cannot be used. */
export function createBearerWays(
  configs: readonly BearerConfig[],
  parts: { readonly clock: Clock; readonly report: Pick<Report, 'log'>; readonly timeoutMs?: number | undefined },
): BearerWays {
  const ways = configs.map((config) => {
    const calls = createProviderCalls({ ...parts, caFile: config.caFile });
    if (config.type === 'jwt') return createJwtWay(config, calls, parts.clock);
    return createIntrospectionWay(config, calls, parts.clock);
  });
  return {
    for(form) {
      if (form.kind === 'opaque') return ways.filter(({ config }) => config.type === 'introspection');
      const named = ways.filter(({ config }) => config.issuer === form.issuer);
      const signed = named.filter(({ config }) => config.type === 'jwt');
      return signed.length > 0 ? signed : named;
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(ways.map((way) => way[Symbol.asyncDispose]()));
    },
  };
}
