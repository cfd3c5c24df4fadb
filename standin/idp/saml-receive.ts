import { inflateRawSync } from 'node:zlib';
import type { Exchange } from './exchange.ts';
import { verifyRedirect } from './saml-signature.ts';
import { Extractor, SamlLib } from './samlify.ts';
import type { KnownProvider, ServiceProviders } from './service-providers.ts';

/** A message of a service provider whose signature holds. */
export interface ReceivedMessage {
  readonly sp: KnownProvider;
  readonly id: string;
  readonly relayState: string | null;
  readonly acs: string | null;
  readonly forceAuthn: boolean;
  readonly nameId: string | null;
  readonly sessionIndex: string | null;
}

type Kind = 'AuthnRequest' | 'LogoutRequest' | 'LogoutResponse';

const RSA_SHA256 = 'http://www.w3.org/2001/04/xmldsig-more#rsa-sha256';

const text = (value: unknown): string | null => (typeof value === 'string' && value !== '' ? value : null);

function extract(xml: string, kind: Kind) {
  const attribute = (key: string, name: string) => ({ key, localPath: [kind], attributes: [name] });
  return Extractor.extract(xml, [
    attribute('id', 'ID'),
    attribute('acs', 'AssertionConsumerServiceURL'),
    attribute('forceAuthn', 'ForceAuthn'),
    { key: 'issuer', localPath: [kind, 'Issuer'], attributes: [] },
    { key: 'nameId', localPath: [kind, 'NameID'], attributes: [] },
    { key: 'sessionIndex', localPath: [kind, 'SessionIndex'], attributes: [] },
  ]);
}

function holds(exchange: Exchange, xml: string, sp: KnownProvider): boolean {
  if (exchange.query.has('Signature')) return verifyRedirect(exchange.rawQuery, sp.certificates);
  try {
    return SamlLib.verifySignature(xml, { metadata: sp.entity.entityMeta, signatureAlgorithm: RSA_SHA256 })[0];
  } catch {
    return false;
  }
}

/**
 * Reads a message by redirect or POST binding and checks whose it is. A signature that does not hold is tried once more
 * with fresh metadata, since the service provider may have changed its key. Throws Error with what is wrong.
 */
export async function readMessage(
  exchange: Exchange,
  providers: ServiceProviders,
  kind: Kind,
): Promise<ReceivedMessage> {
  const name = kind === 'LogoutResponse' ? 'SAMLResponse' : 'SAMLRequest';
  const byQuery = exchange.query.get(name);
  const encoded = byQuery ?? exchange.form.get(name);
  if (encoded === null) throw new Error(`no ${name} in the request`);
  const bytes = Buffer.from(encoded, 'base64');
  const xml = (byQuery === null ? bytes : inflateRawSync(bytes)).toString();
  const facts = extract(xml, kind);
  const issuer = text(facts.issuer) ?? '';
  let sp = providers.find(issuer);
  if (sp === null || !holds(exchange, xml, sp)) sp = await providers.learn(issuer);
  if (sp === null)
    throw new Error(`unknown service provider ${issuer}: no metadata of that name was found at the gateways`);
  if (!holds(exchange, xml, sp)) throw new Error(`the ${kind} is not signed by ${issuer}`);
  const id = text(facts.id);
  if (id === null) throw new Error(`the ${kind} has no ID`);
  return {
    sp,
    id,
    relayState: exchange.query.get('RelayState') ?? exchange.form.get('RelayState'),
    acs: text(facts.acs),
    forceAuthn: facts.forceAuthn === 'true' || facts.forceAuthn === '1',
    nameId: text(facts.nameId),
    sessionIndex: text(facts.sessionIndex),
  };
}
