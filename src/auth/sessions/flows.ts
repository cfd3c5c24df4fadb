import { randomBytes } from 'node:crypto';
import type { Config } from '../../config/index.ts';
import type { Clock, WebRequest } from '../../kernel/index.ts';
import type { KeyValue, Sealer } from '../../platform/index.ts';
import { FLOW_COOKIE, type Flow, type Flows, SESSION_COOKIE } from '../sign-in.ts';
import type { RandomBytes } from '../token-format.ts';
import { askStore, storeAway } from './ask-store.ts';
import { type KeptFlow, readFlowCookie, writeFlowCookie } from './flow-cookie.ts';
import { createKeyedHash } from './keyed-hash.ts';
import { HOME, toReturnTarget } from './return-target.ts';
import { identify } from './session-store.ts';

/** What sign-ins under way need. */
export interface FlowsOptions {
  readonly kv: KeyValue;
  readonly sealer: Sealer;
  /** Read at each use, but for the key of the hash. */
  readonly config: () => Pick<Config, 'signIn' | 'secrets'>;
  readonly clock: Clock;
  readonly random?: RandomBytes;
}

const BYTES = 32;
/** 32 bytes in base64url. */
const FORM = /^[A-Za-z0-9_-]{43}$/;
/** Milliseconds that a taken flow is remembered beyond its end: the clocks of two replicas may differ. */
const GRACE = 5 * 60_000;
const AWAY = 'A sign-in cannot be started or finished right now.';

/**
 * Creates the sign-ins under way; see {@link Flows}. They lie sealed in a cookie of their browser: who only begins leaves
 * nothing in the store, which remembers those that were taken.
 */
export function createFlows({ kv, sealer, config, clock, random = randomBytes }: FlowsOptions): Flows {
  const hash = createKeyedHash(config().secrets.tokenKey);
  const keptBy = (request: WebRequest): KeptFlow[] =>
    readFlowCookie(request.cookies.get(FLOW_COOKIE), sealer).filter(({ expiresAt }) => clock.now() < expiresAt);
  const sessionOf = (request: WebRequest): Pick<Flow, 'session'> => {
    const named = identify(request.cookies.get(SESSION_COOKIE), (id) => hash('session', id));
    return named === null ? {} : { session: named.id };
  };
  return {
    async start(request, flow) {
      // Costs the store nothing, and spares people a way to the provider that cannot end.
      if (kv.state() === 'down') throw storeAway(AWAY);
      const state = random(BYTES).toString('base64url');
      const expiresAt = clock.now() + config().signIn.flowLife;
      const returnTo = toReturnTarget(flow.returnTo);
      const kept = { ...flow, ...sessionOf(request), name: hash('flow', state), returnTo, expiresAt };
      const cookie =
        writeFlowCookie([kept, ...keptBy(request)], sealer) ?? writeFlowCookie([{ ...kept, returnTo: HOME }], sealer);
      if (cookie === null) throw new Error('the facts of a sign-in do not fit into its cookie');
      return { state, cookie };
    },
    async take(request, state, provider) {
      if (!FORM.test(state)) return null;
      const name = hash('flow', state);
      const found = keptBy(request).find((kept) => kept.name === name && kept.provider === provider);
      if (found === undefined) return null;
      const life = found.expiresAt - clock.now() + GRACE;
      const first = await askStore(kv.set(`flow:{${name}}`, '1', life, { onlyIfAbsent: true }), AWAY);
      const { name: _, expiresAt: __, ...flow } = found;
      return first ? flow : null;
    },
  };
}
