import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type JWTPayload, SignJWT } from 'jose';
import { type Bearers, createBearers, type People } from '../../src/auth/index.ts';
import type { Config } from '../../src/config/index.ts';
import type { Assertion } from '../../src/identity/index.ts';
import { GatewayError, type Identity } from '../../src/kernel/index.ts';
import type { LogFields, Report } from '../../src/observe/index.ts';
import { localIdentity } from '../world/identities.ts';
import { createManualClock } from '../world/manual-clock.ts';
import { configFrom } from './oidc-config.ts';
import { newKey, type SigningKey } from './oidc-rig.ts';

export const AUDIENCE = 'https://gw.example.com';

type SignIn = Parameters<Report['signIn']>[0];

/** An issuer of tokens: a key set, a discovery document and an introspection endpoint. */
export interface Issuer extends AsyncDisposable {
  readonly url: string;
  keys: readonly SigningKey[];
  /** Paths that were asked for. */
  readonly asked: string[];
  /** Bodies and Authorization headers that came to the introspection endpoint. */
  readonly questions: { readonly form: URLSearchParams; readonly authorization: string }[];
  /** Answers by token; others are not active. */
  readonly opaque: Map<string, Record<string, unknown>>;
  /** Status in place of every answer. */
  broken: number | null;
  /** Resolves before each answer of the introspection endpoint. */
  hold: Promise<void> | null;
  sign(claims: JWTPayload, header?: Readonly<Record<string, unknown>>, key?: SigningKey): Promise<string>;
}

export async function createIssuer(): Promise<Issuer> {
  const first = await newKey();
  const http = createServer(async (request, response) => {
    const path = request.url ?? '';
    issuer.asked.push(path);
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    if (issuer.broken !== null) return response.writeHead(issuer.broken).end();
    const json = (body: unknown) =>
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    if (path === '/jwks') return json({ keys: issuer.keys.map((key) => key.publicJwk) });
    if (path === '/.well-known/openid-configuration')
      return json({ issuer: issuer.url, jwks_uri: `${issuer.url}/jwks` });
    if (path !== '/introspect') return response.writeHead(404).end();
    const form = new URLSearchParams(Buffer.concat(chunks).toString());
    issuer.questions.push({ form, authorization: request.headers.authorization ?? '' });
    await issuer.hold;
    return json(issuer.opaque.get(form.get('token') ?? '') ?? { active: false });
  });
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
  const issuer: Issuer = {
    url: `http://127.0.0.1:${(http.address() as AddressInfo).port}`,
    keys: [first],
    asked: [],
    questions: [],
    opaque: new Map(),
    broken: null,
    hold: null,
    sign: (claims, header = {}, key = issuer.keys[0] ?? first) =>
      new SignJWT(claims)
        .setProtectedHeader({ alg: 'RS256', typ: 'at+jwt', kid: key.kid, ...header })
        .sign(key.privateKey),
    async [Symbol.asyncDispose]() {
      http.closeAllConnections();
      await new Promise((resolve) => http.close(resolve));
    },
  };
  return issuer;
}

/** Bearers of one gateway over a clock that stands still. */
export interface BearersWorld extends AsyncDisposable {
  readonly bearers: Bearers;
  readonly clock: ReturnType<typeof createManualClock>;
  readonly admitted: Assertion[];
  readonly signIns: SignIn[];
  readonly log: LogFields[];
  /** Thrown by the rules in place of an identity. */
  denial: GatewayError | null;
  reload(entries: readonly Readonly<Record<string, unknown>>[]): void;
  /** Claims that are good now. */
  claims(issuer: Issuer, more?: JWTPayload): JWTPayload;
}

export function createBearersWorld(
  entries: readonly Readonly<Record<string, unknown>>[],
  { find, ...options }: { timeoutMs?: number; find?: People['find'] } = {},
) {
  const clock = createManualClock();
  let config: Config = configFrom({ bearers: entries });
  const note = (fields: LogFields): void => void world.log.push(fields);
  const admit = async (assertion: Assertion): Promise<Identity> => {
    world.admitted.push(assertion);
    if (world.denial !== null) throw world.denial;
    return { ...localIdentity(assertion.attributes.sub?.[0] ?? 'nobody'), provider: assertion.provider };
  };
  const bearers = createBearers({
    config: () => config,
    people: { admit, ...(find === undefined ? {} : { find }) },
    clock,
    report: {
      log: { debug: note, info: note, warn: note, error: note },
      signIn: (record) => void world.signIns.push(record),
    },
    ...options,
  });
  const world: BearersWorld = {
    bearers,
    clock,
    admitted: [],
    signIns: [],
    log: [],
    denial: null,
    reload(next) {
      config = configFrom({ bearers: next });
    },
    claims(issuer, more = {}) {
      const now = Math.floor(clock.now() / 1000);
      return {
        iss: issuer.url,
        aud: AUDIENCE,
        sub: 'alice',
        iat: now,
        exp: now + 300,
        jti: 'j',
        client_id: 'ci',
        ...more,
      };
    },
    [Symbol.asyncDispose]: () => bearers[Symbol.asyncDispose](),
  };
  return world;
}

export const jwtEntry = (issuer: Issuer, more: Readonly<Record<string, unknown>> = {}) => ({
  type: 'jwt',
  name: 'corp',
  issuer: issuer.url,
  audience: [AUDIENCE],
  ...more,
});

export const introspectionEntry = (issuer: Issuer, more: Readonly<Record<string, unknown>> = {}) => ({
  type: 'introspection',
  name: 'opaque',
  url: `${issuer.url}/introspect`,
  audience: [AUDIENCE],
  clientId: 'gateway',
  clientSecret: 's3cret:+/ %',
  ...more,
});

export const denied = (): GatewayError => new GatewayError('GW_SIGN_IN_DENIED', 'no', { internal: 'rule 3' });
