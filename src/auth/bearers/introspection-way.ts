import {
  allowInsecureRequests,
  ClientSecretBasic,
  ClientSecretPost,
  Configuration,
  customFetch,
  tokenIntrospection,
} from 'openid-client';
import type { BearerConfig } from '../../config/index.ts';
import type { Clock } from '../../kernel/index.ts';
import { putBounded } from '../bounded-put.ts';
import { libraryFetch } from '../oidc/library-fetch.ts';
import type { ProviderCalls } from '../oidc/provider-calls.ts';
import { reasonOf } from '../oidc/reason.ts';
import { ProviderUnreachable, unreachableIn } from '../oidc/unreachable.ts';
import { TokenRefused } from '../oidc/verify-token.ts';
import { createSingleFlight } from '../single-flight.ts';
import { type BearerWay, type CheckedBearer, TRUST } from './bearer-way.ts';
import { createGate } from './gate.ts';

type IntrospectionConfig = Extract<BearerConfig, { type: 'introspection' }>;
type Claims = Readonly<Record<string, unknown>>;
/** A good answer, or why the token is refused. */
type Answer = CheckedBearer | { readonly refused: string };

/** Milliseconds that a refusal is kept: long enough against repetition, short enough for a token that becomes valid. */
const REFUSED_FOR = 5000;
const CAPACITY = 10_000;
const AT_ONCE = 8;
const WAITING = 64;

/** Opaque access tokens, asked for at the provider (RFC 7662). Answers are kept under the digest of the token. */
export function createIntrospectionWay(config: IntrospectionConfig, calls: ProviderCalls, clock: Clock): BearerWay {
  const gate = createGate(AT_ONCE, WAITING);
  const kept = new Map<string, { readonly answer: Answer; readonly at: number; readonly until: number }>();
  const ask = createAsk(config, calls);
  const keep = (digest: string, answer: Answer): void => {
    const now = clock.now();
    const until = 'refused' in answer ? now + Math.min(REFUSED_FOR, config.cache) : answer.trustUntil;
    putBounded(kept, digest, { answer, at: now, until }, CAPACITY);
  };
  const tokens = new Map<string, string>();
  const flights = createSingleFlight<Answer>(
    async (digest) => answerOf(await gate(() => ask(tokens.get(digest) ?? '')), config, clock.now()),
    keep,
    (_digest, error) => {
      throw error;
    },
  );
  const look = async (token: string, digest: string): Promise<Answer> => {
    const entry = kept.get(digest);
    const now = clock.now();
    if (entry !== undefined && now >= entry.at && now < entry.until) return entry.answer;
    tokens.set(digest, token);
    return flights.ask(digest).finally(() => tokens.delete(digest));
  };
  return {
    config,
    async check(token, digest) {
      const answer = await look(token, digest);
      if ('refused' in answer) throw new TokenRefused(answer.refused);
      return { ...answer, trustUntil: Math.min(clock.now() + TRUST, answer.trustUntil) };
    },
    [Symbol.asyncDispose]: () => calls[Symbol.asyncDispose](),
  };
}

/** One question. Whatever is no answer is the provider's or the configuration's fault, never the caller's. */
function createAsk(config: IntrospectionConfig, calls: ProviderCalls): (token: string) => Promise<Claims> {
  const { url, clientId } = config;
  const secret = config.clientSecret.reveal();
  const auth = config.clientAuth === 'client_secret_post' ? ClientSecretPost(secret) : ClientSecretBasic(secret);
  const server = { issuer: config.issuer ?? url, introspection_endpoint: url };
  const configuration = new Configuration(server, clientId, undefined, auth);
  configuration[customFetch] = libraryFetch(calls);
  allowInsecureRequests(configuration);
  return async (token) => {
    try {
      return await tokenIntrospection(configuration, token, { token_type_hint: 'access_token' });
    } catch (error) {
      throw unreachableIn(error) ?? new ProviderUnreachable(`introspection: ${reasonOf(error)}`, { cause: error });
    }
  };
}

const seconds = (value: unknown): number | null => (typeof value === 'number' && Number.isFinite(value) ? value : null);

function answerOf(claims: Claims, config: IntrospectionConfig, now: number): Answer {
  const refused = faultOf(claims, config, now);
  if (refused !== null) return { refused };
  const exp = seconds(claims.exp);
  const kept = now + config.cache;
  const expiresAt = exp === null ? kept : exp * 1000;
  const issuer = typeof claims.iss === 'string' ? claims.iss : (config.issuer ?? config.url);
  return { issuer, claims, expiresAt, trustUntil: Math.min(kept, expiresAt) };
}

function faultOf(claims: Claims, { issuer, audience }: IntrospectionConfig, now: number): string | null {
  const { active, aud, iss, exp, nbf, token_type: type, cnf } = claims;
  if (active !== true) return 'the provider says that it is not active';
  const named = [aud].flat();
  if (!named.some((one) => typeof one === 'string' && audience.includes(one))) return 'it is for another audience';
  if (issuer !== undefined && iss !== undefined && iss !== issuer) return 'it is of another issuer';
  if (exp !== undefined && (seconds(exp) ?? 0) * 1000 <= now) return 'it has ended';
  if (nbf !== undefined && (seconds(nbf) ?? Number.POSITIVE_INFINITY) * 1000 > now) return 'it is not valid yet';
  // A refresh token is active too (RFC 7662, section 2.2), and one that is bound to a key is no bearer token.
  const isBearer = type === undefined || (typeof type === 'string' && type.toLowerCase() === 'bearer');
  return isBearer && cnf === undefined ? null : 'it is no bearer token';
}
