import { type Clock, GatewayError, Secret } from '../../src/kernel/index.ts';
import type { LoginAnswer, Upstream, UpstreamToken } from '../../src/upstream/index.ts';

export interface Login {
  readonly queue: string;
  readonly account: string;
  readonly password: string;
  readonly at: number;
}

export interface FakeVovserver extends Pick<Upstream, 'login' | 'epoch'> {
  readonly logins: Login[];
  loginsOf(account: string): Login[];
  readonly passwords: Map<string, string>;
  /** Life of new JWTs, milliseconds. */
  life: number;
  /** Time that a login takes, milliseconds on the clock. */
  latency: number;
  /** Makes every login fail with this error. */
  failure: GatewayError | null;
  epochName: string;
  /** Logins under way now and at most. */
  running: number;
  mostRunning: number;
  accepts(token: UpstreamToken): boolean;
  /** Ends every JWT of an account, as a restart of vovserver may. */
  kill(account: string): void;
}

const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');

/** A JWT-shaped text with these claims. */
export const jwtOf = (claims: object): string => `${part({ alg: 'HS256', typ: 'JWT' })}.${part(claims)}.c2lnbmF0dXJl`;

export const down = (): GatewayError => new GatewayError('GW_UPSTREAM_DOWN', 'vovserver is not reachable.');

/** The token endpoint of a vovserver, with a ledger of every login. */
export function createFakeVovserver(clock: Clock): FakeVovserver {
  let serial = 0;
  const issued = new Map<string, { account: string; until: number }>();
  const answer = (account: string, password: Secret): LoginAnswer => {
    if (fake.failure !== null) return { kind: 'failed', error: fake.failure };
    if (fake.passwords.get(account) !== password.reveal()) return { kind: 'rejected', status: 401 };
    serial += 1;
    const now = clock.now();
    const jwt = jwtOf({ sub: account, jti: serial, iat: now / 1000, exp: (now + fake.life) / 1000 });
    issued.set(jwt, { account, until: now + fake.life });
    return { kind: 'ok', tokenType: 'Bearer', accessToken: new Secret(jwt), expiresIn: null };
  };
  const fake: FakeVovserver = {
    logins: [],
    loginsOf: (name) => fake.logins.filter(({ account }) => account === name),
    passwords: new Map(),
    life: 20_000,
    latency: 0,
    failure: null,
    epochName: 'vov1:6330',
    running: 0,
    mostRunning: 0,
    accepts: ({ accessToken }) => (issued.get(accessToken.reveal())?.until ?? 0) > clock.now(),
    kill(account) {
      for (const [jwt, owner] of issued) if (owner.account === account) issued.delete(jwt);
    },
    epoch: () => fake.epochName,
    async login(queue, account, password, signal) {
      fake.logins.push({ queue, account, password: password.reveal(), at: clock.now() });
      fake.running += 1;
      fake.mostRunning = Math.max(fake.mostRunning, fake.running);
      try {
        if (fake.latency > 0) await clock.sleep(fake.latency, signal);
        return answer(account, password);
      } catch {
        return { kind: 'failed', error: down() };
      } finally {
        fake.running -= 1;
      }
    },
  };
  return fake;
}
