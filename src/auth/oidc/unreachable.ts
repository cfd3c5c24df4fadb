import { GatewayError, messageOf } from '../../kernel/index.ts';

/** The identity provider did not answer, or answered what cannot be used; nothing is said about the caller. */
export class ProviderUnreachable extends Error {
  /** Whole seconds after which it makes sense to ask again. */
  readonly retryAfter: number;

  constructor(reason: string, options: { readonly cause?: unknown; readonly retryAfter?: number } = {}) {
    super(reason, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'ProviderUnreachable';
    this.retryAfter = options.retryAfter ?? 5;
  }
}

/** The {@link ProviderUnreachable} in the chain of causes of an error, or null. */
export function unreachableIn(error: unknown): ProviderUnreachable | null {
  let link: unknown = error;
  for (let depth = 0; depth < 8 && link instanceof Error; depth++) {
    if (link instanceof ProviderUnreachable) return link;
    link = link.cause;
  }
  return null;
}

/** 503 with Retry-After while the identity provider cannot be asked. */
export function providerUnavailable(provider: string, cause: ProviderUnreachable): GatewayError {
  return new GatewayError('GW_PROVIDER_UNAVAILABLE', 'The identity provider is not reachable right now.', {
    internal: `${provider}: ${messageOf(cause)}`,
    retryAfter: cause.retryAfter,
    cause,
  });
}
