import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { SamlConfig } from '../../config/index.ts';
import { type Clock, GatewayError, type WebRequest } from '../../kernel/index.ts';
import type { Report } from '../../observe/index.ts';
import type { Flow, Flows, Provider, SendAway, SignedIn, UsedOnce } from '../sign-in.ts';
import { signInFailed } from '../sign-in-failed.ts';
import type { AssertionFacts } from './assertion.ts';
import { NAME_ID } from './attributes.ts';
import { checkNotEnded } from './ended-sessions.ts';
import { checkEnvelope } from './envelope.ts';
import { SamlFault, UnknownSigner } from './fault.ts';
import type { IdpMetadata } from './idp-metadata.ts';
import { type OwnKeys, readTrusted } from './keys.ts';
import { type Parties, postRequest, redirectRequest } from './library.ts';
import { type LogoutMessage, type LogoutParts, startLogout, takeLogoutMessage } from './logout.ts';
import { newId } from './logout-messages.ts';
import { KIND, type Message, oneValue, readPosted } from './message.ts';
import { fetchMetadata } from './metadata-fetch.ts';
import { createMetadataSource, type MetadataSource } from './metadata-source.ts';
import { checkScope } from './name-id.ts';
import { createOwnSide } from './own-side.ts';
import { checkShape, claimedRequest, readResponse, verifyResponse } from './response.ts';
import { providerSession } from './session-keys.ts';
import type { OwnAddresses } from './sp-metadata.ts';
import { createVerifier, type Verifier } from './verifier.ts';

export interface SamlProviderOptions {
  readonly config: SamlConfig;
  /** The gateway's own URL, without a path. */
  readonly publicUrl: string;
  readonly flows: Flows;
  readonly usedOnce: UsedOnce;
  readonly clock: Clock;
  readonly report: Report;
  /** Reads the document at `metadataUrl`; without it over HTTPS. */
  readonly fetch?: (url: string) => Promise<Buffer>;
  /** One for several providers; the caller ends it. Without it the provider has its own. */
  readonly verifier?: Verifier;
}

/** Where a sign-in that nobody asked for leads. */
const HOME = '/ui/';

function addressesOf(config: SamlConfig, publicUrl: string): OwnAddresses {
  const base = `${publicUrl.replace(/\/+$/, '')}/saml/${config.name}`;
  return { entityId: config.entityId ?? `${base}/metadata`, acs: `${base}/acs`, slo: `${base}/slo` };
}

function createSource({ config, clock, report, fetch }: SamlProviderOptions, verifier: Verifier): MetadataSource {
  const { name, metadataFile, metadataUrl = '', caFile, metadataCertFile, idpEntityId } = config;
  const overHttps = (url: string): Promise<Buffer> => fetchMetadata({ url, caFile, clock });
  return createMetadataSource({
    clock,
    watch: metadataFile ?? null,
    refreshMs: config.metadataRefresh,
    async read() {
      const bytes = await (metadataFile === undefined ? (fetch ?? overHttps)(metadataUrl) : readFile(metadataFile));
      const trusted = metadataCertFile === undefined ? null : readTrusted(metadataCertFile);
      return verifier.metadata(bytes, { entityId: idpEntityId, trusted }, clock.now());
    },
    onAttempt(reason) {
      if (reason === null) report.log.debug({ event: 'metadata_read', provider: name }, 'metadata read');
      else report.log.warn({ event: 'metadata_failed', provider: name, reason }, 'metadata could not be read');
    },
    onReady: (ready) => report.providerReady(name, ready),
  });
}

/** Turns what the checks found into the one refusal. Faults of the store and of the gateway stay what they are. */
async function refusing<T>(act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (error) {
    if (error instanceof SamlFault) throw signInFailed(error.message, error.cause);
    throw error;
  }
}

