import type { X509Certificate } from 'node:crypto';
import { ALGORITHMS, verifies } from './algorithms.ts';
import { decodeBase64 } from './encoding.ts';
import { SamlFault, UnknownSigner } from './fault.ts';

/** The parameters that a redirect-binding signature covers and is made of, as they stood in the query. */
type Raw = ReadonlyMap<string, string>;

const SIGNED = ['SAMLRequest', 'SAMLResponse', 'RelayState', 'SigAlg', 'Signature'];
const LARGEST_SIGNATURE = 2048;

function rawParameters(query: string): Raw {
  const raw = new Map<string, string>();
  for (const part of query.split('&')) {
    const equals = part.indexOf('=');
    const name = equals < 0 ? part : part.slice(0, equals);
    // A name that only decodes to one of these would be read by others and not be covered by the signature.
    const plain = decode(name);
    if (!SIGNED.includes(plain)) continue;
    if (plain !== name || raw.has(name) || equals < 0) throw new SamlFault(`query: ${plain} twice or in disguise`);
    raw.set(name, part.slice(equals + 1));
  }
  return raw;
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch (error) {
    throw new SamlFault('query: broken percent-encoding', error);
  }
}

/** A message of the redirect binding whose signature held. */
export interface SignedQuery {
  readonly message: string;
  readonly relayState: string | null;
}

/**
 * Verifies a redirect-binding signature over the octets of the query as they were received (SAML Bindings, section
 * 3.4.4.1). Throws {@link UnknownSigner}, {@link SamlFault}.
 */
export function verifyQuery(
  query: string,
  kind: 'SAMLRequest' | 'SAMLResponse',
  certificates: readonly X509Certificate[],
): SignedQuery {
  const raw = rawParameters(query);
  const message = raw.get(kind);
  const relayState = raw.get('RelayState');
  const sigAlg = raw.get('SigAlg');
  const signature = raw.get('Signature');
  if (message === undefined) throw new SamlFault(`query: no ${kind}`);
  if (sigAlg === undefined || signature === undefined) throw new SamlFault(`${kind} is not signed`);
  const algorithm = decode(sigAlg);
  if (!ALGORITHMS.signatures.has(algorithm)) throw new SamlFault('a signature algorithm that is not allowed');
  const relay = relayState === undefined ? '' : `&RelayState=${relayState}`;
  const covered = Buffer.from(`${kind}=${message}${relay}&SigAlg=${sigAlg}`, 'latin1');
  const octets = decodeBase64(decode(signature), LARGEST_SIGNATURE);
  if (!certificates.some(({ publicKey }) => verifies(algorithm, covered, publicKey, octets)))
    throw new UnknownSigner('signed by no known certificate of the provider');
  return { message: decode(message), relayState: relayState === undefined ? null : decode(relayState) };
}
