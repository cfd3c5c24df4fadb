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
import { addressRange } from '../oauth/address-range.ts';
import { libraryFetch } from '../oidc/library-fetch.ts';
import type { ProviderCalls } from '../oidc/provider-calls.ts';
import { reasonOf } from '../oidc/reason.ts';
import { ProviderUnreachable, unreachableIn } from '../oidc/unreachable.ts';
import { TokenRefused } from '../oidc/verify-token.ts';
import { createSingleFlight } from '../single-flight.ts';
import { type BearerWay, type CheckedBearer, TRUST } from './bearer-way.ts';
import { createFairGate } from './gate.ts';
import { kindFault } from './token-kind.ts';

type IntrospectionConfig = Extract<BearerConfig, { type: 'introspection' }>;
type Claims = Readonly<Record<string, unknown>>;
/** A good answer, or why the token is refused. */
type Answer = CheckedBearer | { readonly refused: string };

/** Milliseconds that a refusal is kept: long enough against repetition, short enough for a token that becomes valid. */
const REFUSED_FOR = 5000;
const CAPACITY = 10_000;
/** Questions under way and waiting: of all, and of one address, so that made-up tokens of one keep no other from asking. */
const OF_ALL = { width: 8, queue: 64 };
const OF_EACH = { width: 2, queue: 4 };

/** Opaque access tokens, asked for at the provider (RFC 7662). Answers are kept under the digest of the token. */
export function createIntrospectionWay(config: IntrospectionConfig, calls: ProviderCalls, clock: Clock): BearerWay {
  const gate = createFairGate(OF_ALL, OF_EACH);
  const kept = new Map<string, { readonly answer: Answer; readonly at: number; readonly until: number }>();
  const ask = createAsk(config, calls);
  const keep = (digest: string, answer: Answer): void => {
    const now = clock.now();
    const until = 'refused' in answer ? now + Math.min(REFUSED_FOR, config.cache) : answer.trustUntil;
    putBounded(kept, digest, { answer, at: now, until }, CAPACITY);
  };
  const asked = new Map<string, { readonly token: string; readonly address: string }>();
  const flights = createSingleFlight<Answer>(
    async (digest) => {
      const { token, address } = asked.get(digest) ?? { token: '', address: '' };
      return answerOf(await gate(addressRange(address), () => ask(token)), config, clock.now());
    },
    keep,
    (_digest, error) => {
      throw error;
    },
  );
  const look = async (token: string, digest: string, address: string): Promise<Answer> => {
    const entry = kept.get(digest);
    const now = clock.now();
    if (entry !== undefined && now >= entry.at && now < entry.until) return entry.answer;
    asked.set(digest, { token, address });
    return flights.ask(digest).finally(() => asked.delete(digest));
  };
  return {
    config,
    async check(token, digest, address) {
      const answer = await look(token, digest, address);
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
  return isBearer && cnf === undefined ? kindFault(claims) : 'it is no bearer token';
}