/** Does `act` with the metadata at hand, and once more when a signature is unknown and newer metadata may know it. */
async function withSigners<T>(source: MetadataSource, act: (idp: IdpMetadata) => Promise<T>): Promise<T> {
  const idp = await source.current();
  try {
    return await act(idp);
  } catch (error) {
    if (!(error instanceof UnknownSigner)) throw error;
    const newer = await source.newerThan(idp);
    if (newer === null) throw error;
    return await act(newer);
  }
}

/** The sign-in under way that a response belongs to; null for one that nobody asked for, where that is allowed. */
async function flowOf(options: SamlProviderOptions, request: WebRequest, message: Message): Promise<Flow | null> {
  const { config, flows } = options;
  const state = oneValue(request.form, 'RelayState') ?? '';
  const flow = state === '' ? null : await flows.take(request, state, config.name);
  if (flow !== null && flow.facts.requestId !== claimedRequest(message))
    throw new SamlFault('Response has another InResponseTo');
  if (flow !== null) return flow;
  if (claimedRequest(message) !== null) throw new SamlFault('no sign-in of this browser under way');
  if (!config.allowIdpInitiated) throw new SamlFault('a response that nobody asked for');
  return null;
}

/** Remembers an assertion for as long as its own times let it in. */
async function useOnce({ usedOnce, clock, config }: SamlProviderOptions, idp: IdpMetadata, facts: AssertionFacts) {
  const id = createHash('sha256')
    .update(JSON.stringify([idp.entityId, facts.id]))
    .digest('base64url');
  const life = Math.max(1000, facts.expiresAt - clock.now() + 1000);
  if (!(await usedOnce.first(`saml:${config.name}`, id, life))) throw new SamlFault('an assertion twice');
}

function signedIn(config: SamlConfig, idp: IdpMetadata, facts: AssertionFacts, flow: Flow | null): SignedIn {
  const { nameId, sessionIndex, attributes, until } = facts;
  const values = [...attributes, ...(nameId === null ? [] : [[NAME_ID, [nameId.value]] as const])];
  return {
    assertion: { provider: config.name, issuer: idp.entityId, attributes: Object.fromEntries(values) },
    providerSession: providerSession(nameId, sessionIndex),
    returnTo: flow?.returnTo ?? HOME,
    until,
    ...(flow?.session === undefined ? {} : { before: flow.session }),
  };
}

/** The one logout message of a request, in either binding. */
function logoutMessage({ method, query, form, raw }: WebRequest): LogoutMessage {
  const posted = method === 'POST';
  const fields = posted ? form : query;
  const asked = oneValue(fields, 'SAMLRequest');
  const value = oneValue(fields, 'SAMLResponse') ?? asked;
  if (value === null) throw new SamlFault('message: no SAMLRequest and no SAMLResponse');
  if (asked !== null && fields.has('SAMLResponse')) throw new SamlFault('message: SAMLRequest and SAMLResponse');
  const target = raw.url ?? '';
  return {
    kind: asked === null ? 'SAMLResponse' : 'SAMLRequest',
    value,
    relayState: oneValue(fields, 'RelayState'),
    query: posted ? null : target.slice(target.indexOf('?') + 1),
  };
}

/** What the provider's requests have in common. */
interface Parts {
  readonly options: SamlProviderOptions;
  readonly source: MetadataSource;
  readonly verifier: Verifier;
  readonly keys: OwnKeys;
  readonly parties: Omit<Parties, 'issuer'>;
}

async function begin(parts: Parts, request: WebRequest, returnTo: string): ReturnType<Provider['begin']> {
  const { source, verifier, parties } = parts;
  const { config, clock, flows } = parts.options;
  const { signOn, entityId } = await source.current();
  verifier.warm();
  const id = newId();
  const facts = { requestId: id, startedAt: String(clock.now()) };
  const flow = await flows.start(request, { provider: config.name, returnTo, facts });
  const byPost = signOn.redirect === null || (config.binding === 'post' && signOn.post !== null);
  const destination = (byPost ? signOn.post : signOn.redirect) ?? '';
  const asked = { id, relayState: flow.state, destination };
  const known = { ...parties, issuer: entityId };
  const away: SendAway = byPost
    ? { kind: 'post', action: destination, fields: await postRequest(known, asked) }
    : { kind: 'redirect', location: await redirectRequest(known, asked) };
  return { ...away, flow };
}

