import type { Credential, UpstreamToken } from '../upstream/index.ts';
import { type AccountJwt, markDead, usableJwt } from './account-jwt.ts';
import type { BrokerParts } from './broker-parts.ts';
import type { Fly } from './flights.ts';
import { sameJwt } from './jwt-life.ts';
import type { LoginTurn } from './login-turn.ts';
import type { Renewal } from './renewal.ts';

/** Creates the {@link Credential} of an account. */
export function createAccountCredential(
  state: AccountJwt,
  { upstream, clock, report }: BrokerParts,
  fly: Fly,
  renewal: Renewal,
): Credential {
  const { queue } = state.account;

  const usable = (): ReturnType<typeof usableJwt> => {
    state.lastUsed = clock.now();
    return usableJwt(state, upstream.epoch(queue), state.lastUsed);
  };
  const fetch = async (reason: LoginTurn['reason']): Promise<UpstreamToken> => {
    const { held, found } = await fly(state, reason);
    report.jwtLookup(queue, found);
    return held.token;
  };

  return {
    get() {
      const held = usable();
      if (held === null) return fetch(state.held === null ? 'first' : 'renewal');
      if (clock.now() >= held.renewAt) renewal.start(state);
      report.jwtLookup(queue, 'memory');
      return held.token;
    },
    async renew(rejected) {
      const held = usable();
      if (held !== null && !sameJwt(held.token, rejected)) return held.token;
      markDead(state, rejected);
      return await fetch('rejected_jwt');
    },
  };
}
