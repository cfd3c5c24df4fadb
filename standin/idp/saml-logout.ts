import { randomBytes } from 'node:crypto';
import { type Exchange, sendOn } from './exchange.ts';
import type { Participant } from './logins.ts';
import type { SamlParts } from './saml.ts';
import { logoutRequestXml, logoutResponseXml, newId } from './saml-messages.ts';
import { readMessage } from './saml-receive.ts';
import { redirectUrl } from './saml-signature.ts';
import type { ServiceProviders } from './service-providers.ts';

interface Chain {
  readonly queue: Participant[];
  /** Where the browser goes when everyone has been told. */
  readonly onward: string;
}

/** Single logout over the browser: one service provider after the other. */
export interface LogoutChains {
  /** The path that starts a chain. */
  begin(participants: readonly Participant[], onward: string): string;
  next(exchange: Exchange, id: string): Promise<void>;
  /** A LogoutRequest or LogoutResponse at /saml/slo. */
  receive(exchange: Exchange): Promise<void>;
}

/** Tells service providers of a logout, each by a redirect that comes back. */
export function createLogoutChains(
  parts: SamlParts & { readonly entityId: string; readonly providers: ServiceProviders },
): LogoutChains {
  const chains = new Map<string, Chain>();

  const begin = (participants: readonly Participant[], onward: string): string => {
    const id = randomBytes(12).toString('base64url');
    chains.set(id, { queue: [...participants], onward });
    return `/saml/chain?id=${id}`;
  };

  const next = async (exchange: Exchange, id: string): Promise<void> => {
    const chain = chains.get(id);
    if (chain === undefined) return sendOn(exchange.response, '/saml/signed-out');
    const to = chain.queue.shift();
    if (to === undefined) {
      chains.delete(id);
      return sendOn(exchange.response, chain.onward);
    }
    const slo = parts.providers.find(to.entityId)?.slo ?? null;
    if (slo === null) return next(exchange, id);
    const xml = logoutRequestXml(newId(), { issuer: parts.entityId, destination: slo, now: parts.now(), to });
    return sendOn(exchange.response, redirectUrl(slo, 'SAMLRequest', xml, id, parts.keys.signing));
  };

  const receiveRequest = async (exchange: Exchange): Promise<void> => {
    const { sp, id, relayState, nameId, sessionIndex } = await readMessage(exchange, parts.providers, 'LogoutRequest');
    if (sp.slo === null) throw new Error(`${sp.entityId} has no single logout endpoint to answer to`);
    const facts = { issuer: parts.entityId, destination: sp.slo, now: parts.now(), inResponseTo: id };
    const back = redirectUrl(sp.slo, 'SAMLResponse', logoutResponseXml(facts), relayState, parts.keys.signing);
    const login = parts.logins.byParticipant(sp.entityId, nameId ?? '', sessionIndex);
    if (login === null) return sendOn(exchange.response, back);
    await parts.endElsewhere(exchange, login);
    const others = login.participants.filter(
      (one) => one.entityId !== sp.entityId || (sessionIndex !== null && one.sessionIndex !== sessionIndex),
    );
    return next(exchange, begin(others, back).replace('/saml/chain?id=', ''));
  };

  return {
    begin,
    next,
    async receive(exchange) {
      if (!exchange.query.has('SAMLResponse') && !exchange.form.has('SAMLResponse')) return receiveRequest(exchange);
      const { relayState } = await readMessage(exchange, parts.providers, 'LogoutResponse');
      return next(exchange, relayState ?? '');
    },
  };
}
