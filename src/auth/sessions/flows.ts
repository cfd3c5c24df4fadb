import { randomBytes, timingSafeEqual } from 'node:crypto';
import type { Config } from '../../config/index.ts';
import type { Clock, WebRequest } from '../../kernel/index.ts';
import type { KeyValue, Sealer } from '../../platform/index.ts';
import { FLOW_COOKIE, type Flow, type Flows } from '../sign-in.ts';
import type { RandomBytes } from '../token-format.ts';
import { askStore } from './ask-store.ts';
import { createKeyedHash } from './keyed-hash.ts';
import { toReturnTarget } from './return-target.ts';

/** What sign-ins under way need. */
export interface FlowsOptions {
  readonly kv: KeyValue;
  readonly sealer: Sealer;
  /** Read at each use, but for the key of the hash. */
  readonly config: () => Pick<Config, 'signIn' | 'secrets'>;
  readonly clock: Clock;
  readonly random?: RandomBytes;
}

/** What the store keeps of a flow, sealed for its place. */
interface StoredFlow extends Flow {
  /** Keyed hash of the flow cookie. */
  readonly browser: string;
  /** Milliseconds since the epoch. */
  readonly expiresAt: number;
}

const BYTES = 32;
/** 32 bytes in base64url. */
const FORM = /^[A-Za-z0-9_-]{43}$/;
const AWAY = 'A sign-in cannot be started or finished right now.';

/** Creates the sign-ins under way; see {@link Flows}. Any replica takes what another started. */
export function createFlows({ kv, sealer, config, clock, random = randomBytes }: FlowsOptions): Flows {
  const hash = createKeyedHash(config().secrets.tokenKey);
  const newText = (): string => random(BYTES).toString('base64url');
  const read = async (name: string): Promise<StoredFlow | null> => {
    const sealed = await kv.get(keyOf(name));
    const text = sealed === null ? null : sealer.open(sealed, aadOf(name));
    return text === null ? null : JSON.parse(text);
  };
  return {
    async start(request, flow) {
      const cookie = cookieOf(request) ?? newText();
      const state = newText();
      const name = hash('flow', state);
      const life = config().signIn.flowLife;
      const returnTo = toReturnTarget(flow.returnTo);
      const expiresAt = clock.now() + life;
      const stored: StoredFlow = { ...flow, returnTo, browser: hash('browser', cookie), expiresAt };
      await askStore(kv.set(keyOf(name), sealer.seal(JSON.stringify(stored), aadOf(name)), life), AWAY);
      return { state, cookie };
    },
    async take(request, state, provider) {
      const cookie = cookieOf(request);
      if (!FORM.test(state) || cookie === null) return null;
      const name = hash('flow', state);
      const found = await askStore(read(name), AWAY);
      if (found === null || found.provider !== provider || found.expiresAt <= clock.now()) return null;
      // Before it is taken: the callback of another browser must not spoil its owner's.
      if (!isSame(found.browser, hash('browser', cookie))) return null;
      const taken = await askStore(kv.delete(keyOf(name)), AWAY);
      return taken ? { provider, returnTo: found.returnTo, facts: found.facts } : null;
    },
  };
}

const keyOf = (name: string): string => `flow:{${name}}`;
const aadOf = (name: string): string => `flow:${name}`;

function cookieOf(request: WebRequest): string | null {
  const text = request.cookies.get(FLOW_COOKIE) ?? '';
  return FORM.test(text) ? text : null;
}

function isSame(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a), Buffer.from(b)];
  return left.length === right.length && timingSafeEqual(left, right);
}
