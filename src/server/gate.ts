import type { Turns } from '../limits/index.ts';
import type { Gate } from '../upstream/index.ts';

/** Hands calls to vovserver to the turns of their lane. */
export function createGate(turns: Turns): Gate {
  return {
    take({ queue, account, class: cls, route, identity, token, waitMs, signal }) {
      return turns.take({
        queue,
        // The broker's own logins have slots of their own.
        lane: cls === 'login' ? 'control' : cls,
        identity: identity ?? account,
        token: token ?? '',
        account,
        route,
        waitMs: waitMs ?? null,
        signal,
      });
    },
  };
}
