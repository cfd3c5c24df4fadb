import { randomBytes } from 'node:crypto';
import { type Exchange, sendOn, sendPage } from './exchange.ts';
import type { KeyRing } from './keys.ts';
import type { Login, Logins, Participant } from './logins.ts';
import { autoPostPage, errorPage, signedOutPage } from './pages.ts';
import type { Faults } from './ports.ts';
import { createLogoutChains, type LogoutChains } from './saml-logout.ts';
import { newId, PERSISTENT, responseXml } from './saml-messages.ts';
import { type ReceivedMessage, readMessage } from './saml-receive.ts';
import { signMetadata, signResponse } from './saml-signature.ts';
import { IdentityProvider } from './samlify.ts';
import { createServiceProviders, type KnownProvider } from './service-providers.ts';

const BINDINGS = 'urn:oasis:names:tc:SAML:2.0:bindings:';
/** samlify offers no AES-256 in GCM; CBC for assertions is out of date, so the shorter key it is. */
const DATA_ENCRYPTION = 'http://www.w3.org/2009/xmlenc11#aes128-gcm';

export interface SamlParts {
  readonly url: string;
  readonly keys: KeyRing;
  readonly logins: Logins;
  readonly faults: Faults;
  readonly encrypt: () => boolean;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  readonly metadataUrls: () => readonly string[];
  /** Ends the login of this browser outside SAML. */
  readonly endElsewhere: (exchange: Exchange, login: Login) => Promise<void>;
}

/** The SAML half. */
export interface Saml {
  readonly entityId: string;
  /** Takes a request below /saml/; false when nothing is there. */
  handle(exchange: Exchange): Promise<boolean>;
  /** Where to send a browser so that these participants are told one after the other, and then `onward`. */
  logoutChain(participants: readonly Participant[], onward: string): string;
}

/** What a browser has asked for and gets after it has signed in. */
interface Pending {
  readonly sp: KnownProvider;
  readonly requestId: string | null;
  readonly relayState: string | null;
  readonly again: boolean;
}

const samlEntity = (parts: SamlParts, entityId: string) => {
  const endpoint = (binding: string, path: string) => ({
    Binding: `${BINDINGS}${binding}`,
    Location: `${parts.url}/saml/${path}`,
  });
  return IdentityProvider({
    entityID: entityId,
    signingCert: parts.keys.published.map((key) => key.certPem),
    privateKey: parts.keys.signing.keyPem,
    wantAuthnRequestsSigned: true,
    nameIDFormat: [PERSISTENT],
    singleSignOnService: [endpoint('HTTP-Redirect', 'sso'), endpoint('HTTP-POST', 'sso')],
    singleLogoutService: [endpoint('HTTP-Redirect', 'slo'), endpoint('HTTP-POST', 'slo')],
    isAssertionEncrypted: true,
    ...{ dataEncryptionAlgorithm: DATA_ENCRYPTION },
  });
};

/** Makes the SAML half on samlify. */
export function createSaml(parts: SamlParts): Saml {
  const entityId = `${parts.url}/saml/metadata`;
  const providers = createServiceProviders(parts.metadataUrls);
  const pending = new Map<string, Pending>();
  const chains: LogoutChains = createLogoutChains({ ...parts, entityId, providers });

  const answer = async (exchange: Exchange, wish: Pending, login: Login): Promise<void> => {
    const { sp } = wish;
    const participant = { entityId: sp.entityId, nameId: login.person.subject, sessionIndex: newId() };
    const xml = responseXml({
      issuer: entityId,
      audience: sp.entityId,
      acs: sp.acs,
      inResponseTo: wish.requestId,
      person: login.person,
      sessionIndex: participant.sessionIndex,
      now: parts.now(),
    });
    const encryptFor = parts.encrypt() ? { idp: samlEntity(parts, entityId), sp: sp.entity } : null;
    const changed = parts.faults.response?.(xml) ?? xml;
    const signed = await signResponse(changed, parts.keys.signing, parts.faults.unsigned, encryptFor);
    const sent = parts.faults.signed?.(signed) ?? signed;
    login.participants.push(participant);
    const fields = { SAMLResponse: Buffer.from(sent).toString('base64') };
    const relay = wish.relayState === null ? {} : { RelayState: wish.relayState };
    sendPage(exchange.response, autoPostPage(sp.acs, { ...fields, ...relay }));
  };

  const proceed = async (exchange: Exchange, id: string): Promise<void> => {
    const wish = pending.get(id);
    if (wish === undefined) return sendPage(exchange.response, errorPage('Too late', 'Start the sign-in again.'), 400);
    const login = parts.logins.of(exchange.request);
    const path = `/saml/continue?id=${id}`;
    if (login === null || (wish.again && login.onward !== path)) {
      return sendOn(exchange.response, `/login?onward=${encodeURIComponent(path)}`);
    }
    pending.delete(id);
    return answer(exchange, wish, login);
  };

  const enqueue = (exchange: Exchange, wish: Pending): Promise<void> => {
    const id = randomBytes(12).toString('base64url');
    pending.set(id, wish);
    return proceed(exchange, id);
  };

  const signOn = async (exchange: Exchange): Promise<void> => {
    const message: ReceivedMessage = await readMessage(exchange, providers, 'AuthnRequest');
    if (message.acs !== null && message.acs !== message.sp.acs)
      throw new Error(`unknown assertion consumer ${message.acs}`);
    const { sp, relayState } = message;
    return enqueue(exchange, { sp, requestId: message.id, relayState, again: message.forceAuthn });
  };

  /** IdP-initiated: nobody asked for it. */
  const start = async (exchange: Exchange): Promise<void> => {
    const sp = await providers.learn(exchange.query.get('sp') ?? '');
    if (sp === null) throw new Error('unknown service provider in the parameter sp');
    return enqueue(exchange, { sp, requestId: null, relayState: exchange.query.get('RelayState'), again: false });
  };

  const routes: Readonly<Record<string, (exchange: Exchange) => Promise<void> | void>> = {
    '/saml/metadata': ({ response }) => {
      const xml = signMetadata(samlEntity(parts, entityId).getMetadata(), parts.keys.metadata);
      response.writeHead(200, { 'content-type': 'application/samlmetadata+xml' }).end(xml);
    },
    '/saml/sso': signOn,
    '/saml/start': start,
    '/saml/continue': (exchange) => proceed(exchange, exchange.query.get('id') ?? ''),
    '/saml/slo': chains.receive,
    '/saml/chain': (exchange) => chains.next(exchange, exchange.query.get('id') ?? ''),
    '/saml/signed-out': ({ response }) => sendPage(response, signedOutPage([])),
  };
  return {
    entityId,
    async handle(exchange) {
      const route = routes[exchange.path];
      await route?.(exchange);
      return route !== undefined;
    },
    logoutChain: chains.begin,
  };
}
