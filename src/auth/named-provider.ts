import { GatewayError, type WebAnswer, type WebRequest } from '../kernel/index.ts';
import type { Providers } from './providers.ts';
import type { Provider, SendAway, SignInPages } from './sign-in.ts';

/** The provider that a path names; GW_NOT_FOUND when there is none of this type. */
export function namedProvider(providers: Providers, type: Provider['type'], request: WebRequest): Provider {
  const found = providers.get(request.params.name ?? '');
  if (found?.type === type) return found;
  throw new GatewayError('GW_NOT_FOUND', 'No identity provider has this address.');
}

/** Sends a browser away: by redirect, or by a page that posts a form. */
export function toAnswer(to: SendAway | WebAnswer, pages: SignInPages): WebAnswer {
  return to.kind === 'post' ? pages.sendAway(to) : to;
}
