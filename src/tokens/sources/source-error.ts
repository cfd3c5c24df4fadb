import { type Account, GatewayError } from '../../kernel/index.ts';

/**
 * A source that cannot tell a password. The caller learns account and queue; the log also source, place, problem and
 * what to do.
 */
export function sourceError(
  account: Account,
  about: { readonly source: string; readonly problem: string; readonly mend: string; readonly cause?: unknown },
): GatewayError {
  const { queue, name } = account;
  return new GatewayError(
    'GW_CREDENTIAL_UNAVAILABLE',
    `The credential source for vovserver account ${name} on queue ${queue} cannot give its password: the ` +
      'administrator finds the reason in the log.',
    {
      internal: `${about.source}, account ${name}, queue ${queue}: ${about.problem}; ${about.mend}`,
      retryAfter: 5,
      ...(about.cause === undefined ? {} : { cause: about.cause }),
    },
  );
}