async function finish(parts: Parts, request: WebRequest): Promise<SignedIn> {
  const { options, source, verifier, parties } = parts;
  const { config, clock } = options;
  const value = oneValue(request.form, 'SAMLResponse');
  if (value === null) throw new SamlFault('message: no SAMLResponse');
  const message = readPosted(value, KIND.response);
  checkShape(message);
  const present = { now: clock.now(), skew: config.clockSkew };
  const { entityId } = await source.current();
  checkEnvelope(message.root, { ...present, issuer: entityId, destination: parties.addresses.acs });
  // Metadata and a place before the flow is taken, so that the same answer can be sent again when one of them is lacking.
  using place = verifier.enter('sign-in', request.address);
  const flow = await flowOf(options, request, message);
  const { idp, verified } = await withSigners(source, async (idp) => ({
    idp,
    verified: await verifyResponse(place, message, idp),
  }));
  const facts = await readResponse(message, verified, {
    ...parts,
    place,
    idp,
    ...present,
    now: clock.now(),
    inResponseTo: flow?.facts.requestId ?? null,
    authnContext: config.authnContext,
    authenticatedSince: config.forceAuthn && flow !== null ? Number(flow.facts.startedAt) : null,
  });
  if (config.subject === NAME_ID && facts.nameId !== null)
    checkScope(facts.nameId, { format: config.nameIdFormat, provider: idp.entityId, own: parties.addresses.entityId });
  await checkNotEnded(options.usedOnce, config.name, facts);
  await useOnce(options, idp, facts);
  return signedIn(config, idp, facts, flow);
}

/** A SAML 2.0 identity provider. Throws TlsFileError when the gateway's key files cannot be used. */
export function createSamlProvider(options: SamlProviderOptions): Provider {
  const { config, clock, usedOnce, report } = options;
  const addresses = addressesOf(config, options.publicUrl);
  const side = createOwnSide({ config, addresses, clock, log: report.log });
  const verifier = options.verifier ?? createVerifier(clock);
  const source = createSource(options, verifier);
  const parts = (): Parts => {
    const { keys } = side.now();
    const own = { key: keys.current.pem, certificate: keys.current.certificate.toString() };
    return { options, source, verifier, keys, parties: { config, addresses, own } };
  };
  const logoutParts = (): Omit<LogoutParts, 'address'> => {
    const { keys, ids } = side.now();
    return { name: config.name, addresses, keys, ids, verifier, usedOnce, clock, skew: config.clockSkew };
  };

  return {
    name: config.name,
    label: config.label ?? config.name,
    type: 'saml',
    begin: (request, returnTo) => begin(parts(), request, returnTo),
    finish: (request) => refusing(() => finish(parts(), request)),
    async logout({ providerSession: session }) {
      try {
        return startLogout(logoutParts(), await source.current(), session);
      } catch (error) {
        // The session here has ended; that the provider's cannot be ended now is no reason to fail.
        if (error instanceof GatewayError && error.code === 'GW_PROVIDER_UNAVAILABLE') return null;
        throw error;
      }
    },
    takeLogout: (request, endSessions) =>
      refusing(async () => {
        const message = logoutMessage(request);
        const known = { ...logoutParts(), address: request.address };
        return withSigners(source, (idp) => takeLogoutMessage(known, idp, message, endSessions));
      }),
    metadata: async () => side.now().metadata,
    state: () => source.state(),
    async [Symbol.asyncDispose]() {
      side[Symbol.dispose]();
      if (options.verifier === undefined) await verifier[Symbol.asyncDispose]();
      await source[Symbol.asyncDispose]();
    },
  };
}
